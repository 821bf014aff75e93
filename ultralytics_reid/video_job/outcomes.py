"""What a second pass came to, by final identity: which ids of the first pass it is made of."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass

import numpy as np

from ..refinement.changes import MERGED
from .tracked import ID, TrackedVideo


@dataclass(frozen=True)
class Outcome:
    """What became a final identity.

    Attributes:
        identity: The final id.
        shares: By id of the first pass, those with most boxes first: which share of its boxes went in, in (0, 1].
        probability: The least that the second pass gave one of its merges; None where it merged nothing.
    """

    identity: int
    shares: dict[int, float]
    probability: float | None


def outcomes(tracked: TrackedVideo) -> list[Outcome]:
    """List the identities that are made of other ids than their own, or of parts, by first appearance.

    Boxes that a second pass leaves out don't count.

    Args:
        tracked: The tracked video; without a second pass there are none.
    """
    if tracked.before is None:
        return []
    pairs = np.column_stack([tracked.before, tracked.rows[:, ID].astype(np.int64)])
    found, counts = np.unique(pairs[tracked.before > 0], axis=0, return_counts=True)
    whole: Counter[int] = Counter()
    parts: defaultdict[int, Counter[int]] = defaultdict(Counter)
    for (old, new), count in zip(found.tolist(), counts.tolist(), strict=True):
        whole[old] += count
        parts[new][old] = count
    least: dict[int, float] = {}
    for change in tracked.changes:
        if change.kind == MERGED and change.probability is not None:
            for new in change.new_ids:
                least[new] = min(change.probability, least.get(new, 1.0))
    listed = []
    for identity in (track.identity for track in tracked.identities):
        shares = {old: count / whole[old] for old, count in parts[identity].most_common()}
        if shares and shares != {identity: 1}:
            listed.append(Outcome(identity, shares, least.get(identity) if len(shares) > 1 else None))
    return listed
