"""Report of a demo run, as printed at the end."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..evaluation.markdown import facts, table
from ..evaluation.returns import Returns
from ..events import Event, Revival, RevivalReverted
from .camera_report import CameraReport
from .drawing import person_name
from .ground_truth import SceneGroundTruth

# Revivals after shorter gaps are only counted.
_MIN_GAP_SECONDS = 1.0


@dataclass(frozen=True)
class Outcome:
    """Result of one tracker.

    Attributes:
        label: Its YAML.
        frames: Number of frames.
        ids: Number of different ids.
        milliseconds: Median processing time of a frame, from video to ids.
        returns: Scores of the returns; None without ground truth.
        idf1: IDF1 by person, in [0, 1]; None without ground truth.
    """

    label: str
    frames: int
    ids: int
    milliseconds: float
    returns: Returns | None
    idf1: float | None = None


@dataclass(frozen=True)
class Report:
    """Result of the demo.

    Attributes:
        outcomes: Results by tracker; the last is this package's.
        events: Events of this package's tracker.
        truth: Ground truth of a generated scene; None for other sources.
        files: Files written.
        stopped: Whether the run was interrupted.
        cameras: Result of two cameras with one gallery; None where that part was skipped.
    """

    outcomes: tuple[Outcome, ...]
    events: tuple[Event, ...]
    truth: SceneGroundTruth | None
    files: tuple[Path, ...]
    stopped: bool
    cameras: CameraReport | None = None

    def __str__(self) -> str:
        parts = ["Stopped; results so far:"] if self.stopped else []
        parts += [self._trackers(), *self._returns(), self._revivals()]
        if not self.outcomes[-1].ids:
            parts.append(
                "No ids: nothing was detected, or not for long enough. Check --model, --imgsz and --classes; the "
                "model that is taken without --model finds people of generated scenes only."
            )
        if len(self.outcomes) == 1:
            parts.append("Stock BoT-SORT was skipped: a camera or a stream can't be read twice.")
        parts += [] if self.cameras is None else [str(self.cameras)]
        return "\n\n".join([*parts, "\n".join(f"wrote {path}" for path in self.files), facts()])

    @property
    def commands(self) -> list[list[str]]:
        """Command lines that show what is in the gallery, without the program's name; see `CameraReport.commands`."""
        return [] if self.cameras is None else self.cameras.commands(self.files[0].parent)

    def _trackers(self) -> str:
        head = ["tracker", "frames", "ids", "ms per frame"]
        rows = [[o.label, str(o.frames), str(o.ids), f"{o.milliseconds:.0f}"] for o in self.outcomes]
        if self.truth is None:
            return table(head, rows)
        people = len({self.truth.person_of(int(t)) for frame in self.truth.frames for t in frame.ids})
        rows = [[*row[:3], str(people), *_scores(o), row[3]] for row, o in zip(rows, self.outcomes, strict=True)]
        scores = ["IDF1 by person", "returns recognized", "false revivals"]
        return table([*head[:3], "people", *scores, head[3]], rows)

    def _returns(self) -> list[str]:
        """Table of the returns, with the id that each tracker assigned."""
        each = list(zip(*(o.returns.each for o in self.outcomes if o.returns is not None), strict=True))
        if self.truth is None or not each:
            return []
        names = {person: person_name(n) for n, person in enumerate(self.truth.people)}
        rows = [
            [
                f"{by[0].frame / self.truth.fps:.1f} s",
                names[by[0].person],
                f"{self.truth.away[by[0].track]:.0f} s",
                *(_given(r.given, r.known) for r in by),
            ]
            for by in each
        ]
        head = ["back at", "person", "out of view for", *(o.label for o in self.outcomes)]
        return ["Returns, and the id assigned by each tracker:\n\n" + table(head, rows)]

    def _revivals(self) -> str:
        revivals = [e for e in self.events if isinstance(e, Revival)]
        long = [e for e in revivals if e.gap >= _MIN_GAP_SECONDS]
        if not revivals:
            return f"{self.outcomes[-1].label} reports no revivals."
        rows = [_revival_row(e, self.events) for e in long]
        text = f"Revivals reported by {self.outcomes[-1].label}:\n\n"
        text += table(["at", "id", "id unseen for", "similarity", "outcome"], rows)
        short = len(revivals) - len(long)
        return f"{text}\n\nand {short} after less than a second" if short else text


def _scores(outcome: Outcome) -> list[str]:
    if outcome.returns is None or outcome.idf1 is None:
        return ["", "", ""]
    found = outcome.returns
    return [f"{100 * outcome.idf1:.1f}", f"{found.recognized} of {found.total}", str(found.false)]


def _given(given: int | None, known: frozenset[int]) -> str:
    was = "/".join(map(str, sorted(known)))
    if given is None:
        return "not found"
    if given in known:
        return f"{given}, as before"
    return f"{given} (was {was})" if was else f"{given}, not recognized"


def _revival_row(event: Revival, events: tuple[Event, ...]) -> list[str]:
    outcome = "id switch corrected" if event.corrected else "reverted" if _is_reverted(event, events) else "revived"
    return [f"{event.time:.1f} s", str(event.identity_id), f"{event.gap:.0f} s", f"{event.similarity:.2f}", outcome]


def _is_reverted(event: Revival, events: tuple[Event, ...]) -> bool:
    """Whether the next event of the revived identity reverts the revival."""
    later = events[events.index(event) + 1 :]
    about = (
        isinstance(e, RevivalReverted)
        for e in later
        if isinstance(e, Revival | RevivalReverted)
        and event.identity_id == (e.previous_id if isinstance(e, RevivalReverted) else e.identity_id)
    )
    return next(about, False)
