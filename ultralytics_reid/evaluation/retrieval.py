"""Metrics of retrieval and of open-set identification: arrays of similarities and identities in, figures out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .._typing import Bools, Doubles, Ints, as_doubles


@dataclass(frozen=True)
class Retrieval:
    """Figures of searching a closed set, over the queries with a match.

    Attributes:
        cmc: `(K,)`, share of queries with a match among the first 1, 2, … K rows; NaN without queries.
        mean_ap: Mean average precision, in [0, 1]; NaN without queries.
        mean_inp: Mean inverse negative penalty, in [0, 1]: the number of matches over the rank of the last of them (Ye
            et al., "Deep learning for person re-identification", TPAMI 2021); NaN without queries.
        queries: Number of queries with a match in the gallery.
        unmatched: Number of queries without one, which count in no figure.
    """

    cmc: Doubles
    mean_ap: float
    mean_inp: float
    queries: int
    unmatched: int


def retrieval(
    similarity: npt.ArrayLike,
    query_ids: npt.ArrayLike,
    gallery_ids: npt.ArrayLike,
    *,
    query_cameras: npt.ArrayLike | None = None,
    gallery_cameras: npt.ArrayLike | None = None,
    ranks: int = 50,
) -> Retrieval:
    """Rank a gallery for each query: CMC, mAP and mINP, as the field reports them on Market-1501.

    Equal similarities keep the gallery's order.

    Args:
        similarity: `(Q, G)`, higher is more similar.
        query_ids: `(Q,)` identities.
        gallery_ids: `(G,)` identities.
        query_cameras: `(Q,)`; with `gallery_cameras`, rows of the query's own identity on its own camera are left out.
        gallery_cameras: `(G,)`.
        ranks: `K`, 1 or more; a shorter gallery's last value is repeated.

    Raises:
        ValueError: If the shapes don't fit, a similarity is NaN, or only one side's cameras are given.
    """
    scores, queries, gallery = _checked(similarity, query_ids, gallery_ids)
    same = queries[:, None] == gallery[None]
    usable = np.ones_like(same)
    if (query_cameras is None) != (gallery_cameras is None):
        raise ValueError("query_cameras and gallery_cameras are given both or not at all")
    if query_cameras is not None:
        usable = ~(same & (np.asarray(query_cameras)[:, None] == np.asarray(gallery_cameras)[None]))
    order = np.argsort(-scores, axis=1, kind="stable")
    rows = [
        hits
        for ranked, hidden, row in zip(same, ~usable, order, strict=True)
        if (hits := ranked[row][~hidden[row]]).any()
    ]
    unmatched = len(scores) - len(rows)
    if not rows:
        return Retrieval(np.full(ranks, np.nan), float("nan"), float("nan"), 0, unmatched)
    cmc, precision, penalty = zip(*(_of_query(hits, ranks) for hits in rows), strict=True)
    return Retrieval(
        as_doubles(np.mean(cmc, axis=0)), float(np.mean(precision)), float(np.mean(penalty)), len(rows), unmatched
    )


def _of_query(hits: Bools, ranks: int) -> tuple[Doubles, float, float]:
    """CMC `(K,)`, average precision and inverse negative penalty of a query, from its `(G,)` ranked hits."""
    at = np.flatnonzero(hits) + 1
    cmc = (np.arange(1, ranks + 1) >= at[0]).astype(np.float64)
    count = np.arange(1, len(at) + 1)
    return cmc, float(np.mean(count / at)), float(len(at) / at[-1])


def tar_at_far(genuine: npt.ArrayLike, impostor: npt.ArrayLike, rate: float) -> float:
    """Verification: share of genuine pairs accepted (TAR) at the threshold that accepts `rate` of the impostors (FAR).

    Args:
        genuine: `(N,)` similarities of pairs of one individual.
        impostor: `(M,)` similarities of pairs of two.
        rate: Largest FAR, in [0, 1]; the threshold lies just above the first impostor that would exceed it.

    Returns:
        In [0, 1]; NaN without genuine or impostor pairs.
    """
    same, others = as_doubles(genuine), as_doubles(impostor)
    if not (len(same) and len(others)):
        return float("nan")
    return float((same > _bound(others, rate)).mean())


def fnir_at_fpir(similarity: npt.ArrayLike, query_ids: npt.ArrayLike, gallery_ids: npt.ArrayLike, rate: float) -> float:
    """Open-set identification: share of enrolled queries missed (FNIR) at a rate of false alarms (FPIR).

    A query that isn't enrolled raises a false alarm if its most similar row exceeds the threshold. An enrolled one is
    missed if its most similar row is another individual's, or doesn't exceed it (ISO/IEC 19795-1; NIST FRVT 1:N).

    Args:
        similarity: `(Q, G)`, higher is more similar.
        query_ids: `(Q,)` identities; those without a row in the gallery are the ones not enrolled.
        gallery_ids: `(G,)` identities, of one row each or of several.
        rate: Largest FPIR, in [0, 1].

    Returns:
        In [0, 1]; NaN without queries of either kind.

    Raises:
        ValueError: If the shapes don't fit, or a similarity is NaN.
    """
    scores, queries, gallery = _checked(similarity, query_ids, gallery_ids)
    enrolled = np.isin(queries, gallery)
    if enrolled.all() or not enrolled.any():
        return float("nan")
    best = scores.max(axis=1)
    # An individual of the best score counts as found even where a stranger has the same score.
    own = np.where(queries[:, None] == gallery[None], scores, -np.inf).max(axis=1)
    found = (own == best) & (best > _bound(best[~enrolled], rate))
    return float(1 - found[enrolled].mean())


def _bound(impostors: Doubles, rate: float) -> float:
    """The least impostor score that at most `rate` of all scores exceed."""
    allowed = int(np.floor(rate * len(impostors) + 1e-9))
    ranked = np.sort(impostors)[::-1]
    return float(ranked[allowed]) if allowed < len(ranked) else -np.inf


def _checked(
    similarity: npt.ArrayLike, query_ids: npt.ArrayLike, gallery_ids: npt.ArrayLike
) -> tuple[Doubles, Ints, Ints]:
    scores = as_doubles(similarity)
    queries, gallery = np.asarray(query_ids, np.int64), np.asarray(gallery_ids, np.int64)
    if scores.shape != (len(queries), len(gallery)):
        raise ValueError(f"similarity must be ({len(queries)}, {len(gallery)}), as there are ids, got {scores.shape}")
    if not len(gallery) or np.isnan(scores).any():
        raise ValueError("similarity must have a column, and no NaN")
    return scores, queries, gallery
