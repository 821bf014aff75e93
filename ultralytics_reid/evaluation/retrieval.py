"""Metrics of retrieval and of open-set identification: arrays of similarities and identities in, figures out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .._typing import Bools, Doubles, Ints, as_bools, as_doubles


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


@dataclass(frozen=True, eq=False)
class QueryRanks:
    """What the ranking of a gallery came to, query by query.

    Attributes:
        first: `(Q,)` int64, rank of the first match, from 1; 0 without a match.
        average_precision: `(Q,)`, in [0, 1]; NaN without a match.
        inverse_negative_penalty: `(Q,)`, in [0, 1], see `Retrieval.mean_inp`; NaN without a match.
    """

    first: Ints
    average_precision: Doubles
    inverse_negative_penalty: Doubles

    @property
    def matched(self) -> Bools:
        """`(Q,)` bool, the queries with a match."""
        return as_bools(self.first > 0)


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
    found = rank_queries(scores, same, usable)
    return summarize_ranks(found, ranks)


def rank_queries(similarity: npt.NDArray[np.floating], same: Bools, usable: Bools) -> QueryRanks:
    """Rank a gallery for each query, of pairs that count; equal similarities keep the gallery's order.

    Args:
        similarity: `(Q, G)`, higher is more similar, without NaN.
        same: `(Q, G)`, pairs of one individual.
        usable: `(Q, G)`, pairs that count; the others are left out of the ranking.
    """
    first = np.zeros(len(similarity), np.int64)
    precision, penalty = np.full((2, len(similarity)), np.nan)
    for n in np.flatnonzero((same & usable).any(axis=1)):
        kept = usable[n]
        at = _ranks_of(similarity[n][kept], np.flatnonzero(same[n][kept]))
        first[n] = at[0]
        precision[n] = np.mean(np.arange(1, len(at) + 1) / at)
        penalty[n] = len(at) / at[-1]
    return QueryRanks(first, precision, penalty)


def _ranks_of(scores: npt.NDArray[np.floating], hits: npt.NDArray[np.intp]) -> Ints:
    """Ranks of some of the scores, from 1 and ascending; a score's rank is after equal ones that stand before it."""
    # Sorting values takes a tenth of the time of a stable sort of their indices.
    ordered, values = np.sort(scores), scores[hits]
    up_to = np.searchsorted(ordered, values, side="right")
    above = len(scores) - up_to
    for k in np.flatnonzero(up_to - np.searchsorted(ordered, values, side="left") > 1):
        above[k] += np.count_nonzero(scores[: hits[k]] == values[k])
    return np.sort(above) + 1


def summarize_ranks(found: QueryRanks, ranks: int = 50) -> Retrieval:
    """Average over the queries with a match; `ranks` is the length of the CMC."""
    matched = found.matched
    queries, unmatched = int(matched.sum()), int((~matched).sum())
    if not queries:
        return Retrieval(np.full(ranks, np.nan), float("nan"), float("nan"), 0, unmatched)
    cmc = (found.first[matched, None] <= np.arange(1, ranks + 1)).mean(axis=0)
    precision, penalty = found.average_precision[matched], found.inverse_negative_penalty[matched]
    return Retrieval(as_doubles(cmc), float(precision.mean()), float(penalty.mean()), queries, unmatched)


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
    if allowed >= len(impostors):
        return -np.inf
    at = len(impostors) - 1 - allowed
    return float(np.partition(impostors, at)[at])


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
