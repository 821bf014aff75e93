"""Agglomerative average-linkage clustering of pieces under constraints: whose log-odds are highest is linked first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .._typing import Bools, Doubles, Ints, as_bools
from ..association.motion import linear_decay, motion_llr, reachable
from ..tuning import RefineTuning
from .overlaps import Overlaps
from .pieces import Pieces
from .scores import Appearance

_MANY_CROPS = 50.0

Allowed = Callable[[Ints], bool]


@dataclass(frozen=True)
class Link:
    """Two clusters that were linked, as pieces that are in them.

    Attributes:
        a: A piece of the one.
        b: A piece of the other.
        log_odds: That both are one individual.
        reason: What says so.
    """

    a: int
    b: int
    log_odds: float
    reason: str


@dataclass
class Evidence:
    """What speaks for and against linking pieces, each `(P, P)` and symmetric; linking adds rows and columns up.

    Attributes:
        score: Sums of cosines, weighted by crops.
        weight: Sums of these weights.
        crops: `(P,)` clean crops.
        motion: Log-likelihood ratio of motion over the shortest gap, nats.
        gap: That gap, seconds; infinite where there is none.
        prior: Log-odds before that evidence, by what the tracker took for one individual.
        resumed: The same, where it was absent in between: the tracker itself took it back.
        common: Common frames.
        conflicts: Common frames, boxes not one in another.
        gated: Whether class or speed, or the user, forbids it.
    """

    score: Doubles
    weight: Doubles
    crops: Doubles
    motion: Doubles
    gap: Doubles
    prior: Doubles
    resumed: Bools
    common: Ints
    conflicts: Ints
    gated: Bools

    def log_odds(self, appearance: Appearance, tuning: RefineTuning) -> Doubles:
        """`(P, P)` log-odds that two are one individual; -inf where gated out."""
        return self._of(slice(None), appearance, tuning)

    def _of(self, row: slice | int, appearance: Appearance, tuning: RefineTuning) -> Doubles:
        weight = self.weight[row]
        mean = self.score[row] / np.where(weight > 0, weight, 1)
        least = np.minimum(self.crops[row, None] if isinstance(row, slice) else self.crops[row], self.crops)
        value = appearance.llr(mean, np.where(weight > 0, least, 0)) + self.motion[row]
        value += self.prior[row]
        out = self.gated[row] | (self.conflicts[row] > tuning.tolerated_frames)
        # Two boxes on one individual, or one individual behind another: only looks can tell.
        out |= (self.common[row] > tuning.tolerated_frames) & (weight == 0)
        return np.where(out, -np.inf, value)

    def row(self, n: int, appearance: Appearance, tuning: RefineTuning) -> Doubles:
        """`(P,)` log-odds of one against all."""
        return self._of(n, appearance, tuning)

    def link(self, a: int, b: int) -> None:
        """Make `b` part of `a`, and gate it out."""
        for table in (self.score, self.weight, self.common, self.conflicts):
            table[a] += table[b]
            table[:, a] = table[a]
        nearer = self.gap[b] < self.gap[a]
        for table in (self.motion, self.gap):
            table[a] = np.where(nearer, table[b], table[a])
            table[:, a] = table[a]
        self.prior[a] = np.maximum(self.prior[a], self.prior[b])
        self.prior[:, a] = self.prior[a]
        for mask in (self.resumed, self.gated):
            mask[a] |= mask[b]
            mask[:, a] = mask[a]
        self.crops[a] += self.crops[b]
        self.gated[b] = self.gated[:, b] = True
        self.gated[a, a] = True


def collect(pieces: Pieces, overlaps: Overlaps, appearance: Appearance, tuning: RefineTuning) -> Evidence:
    """Collect what is known of each two pieces."""
    seen = appearance.metric.project(pieces.means).astype(np.float64)
    crops = pieces.crops.astype(np.float64)
    weights = np.minimum(crops, _MANY_CROPS) * (crops >= tuning.min_crops)
    weight = np.outer(weights, weights)
    gap, motion, reach = _motion(pieces, tuning)
    same = _consecutive(pieces)
    gated = ~reach | (pieces.classes[:, None] != pieces.classes)
    np.fill_diagonal(gated, True)
    return Evidence(
        seen @ seen.T * weight,
        weight,
        crops,
        motion,
        gap,
        _prior(same, gap, weight > 0, appearance, tuning),
        same & (gap > tuning.gap_seconds),
        overlaps.common.copy(),
        overlaps.common - overlaps.inside,
        gated,
    )


def _prior(same: Bools, gap: Doubles, compared: Bools, appearance: Appearance, tuning: RefineTuning) -> Doubles:
    """`(P, P)` log-odds by what the tracker took for one individual, `same`."""
    if not appearance.is_discriminative:
        return np.where(same, tuning.same_id_log_odds, -tuning.new_log_odds)
    # After motion has faded the tracker went by looks, which are weighed here: they mustn't count twice.
    late = compared & (gap > tuning.motion_seconds)
    kept = np.where(late, tuning.late_id_log_odds, tuning.same_id_log_odds)
    # Where looks tell, a piece without a clean crop is likelier somebody hidden than one whom motion alone explains.
    return np.where(same, kept, -np.where(compared, tuning.new_log_odds, tuning.unseen_log_odds))


def _consecutive(pieces: Pieces) -> Bools:
    """`(P, P)`, which pieces follow each other under one id."""
    same = np.zeros((len(pieces), len(pieces)), bool)
    order = np.lexsort((pieces.first, pieces.ids))
    one_id = pieces.ids[order[:-1]] == pieces.ids[order[1:]]
    same[order[:-1][one_id], order[1:][one_id]] = True
    return as_bools(same | same.T)


def _motion(pieces: Pieces, tuning: RefineTuning) -> tuple[Doubles, Doubles, Bools]:
    """Gaps in seconds, motion's log-likelihood ratios and reachability of each two pieces, all `(P, P)`."""
    ends, starts = pieces.ends, pieces.starts
    gap = starts["time"][:, None] - ends["time"]
    after = gap > 0
    area = float(pieces.tracks.shape[0] * pieces.tracks.shape[1])
    with np.errstate(over="ignore"):
        llr = motion_llr(ends, np.where(after, gap, 0), starts["center"][:, None], area)
    llr = np.clip(llr, -tuning.max_motion, tuning.max_motion) * linear_decay(
        np.where(after, gap, 0), tuning.motion_seconds
    )
    reach = reachable(ends, starts, starts["time"][:, None], tuning.max_speed) | ~after
    llr, gap = np.where(after, llr, 0), np.where(after, gap, np.inf)
    return np.minimum(gap, gap.T), llr + llr.T, as_bools(reach & reach.T)


def cluster(
    evidence: Evidence,
    appearance: Appearance,
    tuning: RefineTuning,
    links: list[tuple[int, int]],
    allowed: Allowed | None = None,
) -> tuple[Ints, list[Link]]:
    """Link pieces, the surest first, until no two are likelier one individual than two.

    Args:
        evidence: Of the pieces; it is used up.
        appearance: The calibration.
        tuning: Constants.
        links: Pieces that must be linked.
        allowed: Whether all pieces of two clusters, by number, can be one individual's; None where no more than pairs
            tells. Clusters are asked about again when one of them has grown.

    Returns:
        The cluster of each piece `(P,)`, and what was linked, in order.
    """
    clusters = np.arange(len(evidence.crops))
    done: list[Link] = []
    for a, b in links:
        _link(evidence, clusters, done, (int(clusters[a]), int(clusters[b])), (np.inf, "must_link"))
    if not len(clusters):
        return clusters, done
    table = evidence.log_odds(appearance, tuning)
    while True:
        a, b = divmod(int(table.argmax()), len(table))
        reason = (
            "same id"
            if evidence.resumed[a, b] or evidence.prior[a, b] > 0
            else "motion"
            if evidence.weight[a, b] == 0
            else "appearance"
        )
        if table[a, b] <= 0:
            # Nothing better was found for these: unless they are strangers for certain, they stay as they were.
            left = np.where(evidence.resumed, table, -np.inf)
            a, b = divmod(int(left.argmax()), len(table))
            reason = "same id"
            if left[a, b] <= tuning.leave_log_odds:
                return clusters, done
        a, b = min(a, b), max(a, b)
        if allowed is not None and not allowed(np.flatnonzero(np.isin(clusters, (a, b)))):
            table[a, b] = table[b, a] = -np.inf
            continue
        _link(evidence, clusters, done, (a, b), (float(table[a, b]), reason))
        table[b] = table[:, b] = -np.inf
        table[a] = table[:, a] = evidence.row(a, appearance, tuning)


def _link(evidence: Evidence, clusters: Ints, done: list[Link], pair: tuple[int, int], why: tuple[float, str]) -> None:
    a, b = min(pair), max(pair)
    if a != b:
        done.append(Link(a, b, *why))
        evidence.link(a, b)
        clusters[clusters == b] = a
