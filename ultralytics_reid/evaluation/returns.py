"""What a tracker made of those who came back, by ground truth: returns recognized, and false revivals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from collections.abc import Sequence as Rows
from dataclasses import dataclass
from itertools import pairwise

from scipy.optimize import linear_sum_assignment

from ..evaluation.frames import Frame, Truth, iou

MATCH_IOU = 0.5

DEFINITIONS = """\
a return            a person shows up again under a new ground-truth track. It is
                    recognized if the id on most of that track's matched boxes is the
                    one that was on most of an earlier track of that person, and that
                    was, until then, on this person more often than on anybody else.
a false revival     an id that was in no frame for a second or more comes back on
                    another person: the one it is on most in its first second is not
                    the one it was on most in the last second before. Whatever brought
                    it back counts, memory or motion.
ids                 different ids in the whole output; ten people are in PETS.
by person           ground-truth tracks of one person are joined under one id before
                    IDF1, HOTA, AssA, MOTA and IDSW (TrackEval, IoU 0.5) are taken.
matched             one to one, IoU 0.5 or more.
"""

Sighting = tuple[int, int, int]


@dataclass(frozen=True)
class Return:
    """A person came back.

    Attributes:
        person: Who.
        track: The new ground-truth track.
        frame: Index of its first frame.
        given: The id on most of that track's matched boxes; None if none were matched.
        known: The ids of which any would have been right, for being on most of an earlier track of this person, and
            until now on them more often than on anybody else.
    """

    person: int
    track: int
    frame: int
    given: int | None
    known: frozenset[int]

    @property
    def recognized(self) -> bool:
        """Whether the tracker knew; see `DEFINITIONS`."""
        return self.given in self.known


@dataclass(frozen=True)
class Returns:
    """What happened to the people who came back.

    Attributes:
        each: Every return, by time.
        false: False revivals.
    """

    each: tuple[Return, ...]
    false: int

    @property
    def total(self) -> int:
        """Returns in the ground truth."""
        return len(self.each)

    @property
    def recognized(self) -> int:
        """Those recognized."""
        return sum(r.recognized for r in self.each)


def returns(truth: Truth, output: Rows[Frame], seen: list[Sighting] | None = None) -> Returns:
    """Find out what became of returns, and count false revivals; `DEFINITIONS` says what these are.

    Args:
        truth: The ground truth.
        output: The tracker's boxes by frame, as many frames.
        seen: What `sightings` gave for them, where that is known already.
    """
    seen = sightings(truth.frames, output) if seen is None else seen
    main = _main_ids(seen)
    earlier: dict[int, set[int]] = {}
    found: list[Return] = []
    for track, frame in sorted(_first_frames(truth).items(), key=lambda item: item[1]):
        person = truth.person_of(track)
        if person in earlier:
            mine = frozenset(i for i in earlier[person] if _owner(truth, seen, i, frame) == person)
            found.append(Return(person, track, frame, main.get(track), mine))
        earlier.setdefault(person, set()).update({main[track]} if track in main else ())
    return Returns(tuple(found), _false_revivals(truth, output, seen))


def sightings(truth: Rows[Frame], output: Rows[Frame]) -> list[Sighting]:
    """`(frame index, ground-truth track, predicted id)` for each box matched at IoU 0.5, one to one, by frame.

    Args:
        truth: Ground truth by frame.
        output: The tracker's boxes by frame, as many frames.
    """
    return [(n, *pair) for n, (t, o) in enumerate(zip(truth, output, strict=True)) for pair in matches(t, o)]


def matches(truth: Frame, output: Frame) -> Iterator[tuple[int, int]]:
    """`(id in the truth, predicted id)` for each box of a frame matched at IoU 0.5, one to one."""
    overlap = iou(truth.xyxy, output.xyxy)
    # Cleared first, or two pairs just below the threshold would outweigh one above it.
    overlap[overlap < MATCH_IOU] = 0
    for i, j in zip(*linear_sum_assignment(-overlap), strict=True):
        if overlap[i, j]:
            yield int(truth.ids[i]), int(output.ids[j])


def _most(votes: list[int]) -> int | None:
    return Counter(votes).most_common(1)[0][0] if votes else None


def _main_ids(seen: list[Sighting]) -> dict[int, int]:
    votes: dict[int, list[int]] = {}
    for _, track, predicted in seen:
        votes.setdefault(track, []).append(predicted)
    return {track: Counter(ids).most_common(1)[0][0] for track, ids in votes.items()}


def _owner(truth: Truth, seen: list[Sighting], predicted: int, before: int) -> int | None:
    """Whom an id was on most until a frame."""
    return _most([truth.person_of(track) for n, track, i in seen if i == predicted and n < before])


def _first_frames(truth: Truth) -> dict[int, int]:
    first: dict[int, int] = {}
    for n, frame in enumerate(truth.frames):
        for track in frame.ids:
            first.setdefault(int(track), n)
    return first


def _false_revivals(truth: Truth, output: Rows[Frame], seen: list[Sighting]) -> int:
    shown: dict[int, list[int]] = {}
    for n, frame in enumerate(output):
        for i in frame.ids:
            shown.setdefault(int(i), []).append(n)
    on: dict[int, list[tuple[int, int]]] = {}
    for n, track, predicted in seen:
        on.setdefault(predicted, []).append((n, truth.person_of(track)))
    return sum(_changes(_stretches(shown[i], truth.fps), on[i], truth.fps) for i in on)


def _stretches(frames: list[int], fps: float) -> list[tuple[int, int]]:
    """First and last frames of the runs that an absence of a second or more parts."""
    cuts = [(a, b) for a, b in pairwise(frames) if b - a >= fps]
    return list(zip([frames[0]] + [b for _, b in cuts], [a for a, _ in cuts] + [frames[-1]], strict=True))


def _changes(stretches: list[tuple[int, int]], on: list[tuple[int, int]], fps: float) -> int:
    """How many stretches begin on another person than the last one, that was on anybody, ended on."""
    second, wrong, before = max(1, round(fps)), 0, None
    for first, last in stretches:
        people = [person for n, person in on if first <= n <= last]
        if people:
            wrong += before is not None and _most(people[:second]) != before
            before = _most(people[-second:])
    return wrong
