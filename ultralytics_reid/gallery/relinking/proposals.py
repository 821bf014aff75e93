"""What relinking changes: merges and splits of identities, with probabilities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from ..._typing import Ints, as_bools
from ...association.assignment import hungarian
from ...tuning import OUTLIER_PAIRS
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

    A cluster keeps the identity that its visits are pinned to; the others are assigned so that most sightings keep
    theirs (Hungarian).

    Args:
        solution: Who is who.
        pins: `(V,)` identities that visits keep, 0 for none.
    """
    clusters, before = solution.clusters, solution.of.identities
    kept = {int(c): int(i) for c, i in zip(clusters[pins > 0], pins[pins > 0], strict=True)}
    free = ~np.isin(clusters, list(kept)) & ~np.isin(before, list(kept.values()))
    rows, row = np.unique(clusters[free], return_inverse=True)
    columns, column = np.unique(before[free], return_inverse=True)
    worth = np.zeros((len(rows), len(columns)))
    # A visit without a sighting counts too; of equals the older identity is kept, by those who came first.
    np.add.at(worth, (row, column), 1.0 + solution.of.sightings[free])
    worth += 0.5 * (worth > 0) * (1 - np.arange(len(columns)) / max(1, len(columns)))
    begun = np.full(len(rows), np.inf)
    np.minimum.at(begun, row, np.array([v.first for v in solution.of.visits])[free])
    worth += 0.2 * (worth > 0) * (1 - np.argsort(np.argsort(begun)) / max(1, len(rows)))[:, None]
    kept |= {int(rows[n]): int(columns[m]) for n, m in hungarian(worth, as_bools(worth > 0))}
    unnamed = [c for c in dict.fromkeys(clusters.tolist()) if c not in kept]
    kept |= {cluster: _FIRST_NEW - n for n, cluster in enumerate(unnamed)}
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


def links_of(solution: Solution, constraints: Constraints, identities: Ints) -> dict[int, float]:
    """Weigh each visit that keeps its identity against the others that keep it, by all that is known by now.

    Args:
        solution: Who is who.
        constraints: What is decided.
        identities: `(V,)` after relinking.

    Returns:
        The probability that a visit shows the individual of the others, by the visit's id; nothing where looks don't
        tell individuals apart.
    """
    if not solution.appearance.is_discriminative:
        return {}
    kept = solution.of.identities == identities
    found = {}
    for n in np.flatnonzero(kept).tolist():
        others = np.flatnonzero(kept & (identities == identities[n]))
        others = others[others != n]
        if len(others):
            found[solution.of.visits[n].id] = _weighed(solution, constraints, np.array([n]), others)[0]
    return found


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
        return 0.5, "no sightings to compare"
    means = [np.average(visits.means[g], axis=0, weights=visits.sightings[g]) for g in (a, b)]
    score = np.array([means[0] @ means[1]], np.float64)
    llr = float(solution.appearance.llr(score, np.array([float(min(sizes))]))[0])
    likely = float(expit(llr - solution.new_log_odds))
    return (1 - OUTLIER_PAIRS) * likely + OUTLIER_PAIRS / 2, "appearance"
