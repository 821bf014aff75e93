"""How well embeddings tell identities apart: retrieval and verification of labeled images, with intervals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .._typing import Doubles, Floats
from ..appearance.embedding import unit
from .estimate import Estimate, draw_identities, mean_estimate
from .protocol import SearchProtocol
from .retrieval import QueryRanks, rank_queries
from .verification import Verification

# FAR of verification, FPIR of open-set identification.
RATE = 0.01
RANKS = (1, 5, 10)

# Pairs that are compared at once, which bounds the memory.
_PAIRS_AT_ONCE = 2**23

Similarity = Callable[[slice], Floats]


@dataclass(frozen=True, eq=False)
class EmbeddingScores:
    """Figures of a search, each in [0, 1] or NaN.

    Attributes:
        mean_ap: Mean average precision.
        rank: Share of queries with a match among the first so many, by that number: those of `RANKS`.
        mean_inp: Mean inverse negative penalty.
        tar: Verification: TAR at a FAR of `RATE`, over all pairs that count; None where it wasn't asked for.
        queries: Number of queries with a match.
        unmatched: Number of queries without one, which count in no figure.
        unknown: Share of the pairs that were left out as it isn't known whether they show one individual.
        ranks: The same by query.
    """

    mean_ap: Estimate
    rank: dict[int, Estimate]
    mean_inp: Estimate
    tar: Estimate | None
    queries: int
    unmatched: int
    unknown: float
    ranks: QueryRanks


def cosine(protocol: SearchProtocol, rows: Floats) -> Similarity:
    """Cosine similarity of a part of the queries to the gallery, from embeddings `(N, D)` of any norm."""
    rows = unit(rows)
    return lambda part: rows[protocol.queries[part]] @ rows[protocol.gallery].T


def given(similarity: Floats) -> Similarity:
    """Similarity of a part of the queries to the gallery, from `(Q, G)`."""
    return lambda part: similarity[part]


def score_search(protocol: SearchProtocol, similarity: Similarity, *, verify: bool = True) -> EmbeddingScores:
    """Score a search.

    Args:
        protocol: Who is searched for, in which images.
        similarity: Of a part of the queries to the gallery, `(q, G)`, higher is more similar, such as `cosine`.
        verify: Whether to compute `tar`, for which similarities of different queries must be comparable.
    """
    identities = protocol.identities[protocol.queries]
    count = int(identities.max(initial=-1)) + 1
    pairs = len(protocol.queries) * len(protocol.gallery)
    verification = Verification(RATE, pairs, count) if verify else None
    parts, unknown = [], 0
    for part in query_parts(protocol):
        same, usable = protocol.pairs(part)
        scores = similarity(part)
        parts.append(rank_queries(scores, same, usable))
        if protocol.different is not None:
            unknown += int(np.count_nonzero(~same & ~usable))
        if verification is not None:
            owners = np.broadcast_to(identities[part][:, None], same.shape)
            genuine, impostors = same & usable, ~same & usable
            verification.add((scores[genuine], owners[genuine]), (scores[impostors], owners[impostors]))
    ranks = _joined(parts)
    counts = draw_identities(count)
    return EmbeddingScores(
        mean_ap=mean_estimate(ranks.average_precision, identities, counts),
        rank={r: mean_estimate(_within(ranks, r), identities, counts) for r in RANKS},
        mean_inp=mean_estimate(ranks.inverse_negative_penalty, identities, counts),
        tar=None if verification is None else verification.tar(counts),
        queries=int(ranks.matched.sum()),
        unmatched=int((~ranks.matched).sum()),
        unknown=unknown / pairs if pairs else 0.0,
        ranks=ranks,
    )


def query_parts(protocol: SearchProtocol) -> list[slice]:
    """Parts of the queries that are compared at once."""
    step = max(1, _PAIRS_AT_ONCE // max(1, len(protocol.gallery)))
    return [slice(n, n + step) for n in range(0, len(protocol.queries), step)]


def _within(ranks: QueryRanks, most: int) -> Doubles:
    return np.where(ranks.matched, ranks.first <= most, np.nan)


def _joined(parts: list[QueryRanks]) -> QueryRanks:
    if not parts:
        return QueryRanks(np.zeros(0, np.int64), np.zeros(0), np.zeros(0))
    columns = zip(*((p.first, p.average_precision, p.inverse_negative_penalty) for p in parts), strict=True)
    return QueryRanks(*map(np.concatenate, columns))
