"""Results of the mot17 run: figures by tracker and by sequence, as tables, CSV and JSON."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ultralytics_reid.evaluation.markdown import table

from ..contenders.base import Contender
from ..data.known import base_name
from ..scoring.bootstrap import FEWEST, METRICS, Difference, differences
from ..scoring.track_eval import COMBINED, PERCENT, Score, combine, figures, mean_figures
from .jobs import Outcome

FIGURES = (*PERCENT, "IDSW", "Frag", "ids")
TRACK = "track"
STAGES = ("detect", "embed", "motion", TRACK)


@dataclass(frozen=True)
class Comparison:
    """Trackers that were fed the same.

    Attributes:
        title: What tables are headed by.
        contenders: The trackers.
        sequences: The clips' names, in order.
        outcomes: What the trackers made of the clips.
        times: Median ms a frame of the stages before tracking, by sequence.
        notes: What is strange about the data.
    """

    title: str
    contenders: Sequence[Contender]
    sequences: Sequence[str]
    outcomes: Sequence[Outcome]
    times: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    notes: Sequence[str] = ()

    def runs(self, tracker: str) -> list[list[Outcome]]:
        """A tracker's outcomes by seed, in the sequences' order."""
        seeds = sorted({o.seed for o in self.outcomes if o.tracker == tracker})
        mine = {(o.seed, o.sequence): o for o in self.outcomes if o.tracker == tracker}
        return [[mine[seed, name] for name in self.sequences] for seed in seeds]

    def scores(self, tracker: str) -> list[list[Score]]:
        """A tracker's scores by seed and sequence."""
        return [[o.score for o in run if o.score is not None] for run in self.runs(tracker)]

    def combined(self, tracker: str) -> list[Score]:
        """A tracker's scores of all sequences together, by seed."""
        return [combine(dict(zip(self.sequences, scores, strict=True))) for scores in self.scores(tracker)]

    @property
    def scored(self) -> bool:
        """Whether there is ground truth."""
        return all(o.score is not None for o in self.outcomes)


def values(part: Comparison, contender: Contender) -> list[dict[str, dict[str, float]]]:
    """A tracker's figures and times by seed, then by sequence and for all of them as `COMBINED`."""
    found = []
    for run in part.runs(contender.label):
        rows = {o.sequence: {**_figures(o.score), **_times(part, contender, o)} for o in run}
        stages = mean_figures([{s: rows[n][s] for s in _common(rows)} for n in rows])
        together = _figures(combine({o.sequence: o.score for o in run if o.score})) if part.scored else {}
        found.append({**rows, COMBINED: {**together, **stages}})
    return found


def _figures(score: Score | None) -> dict[str, float]:
    return {} if score is None else figures(score)


def _times(part: Comparison, contender: Contender, outcome: Outcome) -> dict[str, float]:
    """Times of those stages that were computed from images and that the tracker uses."""
    names = {
        "detect": "detect",
        "embed": "embed" if contender.appearance else "",
        "motion": f"motion {contender.motion}",
    }
    measured = part.times.get(outcome.sequence, {})
    return {**{s: measured[n] for s, n in names.items() if n in measured}, TRACK: outcome.milliseconds}


def _common(rows: Mapping[str, Mapping[str, float]]) -> list[str]:
    return [s for s in STAGES if all(s in row for row in rows.values())]


def tables(part: Comparison, *, each: bool = True) -> Iterator[str]:
    """A part's tables in Markdown: of all sequences together, then of each.

    Args:
        part: What to show.
        each: Whether each sequence has a table too.
    """
    found = {contender.label: values(part, contender) for contender in part.contenders}
    names = [COMBINED] if len(part.sequences) > 1 else []
    for name in [*names, *(part.sequences if each or not names else ())]:
        rows = {label: [run[name] for run in runs] for label, runs in found.items()}
        columns = [c for c in (*FIGURES, *STAGES) if any(c in run for runs in rows.values() for run in runs)]
        head = ["tracker", *(f"ms {c}" if c in STAGES else c for c in columns)]
        body = [[label, *(_over_seeds(runs, c) for c in columns)] for label, runs in rows.items()]
        yield f"**{part.title}: {name}**\n\n{table(head, body)}"


def _over_seeds(runs: Sequence[Mapping[str, float]], column: str) -> str:
    """The mean, ± half the range where there are several runs."""
    cells = [run[column] for run in runs if column in run]
    if not cells:
        return "-"
    mean = _cell(sum(cells) / len(cells), column)
    return mean if len(cells) == 1 else f"{mean} ± {_cell((max(cells) - min(cells)) / 2, column)}"


def _cell(value: float, column: str) -> str:
    return f"{value:.1f}" if column in PERCENT or column in STAGES else f"{value:.0f}"


def difference_table(part: Comparison, baseline: str, count: int) -> str:
    """Compare each tracker with a baseline, with intervals; a sentence where that is impossible.

    Args:
        part: What to compare.
        baseline: The label of one of its trackers.
        count: Draws of sequences.
    """
    labels = [c.label for c in part.contenders if c.label != baseline]
    if baseline not in {c.label for c in part.contenders}:
        return f"No {baseline} among the trackers, so there are no differences to it."
    base = part.scores(baseline)
    # MOT17's three copies of a sequence show the same: they are drawn together.
    scenes = [base_name(name) for name in part.sequences]
    found = {label: differences(part.scores(label), base, count, scenes=scenes) for label in labels}
    known = len(set(scenes))
    rows = [[label, *(_interval(d[m], known) for m in METRICS)] for label, d in found.items()]
    title = f"**{part.title}: difference to {baseline}**"
    return f"{title}\n\n{table(['tracker', *METRICS], rows)}\n\n{_worth(known, count)}"


def _interval(d: Difference, sequences: int) -> str:
    return f"{d.value:+.1f} [{d.low:+.1f}, {d.high:+.1f}]" if sequences > 1 else f"{d.value:+.1f}"


def _worth(sequences: int, count: int) -> str:
    if sequences == 1:
        return "One sequence: no interval can be told."
    told = f"In brackets 95 % intervals by {count} draws of the {sequences} sequences with repetition"
    if sequences < FEWEST:
        return f"{told}: with fewer than {FEWEST} sequences they are worth nothing."
    few = ", which are few: trust a sign that the interval agrees with, and no decimals" if sequences < 10 else ""
    return f"{told}{few}."


def rows_of(parts: Sequence[Comparison]) -> Iterator[dict[str, Any]]:
    """Every figure, a row a part, tracker, seed and sequence."""
    for part in parts:
        for contender in part.contenders:
            for seed, run in enumerate(values(part, contender)):
                for name, row in run.items():
                    told = {f"ms {k}" if k in STAGES else k: v for k, v in row.items()}
                    yield {"part": part.title, "tracker": contender.label, "seed": seed, "sequence": name, **told}


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows, an empty field where one has no such figure."""
    columns = dict.fromkeys(key for row in rows for key in row)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(columns))
        writer.writeheader()
        writer.writerows(rows)
