"""What relinking changes: merges and splits of identities, with probabilities."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from ..._typing import Ints
from ...tuning import OUTLIER_PAIRS, RELINK
from ..ledger import Move
from .decisions import Constraints
from .solver import Solution

MERGE, SPLIT = "merge", "split"
# The identity of visits that get a new one, before any is reserved: the first is -1, the next -2.
_FIRST_NEW = -1


@dataclass(frozen=True)
class Proposal:
    """One change of a gallery's identities.

    Attributes:
        kind: `merge` (an identity that is another) or `split` (visits of an identity that show another individual).
        identity_id: The identity that ends, or loses visits.
        to: The identity that these visits get; None for a new one.
        visits: Ids of the visits that get it, by when they began.
        with_visits: Ids of those that they join; empty for a new identity of a single visit.
        probability: That these visits show the individual that they join, or where they join none, another than the
            rest of their identity; in [0, 1], by all of them together.
        reason: What says so, in words.
    """

    kind: str
    identity_id: int
    to: int | None
    visits: tuple[int, ...]
    with_visits: tuple[int, ...]
    probability: float
    reason: str


def identities_of(solution: Solution, pins: Ints) -> Ints:
    """`(V,)` the identity of each visit after relinking; of clusters that need a new one -1, -2, and so on.

    A cluster keeps the identity that its visits are pinned to, otherwise the one with most sightings in it, of those
    that no other cluster keeps.

    Args:
        solution: Who is who.
        pins: `(V,)` identities that visits keep, 0 for none.
    """
    clusters, visits = solution.clusters, solution.of
    kept = {int(c): int(i) for c, i in zip(clusters[pins > 0], pins[pins > 0], strict=True)}
    taken, counts = set(pins[pins > 0].tolist()), defaultdict[tuple[int, int], int](int)
    for cluster, identity, sightings in zip(
        clusters.tolist(), visits.identities.tolist(), visits.sightings.tolist(), strict=True
    ):
        counts[cluster, identity] += 1 + sightings
    for (cluster, identity), _ in sorted(counts.items(), key=lambda c: (-c[1], c[0][1], c[0][0])):
        if cluster not in kept and identity not in taken:
            kept[cluster] = identity
            taken.add(identity)
    for n, cluster in enumerate(c for c in dict.fromkeys(clusters.tolist()) if c not in kept):
        kept[cluster] = _FIRST_NEW - n
    return np.array([kept[c] for c in clusters.tolist()], np.int64)


def moves_of(solution: Solution, identities: Ints) -> list[Move]:
    """List the visits that get another identity."""
    of = zip(solution.of.visits, identities.tolist(), strict=True)
    return [Move(v.id, v.identity, identity) for v, identity in of if v.identity != identity]


def proposals_of(solution: Solution, constraints: Constraints, identities: Ints) -> list[Proposal]:
    """List what is changed, the surest first."""
    before = solution.of.identities
    ways = sorted({(int(a), int(b)) for a, b in zip(before, identities, strict=True) if a != b})
    found = [_proposal(solution, constraints, identities, way) for way in ways]
    return sorted(found, key=lambda p: (-p.probability, p.kind, p.identity_id, p.visits))


def _proposal(solution: Solution, constraints: Constraints, identities: Ints, way: tuple[int, int]) -> Proposal:
    old, new = way
    before = solution.of.identities
    moved = np.flatnonzero((before == old) & (identities == new))
    joined = np.flatnonzero((identities == new) & (before != old))
    left = np.flatnonzero((before == old) & (identities != new))
    others = joined if len(joined) else left
    probability, reason = _weighed(solution, constraints, moved, others)
    return Proposal(
        SPLIT if len(left) else MERGE,
        old,
        new if new > 0 else None,
        _ids(solution, moved),
        _ids(solution, joined),
        probability if len(joined) else 1 - probability,
        reason,
    )


def _ids(solution: Solution, rows: Ints) -> tuple[int, ...]:
    return tuple(solution.of.visits[n].id for n in rows.tolist())


def _weighed(solution: Solution, constraints: Constraints, a: Ints, b: Ints) -> tuple[float, str]:
    """The probability that two groups of visits show one individual, and what says so."""
    table = np.ix_(a, b)
    if constraints.must[table].any():
        return 1.0, "decided by hand"
    if constraints.cannot[table].any():
        return 0.0, "decided by hand"
    if solution.apart[table].any():
        return 0.0, "in two places at once, or farther than it travels"
    visits = solution.of
    sizes = visits.sightings[a].sum(), visits.sightings[b].sum()
    if not min(sizes):
        return 0.5, "nothing is seen of them"
    means = [np.average(visits.means[g], axis=0, weights=visits.sightings[g]) for g in (a, b)]
    score = np.array([means[0] @ means[1]], np.float64)
    llr = float(solution.appearance.llr(score, np.array([float(min(sizes))]))[0])
    likely = float(expit(llr - RELINK.new_log_odds))
    return (1 - OUTLIER_PAIRS) * likely + OUTLIER_PAIRS / 2, "appearance"
