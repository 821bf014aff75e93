"""What the demo prints when it is done."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..evaluation.markdown import facts, table
from ..evaluation.returns import Returns
from ..events import Event, Revival, RevivalReverted
from .drawing import letter
from .ground_truth import SceneTruth

_GAP_SECONDS = 1.0


@dataclass(frozen=True)
class Outcome:
    """What came of one tracker.

    Attributes:
        label: Its YAML.
        frames: Frames seen.
        ids: Different ids.
        milliseconds: Median time of a frame, from video to ids.
        returns: What became of returns; None where nobody knows.
    """

    label: str
    frames: int
    ids: int
    milliseconds: float
    returns: Returns | None


@dataclass(frozen=True)
class Report:
    """What came of the demo.

    Attributes:
        outcomes: By tracker; this package's is the last.
        events: What this package's tracker told.
        truth: Who was where; None where nobody knows.
        files: What was written.
        stopped: Whether it was interrupted.
    """

    outcomes: tuple[Outcome, ...]
    events: tuple[Event, ...]
    truth: SceneTruth | None
    files: tuple[Path, ...]
    stopped: bool

    def __str__(self) -> str:
        parts = ["Stopped; here is what there is until now."] if self.stopped else []
        parts += [self._trackers(), *self._returns(), self._revivals()]
        if len(self.outcomes) == 1:
            parts.append("Stock BoT-SORT was left out: a camera or a stream can't be read twice.")
        return "\n\n".join([*parts, "\n".join(f"wrote {path}" for path in self.files), facts()])

    def _trackers(self) -> str:
        head = ["tracker", "frames", "ids", "ms a frame"]
        rows = [[o.label, str(o.frames), str(o.ids), f"{o.milliseconds:.0f}"] for o in self.outcomes]
        if self.truth is None:
            return table(head, rows)
        people = len({self.truth.person_of(int(t)) for frame in self.truth.frames for t in frame.ids})
        found = [o.returns for o in self.outcomes if o.returns is not None]
        cells = [[str(people), f"{r.recognized} of {r.total}", str(r.false)] for r in found]
        rows = [[*row[:3], *more, row[3]] for row, more in zip(rows, cells, strict=True)]
        return table([*head[:3], "people", "returns recognized", "false revivals", head[3]], rows)

    def _returns(self) -> list[str]:
        """Each return, and the id that each tracker gave then."""
        each = list(zip(*(o.returns.each for o in self.outcomes if o.returns is not None), strict=True))
        if self.truth is None or not each:
            return []
        names = {person: letter(n) for n, person in enumerate(self.truth.people)}
        rows = [
            [
                f"{by[0].frame / self.truth.fps:.1f} s",
                names[by[0].person],
                f"{self.truth.away[by[0].track]:.0f} s",
                *(_given(r.given, r.known) for r in by),
            ]
            for by in each
        ]
        head = ["back at", "who", "after", *(o.label for o in self.outcomes)]
        return ["Who came back, and under which id:\n\n" + table(head, rows)]

    def _revivals(self) -> str:
        told = [e for e in self.events if isinstance(e, Revival)]
        long = [e for e in told if e.gap >= _GAP_SECONDS]
        if not told:
            return f"{self.outcomes[-1].label} says that nobody came back."
        rows = [_warned(e, self.events) for e in long]
        text = f"What {self.outcomes[-1].label} itself tells of it:\n\n"
        text += table(["at", "id", "after", "similarity", "what"], rows)
        return text + (f"\n\nand {len(told) - len(long)} after less than a second" if len(told) > len(long) else "")


def _given(given: int | None, known: frozenset[int]) -> str:
    was = "/".join(map(str, sorted(known)))
    if given is None:
        return "not found"
    if given in known:
        return f"{given}, as before"
    return f"{given} (was {was})" if was else str(given)


def _warned(event: Revival, events: tuple[Event, ...]) -> list[str]:
    what = "a mix-up put right" if event.corrected else "taken back later" if _undone(event, events) else "back"
    return [f"{event.time:.1f} s", str(event.identity_id), f"{event.gap:.0f} s", f"{event.similarity:.2f}", what]


def _undone(event: Revival, events: tuple[Event, ...]) -> bool:
    """Whether the next that is told of an identity is that it wasn't them."""
    later = events[events.index(event) + 1 :]
    about = (
        isinstance(e, RevivalReverted)
        for e in later
        if isinstance(e, Revival | RevivalReverted)
        and event.identity_id == (e.previous_id if isinstance(e, RevivalReverted) else e.identity_id)
    )
    return next(about, False)
