"""Track initiation: when a new tracklet is given an id, and which tracklets are certainly different individuals.

A second box on somebody, half a person, or two people in one box begin as a newcomer does, and mostly end within a
second. A clean and separate newcomer is given an id at once; a tracklet in doubt waits, and may turn out to be
somebody who is known. TrackTrack (Shim et al., CVPR 2025) has its track-aware initialization for the same purpose.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from .._typing import Floats
from ..association.overlap import overlap_share
from ..config import Config
from ..memory.bank import MemoryBank
from ..tuning import APART_SHARE
from .birth import UsualScore
from .decision import Decision


@dataclass(frozen=True)
class VisibleBoxes:
    """Boxes of a frame's confirmed tracks.

    Attributes:
        xyxy: `(N, 4)` pixels.
        scores: `(N,)` detection scores in [0, 1].
    """

    xyxy: npt.NDArray[np.floating]
    scores: Floats

    @cached_property
    def overlap_share(self) -> Floats:
        """`(N, N)` overlap of the boxes by the smaller one; computed when first asked for."""
        return overlap_share(self.xyxy)


def initiate(
    visible: Sequence[Decision], boxes: VisibleBoxes | None, usual: UsualScore, now: float, config: Config
) -> None:
    """Update whether each tracklet without an id is in doubt, `Decision.in_doubt`.

    Args:
        visible: `N` decisions of the frame's confirmed tracks; changed in place.
        boxes: Their `N` boxes; None where they are unknown, and no tracklet is in doubt.
        usual: The score of a usual box; counts these.
        now: The time, seconds.
        config: Says how long a tracklet is in doubt at most, and whether doubt hides it.
    """
    patience = config.tuning.initiation_seconds if config.provisional == "hide" else 0.0
    new = [n for n, d in enumerate(visible) if d.identity < 0 and d.reactivated_id is None]
    for decision in visible:
        decision.in_doubt = False
    if boxes is not None:
        usual.add(boxes.scores)
    if boxes is None or not patience or not new:
        return
    shown = np.array([d.identity > 0 for d in visible], bool)
    inside = np.where(shown[None], boxes.overlap_share[new], 0).max(axis=1)
    for n, share in zip(new, inside.tolist(), strict=True):
        birth = visible[n].birth
        birth.add(float(boxes.scores[n]))
        visible[n].in_doubt = now - visible[n].tracklet.born < patience * birth.doubt(share, usual.scale)


def note_apart(visible: Sequence[Decision], boxes: VisibleBoxes | None, now: float, config: Config) -> None:
    """Note for each tracklet the identities that were visible elsewhere at the same time, `Decision.seen_apart`.

    Args:
        visible: `N` decisions of the frame's confirmed tracks; changed in place.
        boxes: Their `N` boxes; None where they are unknown, and any two are apart.
        now: The time, seconds.
        config: Says whether boxes that overlap count as apart.
    """
    if not visible:
        return
    identities = np.array([d.identity if d.settled else -1 for d in visible], np.int64)
    near = np.eye(len(visible), dtype=bool)
    if boxes is not None and config.tuning.covisible_apart:
        near |= boxes.overlap_share > APART_SHARE
    near &= identities > 0
    everybody = dict.fromkeys(identities[identities > 0].tolist(), now)
    rows, columns = (places.tolist() for places in np.nonzero(near))
    before = [
        (row, i, visible[row].seen_apart.get(i)) for row, i in zip(rows, identities[columns].tolist(), strict=True)
    ]
    for decision in visible:
        decision.seen_apart.update(everybody)
    for row, identity, last in before:  # all but those near: they are few
        if last is None:
            del visible[row].seen_apart[identity]
        else:
            visible[row].seen_apart[identity] = last


def prune_apart(visible: Iterable[Decision], bank: MemoryBank) -> None:
    """Drop from `seen_apart` whom memory has forgotten, where there are more of them than are remembered."""
    for decision in visible:
        if len(decision.seen_apart) > 2 * len(bank):
            decision.seen_apart = {i: t for i, t in decision.seen_apart.items() if i in bank}


def forget_apart(visible: Iterable[Decision], identity: int, since: float) -> None:
    """Forget that tracklets were seen apart from an identity since a time: its box showed somebody else."""
    for decision in visible:
        if decision.seen_apart.get(identity, -np.inf) >= since:
            del decision.seen_apart[identity]


def rename_apart(decisions: Iterable[Decision], old: int, new: int) -> None:
    """Follow an identity that turned out to be another."""
    for decision in decisions:
        if old in decision.seen_apart:
            last = decision.seen_apart.pop(old)
            decision.seen_apart[new] = max(last, decision.seen_apart.get(new, last))
