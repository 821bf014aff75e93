"""Revivals by length of absence, for any tracker, frame by frame."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from collections.abc import Sequence as Rows
from dataclasses import astuple, dataclass, field
from typing import Literal

import numpy as np

from .frames import FrameBoxes
from .returns import matches

# Seconds: less is no absence; a person must be seen, and an id be on a person, that long to count; what is judged.
FLICKER, LEAST, JUDGED = 0.25, 1.0, 30.0
OWNED = 0.5
# Share of a body that must be visible, where the ground truth says what is.
VISIBLE = 0.25
BINS = {"≤ 1 s": 1.0, "1-5 s": 5.0, "5-30 s": 30.0, "30 s-5 min": 300.0, "> 5 min": math.inf}

DEFINITIONS = """\
seen                a person has a box in the ground truth, a quarter of them visible
                    where it says so. Boxes of the seen and of the tracker are matched
                    one to one, at IoU 0.5 or more.
an appearance       a stretch in which a person is seen, up to an absence of a quarter
                    of a second or more; shorter ones are flicker. It counts if the
                    person is seen for a second or more of it.
its id              the one on most of its matched boxes in its first 30 seconds, of
                    equals the one shown first. What comes later is tracking.
an id's owner       the person it was on most until it was first put on this person in
                    this appearance, of equals the first; none if it was on no person
                    for half a second in all.
a return            a counted appearance of a person that had ids for half a second in
                    all before; the gap is the time not seen before it.
a newcomer          any other counted appearance: the person can't be known.
right, wrong, new   a return's id has this person for owner, another, or none;
                    missed if no box was matched.
recall              right of all returns.
precision           right of all returns and newcomers that were given an id with an
                    owner, but for newcomers that own it.
newcomers false     of the newcomers that were matched, those with another's id.
                    Whatever brought it there counts, memory or a track that jumped.
time to commit      of returns that are right: from the first frame of the appearance to
                    the frame from which its id stays. That is where fewest frames
                    have the id before it or another one after it; so a single frame's
                    swap at an edge counts for nothing, and waiting with the id counts.
ids shown           different ids on a person in one appearance, in the mean over those
                    counted; ids is all different ids of the output.
changes             how often the id on a person becomes another from one matched frame
                    to the next within an appearance, in the sum over those counted.
"""

Verdict = Literal["right", "wrong", "new", "missed"]


@dataclass(frozen=True)
class Appearance:
    """A stretch in which a person was seen for long enough to count; see `DEFINITIONS`.

    Attributes:
        person: The individual.
        frame: Index of its first frame.
        gap: Seconds not seen before it; None for a person's first appearance.
        newcomer: Whether the tracker couldn't know the person.
        verdict: What its id says: "right" or "wrong" for one that has an owner, "new", or "missed" without any.
        held: Its id; None if missed.
        before: The id of the person's last appearance that had one.
        owner: The id's owner.
        idle: Seconds for which the id wasn't in the output before it was put on the person; None for one never used.
        shown: Seconds from the first frame until there was an id at all; None if missed.
        commit: Seconds from the first frame until the id was there to stay; None if missed.
        ids: Different ids.
        changes: How often the id became another.
    """

    person: int
    frame: int
    gap: float | None
    newcomer: bool
    verdict: Verdict
    held: int | None
    before: int | None
    owner: int | None
    idle: float | None
    shown: float | None
    commit: float | None
    ids: int
    changes: int


@dataclass
class _Open:
    """An appearance that may go on; frames are indices, `owners` holds owner and last frame of each id as it came."""

    first: int
    last: int
    gap: int | None
    known: bool
    seen: int = 0
    judged: list[tuple[int, int]] = field(default_factory=list)
    owners: dict[int, tuple[int | None, int | None]] = field(default_factory=dict)
    changes: int = 0
    current: int | None = None


class AppearanceObserver:
    """Watches a tracker's output frame by frame, and keeps what became of every appearance.

    Args:
        fps: Frames a second.

    Attributes:
        frames: How many it has seen.
        ids: Different ids in the output so far.
    """

    def __init__(self, fps: float) -> None:
        self.frames = 0
        self._fps = fps
        self._open: dict[int, _Open] = {}
        self._done: list[Appearance] = []
        self._last_seen: dict[int, int] = {}
        self._matched: Counter[int] = Counter()
        self._held: dict[int, int] = {}
        self._on: dict[int, Counter[int]] = {}
        self._in_output: dict[int, int] = {}

    @property
    def ids(self) -> int:
        """Different ids in the output so far."""
        return len(self._in_output)

    def add(self, seen: FrameBoxes, output: FrameBoxes) -> None:
        """Watch the next frame.

        Args:
            seen: The persons that can be seen, by person.
            output: The tracker's boxes and ids.
        """
        n = self.frames
        for person in map(int, seen.ids):
            self._see(n, person)
        pairs = list(matches(seen, output))
        for person, predicted in pairs:
            self._put(n, person, predicted)
        for person, predicted in pairs:
            self._on.setdefault(predicted, Counter())[person] += 1
            self._matched[person] += 1
        self._in_output.update(dict.fromkeys(map(int, output.ids), n))
        self.frames += 1
        if n % max(1, round(self._fps)) == 0:
            self._close(p for p, a in self._open.items() if self._is_over(a, n))

    def appearances(self) -> tuple[Appearance, ...]:
        """Return all appearances that count, by their first frame; open ones end."""
        self._close(self._open)
        return tuple(sorted(self._done, key=lambda a: (a.frame, a.person)))

    def _is_over(self, a: _Open, n: int) -> bool:
        return n - a.last - 1 >= FLICKER * self._fps

    def _see(self, n: int, person: int) -> None:
        a = self._open.get(person)
        if a is not None and self._is_over(a, n):
            self._close([person])
            a = None
        if a is None:
            last = self._last_seen.get(person)
            known = self._matched[person] >= OWNED * self._fps
            a = self._open[person] = _Open(n, n, None if last is None else n - last - 1, known)
        a.last = self._last_seen[person] = n
        a.seen += 1

    def _put(self, n: int, person: int, predicted: int) -> None:
        """Note that an id is on a person, before this frame counts for its owner."""
        a = self._open[person]
        if n - a.first < JUDGED * self._fps:
            a.judged.append((n, predicted))
        if predicted not in a.owners:
            a.owners[predicted] = self._owner(predicted), self._in_output.get(predicted)
        a.changes += a.current is not None and a.current != predicted
        a.current = predicted

    def _owner(self, predicted: int) -> int | None:
        on = self._on.get(predicted)
        if on is None or on.total() < OWNED * self._fps:
            return None
        return max(on, key=on.__getitem__)

    def _close(self, people: Iterable[int]) -> None:
        for person in list(people):
            a = self._open.pop(person)
            done = self._judge(person, a)
            if done.held is not None:
                self._held[person] = done.held
            if a.seen >= LEAST * self._fps:
                self._done.append(done)

    def _judge(self, person: int, a: _Open) -> Appearance:
        held = Counter(i for _, i in a.judged).most_common(1)[0][0] if a.judged else None
        owner, last = (None, None) if held is None else a.owners[held]
        shown = None if held is None else (a.judged[0][0] - a.first) / self._fps
        return Appearance(
            person=person,
            frame=a.first,
            gap=None if a.gap is None else a.gap / self._fps,
            newcomer=not a.known,
            verdict=_verdict(person, held, owner),
            held=held,
            before=self._held.get(person),
            owner=owner,
            idle=None if last is None or held is None else (_first(a, held) - last - 1) / self._fps,
            shown=shown,
            commit=None if held is None else (_settled(a.judged, held) - a.first) / self._fps,
            ids=len(a.owners),
            changes=a.changes,
        )


def _verdict(person: int, held: int | None, owner: int | None) -> Verdict:
    if held is None:
        return "missed"
    if owner is None:
        return "new"
    return "right" if owner == person else "wrong"


def _first(a: _Open, held: int) -> int:
    return next(n for n, i in a.judged if i == held)


def _settled(judged: list[tuple[int, int]], held: int) -> int:
    """The frame with the id that parts the frames best into others before it, and the id from it on."""
    right = np.array([i == held for _, i in judged])
    wrong_before = np.cumsum(right) - right
    wrong_after = np.cumsum(~right[::-1])[::-1]
    cost = np.where(right, wrong_before + wrong_after, len(right) + 1)
    return judged[int(np.argmin(cost))][0]


@dataclass(frozen=True)
class Tally:
    """Returns, by what became of them."""

    right: int = 0
    wrong: int = 0
    new: int = 0
    missed: int = 0

    @property
    def total(self) -> int:
        """All returns."""
        return self.right + self.wrong + self.new + self.missed

    @property
    def recall(self) -> float:
        """Share recognized; nan without returns."""
        return self.right / self.total if self.total else math.nan

    def __add__(self, other: Tally) -> Tally:
        return Tally(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))


@dataclass(frozen=True)
class Summary:
    """A tracker's revivals; see `DEFINITIONS`.

    Attributes:
        bins: Returns by gap, those of `BINS` that occur.
        every: All returns.
        newcomers: Newcomers that were matched.
        false: Those of them that got an id that had an owner.
        commit: Median and 90th percentile of the time to commit, seconds; nan where nothing was right.
        ids: Different ids in the output.
        shown: Different ids a counted appearance, in the mean; nan without any.
        changes: Changes of id within counted appearances.
    """

    bins: dict[str, Tally]
    every: Tally
    newcomers: int
    false: int
    commit: tuple[float, float]
    ids: int
    shown: float
    changes: int

    @property
    def given(self) -> int:
        """Returns and newcomers that were given an id with an owner."""
        return self.every.right + self.every.wrong + self.false

    @property
    def precision(self) -> float:
        """Right of all those given an id with an owner; nan if there are none."""
        return self.every.right / self.given if self.given else math.nan


def observe(seen: Iterable[FrameBoxes], output: Iterable[FrameBoxes], fps: float) -> AppearanceObserver:
    """Watch a tracker's whole output.

    Args:
        seen: Ground truth by frame and by person: the visible people.
        output: The tracker's boxes by frame, as many frames.
        fps: Frames a second.
    """
    observer = AppearanceObserver(fps)
    for truth, boxes in zip(seen, output, strict=True):
        observer.add(truth, boxes)
    return observer


def summarize(appearances: Rows[Appearance], ids: int) -> Summary:
    """Count what became of appearances, of one clip or of several together.

    Args:
        appearances: Those that count.
        ids: Different ids in the output; the sum over clips.
    """
    back = [a for a in appearances if not a.newcomer]
    new = [a for a in appearances if a.newcomer and a.verdict != "missed"]
    commits = [a.commit for a in back if a.verdict == "right" and a.commit is not None]
    return Summary(
        bins={name: _tally(rows) for name, rows in _binned(back) if rows},
        every=_tally(back),
        newcomers=len(new),
        false=sum(a.verdict == "wrong" for a in new),
        commit=(_quantile(commits, 0.5), _quantile(commits, 0.9)),
        ids=ids,
        shown=float(np.mean([a.ids for a in appearances])) if appearances else math.nan,
        changes=sum(a.changes for a in appearances),
    )


def bin_of(gap: float) -> str:
    """The name of the bin of a gap in seconds; a bin's upper limit is in it."""
    return next(name for name, most in BINS.items() if gap <= most)


def _binned(back: Rows[Appearance]) -> Iterator[tuple[str, list[Appearance]]]:
    for name in BINS:
        yield name, [a for a in back if a.gap is not None and bin_of(a.gap) == name]


def _tally(rows: Rows[Appearance]) -> Tally:
    count = Counter(a.verdict for a in rows)
    return Tally(count["right"], count["wrong"], count["new"], count["missed"])


def _quantile(seconds: list[float], share: float) -> float:
    return float(np.quantile(seconds, share)) if seconds else math.nan
