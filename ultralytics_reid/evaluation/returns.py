"""Score a tracker's re-identification by ground truth: recognized returns and false revivals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from collections.abc import Sequence as Rows
from dataclasses import dataclass
from itertools import pairwise

from scipy.optimize import linear_sum_assignment

from .frames import FrameBoxes, Truth, iou

MATCH_IOU = 0.5

DEFINITIONS = """\
a return            a person reappears under a new ground-truth track. It is
                    recognized if the majority id of that track's matched boxes is the
                    majority id of an earlier track of that person, and was, until
                    then, matched to this person more often than to any other.
a false revival     an id that was in no frame for a second or more comes back on
                    another person: its majority person in its first second is not
                    that of its last second before. All causes count, memory or motion.
ids                 different ids in the whole output; PETS shows ten people.
by person           ground-truth tracks of one person are joined under one id before
                    IDF1, HOTA, AssA, MOTA and IDSW (TrackEval, IoU 0.5) are taken.
matched             one to one (Hungarian), IoU 0.5 or more.
"""

Sighting = tuple[int, int, int]


@dataclass(frozen=True)
class Return:
    """Reappearance of a person.

    Attributes:
        person: The person.
        track: The new ground-truth track.
        frame: Index of its first frame.
        given: Majority id of that track's matched boxes; None if none were matched.
        known: The correct ids: majority ids of earlier tracks of this person that were matched to this person more
            often than to any other until now.
    """

    person: int
    track: int
    frame: int
    given: int | None
    known: frozenset[int]

    @property
    def recognized(self) -> bool:
        """Whether the id is a correct one; see `DEFINITIONS`."""
        return self.given in self.known


@dataclass(frozen=True)
class Returns:
    """Returns and false revivals of a tracker's output.

    Attributes:
        each: Returns by time.
        false: Number of false revivals.
    """

    each: tuple[Return, ...]
    false: int

    @property
    def total(self) -> int:
        """Number of returns in the ground truth."""
        return len(self.each)

    @property
    def recognized(self) -> int:
        """Number of recognized returns."""
        return sum(r.recognized for r in self.each)


def returns(truth: Truth, output: Rows[FrameBoxes], seen: list[Sighting] | None = None) -> Returns:
    """Score returns and count false revivals, as in `DEFINITIONS`.

    Args:
        truth: Ground truth.
        output: The tracker's boxes by frame, as many frames.
        seen: The result of `sightings` for them, where it is already known.
    """
    seen = sightings(truth.frames, output) if seen is None else seen
    main = _majority_ids(seen)
    earlier: dict[int, set[int]] = {}
    found: list[Return] = []
    for track, frame in sorted(_first_frames(truth).items(), key=lambda item: item[1]):
        person = truth.person_of(track)
        if person in earlier:
            known = frozenset(i for i in earlier[person] if _majority_person(truth, seen, i, frame) == person)
            found.append(Return(person, track, frame, main.get(track), known))
        earlier.setdefault(person, set()).update({main[track]} if track in main else ())
    return Returns(tuple(found), _false_revivals(truth, output, seen))


def sightings(truth: Rows[FrameBoxes], output: Rows[FrameBoxes]) -> list[Sighting]:
    """Match boxes by frame: `(frame index, ground-truth track, predicted id)` of each match at IoU 0.5.

    Args:
        truth: Ground truth by frame.
        output: The tracker's boxes by frame, as many frames.
    """
    return [(n, *pair) for n, (t, o) in enumerate(zip(truth, output, strict=True)) for pair in matches(t, o)]


def matches(truth: FrameBoxes, output: FrameBoxes) -> Iterator[tuple[int, int]]:
    """Match the boxes of a frame one to one (Hungarian): `(true id, predicted id)` of each match at IoU 0.5."""
    overlap = iou(truth.xyxy, output.xyxy)
    # Set to 0 first, or two pairs just below the threshold would outweigh one above it.
    overlap[overlap < MATCH_IOU] = 0
    for i, j in zip(*linear_sum_assignment(-overlap), strict=True):
        if overlap[i, j]:
            yield int(truth.ids[i]), int(output.ids[j])


def _majority(votes: list[int]) -> int | None:
    return Counter(votes).most_common(1)[0][0] if votes else None


def _majority_ids(seen: list[Sighting]) -> dict[int, int]:
    """Predicted id that each ground-truth track was matched to most often."""
    votes: dict[int, Counter[int]] = {}
    for _, track, predicted in seen:
        votes.setdefault(track, Counter())[predicted] += 1
    return {track: ids.most_common(1)[0][0] for track, ids in votes.items()}


def _majority_person(truth: Truth, seen: list[Sighting], predicted: int, before: int) -> int | None:
    """Person that an id was matched to most often before a frame."""
    return _majority([truth.person_of(track) for n, track, i in seen if i == predicted and n < before])


def _first_frames(truth: Truth) -> dict[int, int]:
    first: dict[int, int] = {}
    for n, frame in enumerate(truth.frames):
        for track in frame.ids:
            first.setdefault(int(track), n)
    return first


def _false_revivals(truth: Truth, output: Rows[FrameBoxes], seen: list[Sighting]) -> int:
    shown: dict[int, list[int]] = {}
    for n, frame in enumerate(output):
        for i in frame.ids:
            shown.setdefault(int(i), []).append(n)
    on: dict[int, list[tuple[int, int]]] = {}
    for n, track, predicted in seen:
        on.setdefault(predicted, []).append((n, truth.person_of(track)))
    return sum(_count_changes(_appearances(shown[i], truth.fps), on[i], truth.fps) for i in on)


def _appearances(frames: list[int], fps: float) -> list[tuple[int, int]]:
    """Split frames at gaps of a second or more: first and last frame of each appearance."""
    cuts = [(a, b) for a, b in pairwise(frames) if b - a >= fps]
    return list(zip([frames[0]] + [b for _, b in cuts], [a for a, _ in cuts] + [frames[-1]], strict=True))


def _count_changes(appearances: list[tuple[int, int]], on: list[tuple[int, int]], fps: float) -> int:
    """Count appearances that begin on another person than the last matched one ended on."""
    second, changes, before = max(1, round(fps)), 0, None
    for first, last in appearances:
        people = [person for n, person in on if first <= n <= last]
        if people:
            if before is not None and _majority(people[:second]) != before:
                changes += 1
            before = _majority(people[-second:])
    return changes
