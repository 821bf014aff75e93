"""Where identity is lost: a tracker's output taken apart by ground truth, box by box and id by id."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from itertools import pairwise

import numpy as np
from scipy.optimize import linear_sum_assignment

from ultralytics_reid._typing import Bools, Doubles, Floats, Ints
from ultralytics_reid.evaluation.frames import FrameBoxes, iou
from ultralytics_reid.evaluation.returns import MATCH_IOU

from ..data.sequences import Detections

DEFINITIONS = """\
matched             boxes of the truth and of the output are matched one to one, at IoU
                    0.5 or more; a pair of the frame before stays, as in CLEAR MOT, else
                    the sum of IoU decides (Hungarian). A box is on the person that it
                    is matched to.
undetected          a box of the truth without a match and without a detection of its
                    own, of any score. Detections are matched to the truth one to one,
                    at IoU 0.5 or more; boxes with a match get theirs first.
low score           a box without a match, with a detection of its own, but none of the
                    score that the tracker calls high (track_high_thresh, --high).
held back           a box without a match, with a detection of its own of that score.
false boxes         boxes of the output without a match. Second boxes are those that
                    overlap somebody with a match, at IoU 0.5 or more.
switches            from one matched box of an id to its next, it is on another person.
false ids           ids more than half of whose boxes are false.
a person's id       of all other ids that are on this person most, of equals the person
                    first, the one that is on them most, of equals the one shown first.
pieces              all other ids: on somebody most who has an id already. Ids = people
                    with an id + false ids + pieces.
under 1 s           from an id's first to its last box there is less than a second.
missed merges       pieces that are in no frame together with the person's id.
false merges        ids that are on a second person in a tenth of their matched boxes or
                    more, and for half a second or more.
"""

NOBODY = -1
# What a pair of the frame before is worth beyond its IoU, and a matched box where detections are handed out.
_PREFERENCE = 1000.0
_SHORT, _MIXED_SHARE, _MIXED_SECONDS = 1.0, 0.1, 0.5


class Fate(IntEnum):
    """What became of a box of the ground truth; UNSHOWN where detections aren't known."""

    MATCHED = 0
    HELD_BACK = 1
    LOW_SCORE = 2
    UNDETECTED = 3
    UNSHOWN = 4


@dataclass(frozen=True)
class JudgedFrame:
    """A frame of ground truth and output.

    Attributes:
        truth: `N` boxes with people as ids.
        output: `M` boxes.
        people: `(M,)` int64, the person that each box of the output is on; `NOBODY` for false boxes.
        fates: `(N,)` int64, values of `Fate`.
        second: `(M,)`, false boxes on somebody with a match.
    """

    truth: FrameBoxes
    output: FrameBoxes
    people: Ints
    fates: Ints
    second: Bools


@dataclass(frozen=True)
class IdRecord:
    """An id of the output over the whole clip.

    Attributes:
        id: The id.
        frames: Indices of the frames that it is in, ascending.
        on: The person of each of its matched boxes, in the order of time.
    """

    id: int
    frames: list[int]
    on: list[int]

    @cached_property
    def people(self) -> Counter[int]:
        """Matched boxes by person; of equals, the person first comes first."""
        return Counter(self.on)

    @property
    def majority(self) -> int | None:
        """The person that it is on most, of equals the first; None if it is on nobody."""
        return self.people.most_common(1)[0][0] if self.on else None

    @property
    def false(self) -> bool:
        """Whether more than half of its boxes are false."""
        return 2 * len(self.on) < len(self.frames)

    def short(self, fps: float) -> bool:
        """Whether it lives less than a second."""
        return self.frames[-1] - self.frames[0] + 1 < _SHORT * fps

    def mixed(self, fps: float) -> bool:
        """Whether it is a false merge; see `DEFINITIONS`."""
        second = sorted(self.people.values())[-2] if len(self.people) > 1 else 0
        return second >= max(_MIXED_SHARE * len(self.on), _MIXED_SECONDS * fps)


@dataclass(frozen=True)
class Losses:
    """Counts by `DEFINITIONS`; `undetected`, `low_score` and `held_back` are None where detections aren't known."""

    people: int
    people_with_id: int
    truth_boxes: int
    undetected: int | None
    low_score: int | None
    held_back: int | None
    unmatched: int
    output_boxes: int
    false_boxes: int
    second_boxes: int
    switches: int
    ids: int
    false_ids: int
    short_false_ids: int
    pieces: int
    short_pieces: int
    missed_merges: int
    false_merges: int


def judge(
    truth: Sequence[FrameBoxes],
    output: Sequence[FrameBoxes],
    detections: Sequence[Detections] | None = None,
    high: float = 0.0,
) -> list[JudgedFrame]:
    """Match a tracker's output with the ground truth, frame by frame.

    Args:
        truth: Ground truth by frame, with people as ids from 0 on, each at most once a frame.
        output: The tracker's boxes by frame, as many frames; ids from 0 on, each at most once a frame.
        detections: The tracker's input by frame, None where it isn't known.
        high: From which score on a detection is one that the tracker should show, in [0, 1].
    """
    before: dict[int, int] = {}
    judged = []
    for n, (true, shown) in enumerate(zip(truth, output, strict=True)):
        overlap = iou(true.xyxy, shown.xyxy)
        last = np.array([before.get(int(person), NOBODY) for person in true.ids], np.int64)
        rows, columns = _pairs(overlap, last[:, None] == shown.ids[None])
        before = dict(zip(true.ids[rows].tolist(), shown.ids[columns].tolist(), strict=True))
        people = np.full(len(shown.ids), NOBODY, np.int64)
        people[columns] = true.ids[rows]
        matched = np.isin(np.arange(len(true.ids)), rows)
        second = (overlap >= MATCH_IOU).any(axis=0) & (people == NOBODY)
        fates = _fates(true, matched, None if detections is None else detections[n], high)
        judged.append(JudgedFrame(true, shown, people, fates, second))
    return judged


def _pairs(overlap: Doubles, preferred: Bools) -> tuple[Ints, Ints]:
    """Rows and columns of pairs at IoU 0.5 or more, one to one: as many preferred ones as can be, then the most IoU."""
    worth = np.where(overlap >= MATCH_IOU, overlap + _PREFERENCE * preferred, 0.0)
    rows, columns = linear_sum_assignment(worth, maximize=True)
    real = worth[rows, columns] > 0
    return rows[real], columns[real]


def _fates(truth: FrameBoxes, matched: Bools, detections: Detections | None, high: float) -> Ints:
    fates = np.full(len(truth.ids), Fate.UNSHOWN if detections is None else Fate.UNDETECTED, np.int64)
    if detections is not None:
        fates[_detected(truth, matched, detections.xyxy)] = Fate.LOW_SCORE
        fates[_detected(truth, matched, detections.xyxy[detections.conf >= high])] = Fate.HELD_BACK
    fates[matched] = Fate.MATCHED
    return fates


def _detected(truth: FrameBoxes, matched: Bools, xyxy: Floats) -> Ints:
    """Rows of the truth with a detection of their own."""
    overlap = iou(truth.xyxy, xyxy)
    return _pairs(overlap, np.broadcast_to(matched[:, None], overlap.shape))[0]


def id_records(frames: Sequence[JudgedFrame]) -> dict[int, IdRecord]:
    """Collect each id's frames and people."""
    records: dict[int, IdRecord] = {}
    for n, frame in enumerate(frames):
        for i, person in zip(frame.output.ids.tolist(), frame.people.tolist(), strict=True):
            record = records.setdefault(i, IdRecord(i, [], []))
            record.frames.append(n)
            if person != NOBODY:
                record.on.append(person)
    return records


def ids_of_people(records: Mapping[int, IdRecord], *, false: bool) -> dict[int, IdRecord]:
    """Each person's id: of those that are on this person most, the one that is on them most.

    Args:
        records: What `id_records` gave.
        false: Whether false ids count, too.
    """
    chosen: dict[int, IdRecord] = {}
    for record in sorted(records.values(), key=lambda r: r.frames[0]):
        person = record.majority
        if person is None or (record.false and not false):
            continue
        if person not in chosen or record.people[person] > chosen[person].people[person]:
            chosen[person] = record
    return chosen


def count_losses(frames: Sequence[JudgedFrame], fps: float) -> Losses:
    """Count what is lost, by `DEFINITIONS`.

    Args:
        frames: What `judge` gave.
        fps: Frames a second.
    """
    records = id_records(frames)
    chosen = ids_of_people(records, false=False)
    false = [r for r in records.values() if r.false]
    pieces = [r for r in records.values() if not r.false and chosen[r.majority] is not r]  # type: ignore[index]
    apart = [r for r in pieces if set(r.frames).isdisjoint(chosen[r.majority].frames)]  # type: ignore[index]
    undetected, low_score, held_back = _fate_counts(frames)
    return Losses(
        people=len({int(person) for f in frames for person in f.truth.ids}),
        people_with_id=len(chosen),
        truth_boxes=sum(len(f.fates) for f in frames),
        undetected=undetected,
        low_score=low_score,
        held_back=held_back,
        unmatched=sum(int((f.fates != Fate.MATCHED).sum()) for f in frames),
        output_boxes=sum(len(f.people) for f in frames),
        false_boxes=sum(int((f.people == NOBODY).sum()) for f in frames),
        second_boxes=sum(int(f.second.sum()) for f in frames),
        switches=sum(a != b for r in records.values() for a, b in pairwise(r.on)),
        ids=len(records),
        false_ids=len(false),
        short_false_ids=sum(r.short(fps) for r in false),
        pieces=len(pieces),
        short_pieces=sum(r.short(fps) for r in pieces),
        missed_merges=len(apart),
        false_merges=sum(r.mixed(fps) for r in records.values()),
    )


def _fate_counts(frames: Sequence[JudgedFrame]) -> list[int | None]:
    """Undetected boxes, those of a low score, and those held back; None where detections aren't known."""
    fates = Counter(int(fate) for f in frames for fate in f.fates)
    return [None if fates[Fate.UNSHOWN] else fates[fate] for fate in (Fate.UNDETECTED, Fate.LOW_SCORE, Fate.HELD_BACK)]
