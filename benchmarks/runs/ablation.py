"""Accuracy with each part of this package's tracker switched off in turn."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ultralytics_reid.evaluation.markdown import facts, table
from ultralytics_reid.evaluation.returns import DEFINITIONS

from ..harness.clips.perturb import PERTURBATIONS
from ..harness.contenders.host import OURS, HostContender
from ..harness.data.cache import Cache
from ..harness.data.layout import find_clips
from ..harness.data.recipe import SIMULATED, Recipe
from ..harness.data.sequences import load_cache, load_clip
from ..harness.jobs import do_all
from ..harness.mot17.jobs import Track
from ..harness.options import (
    CAMPUS,
    MOT17,
    PETS,
    TUD,
    add_jobs,
    add_json,
    add_shared,
    add_write,
    cached_path,
    default_cache,
    names_of,
    need,
    need_clips,
)
from ..harness.report import cells, figures, present
from ..harness.scoring.track_eval import combine
from ..harness.scoring.track_eval import figures as combined_figures
from ..harness.tracking import run_cached

BASE = "everything on"
# A row's label, and the keys that switch its part off; one line a part.
SWITCHES: dict[str, dict[str, Any]] = {
    BASE: {},
    "appearance in the first association": {"fuse_appearance": False},
    "memory": {"memory_seconds": 0.0},
    "self-calibration": {"calibrate": False},
    "the learned metric": {"learn_metric": False},
    "several prototypes": {"memory_prototypes": 1},
    "clean crops only": {"clean_crops": False},
    "the open-set bound": {"false_revival_rate": 1.0},
    "confirmation over frames": {"confirm_frames": 1},
    "time to recognize": {"recognize_seconds": 0.0},
    "probation": {"probation_seconds": 0.0},
    "late merges": {"merge_seconds": 0.0},
    "track initiation": {"initiation_seconds": 0.0},
    "co-visible only where apart": {"covisible_apart": False},
    "tracklets go on over missed frames": {"missed_seconds": 0.0},
    "re-verification": {"reverify": False},
    "motion in recognition": {"motion_seconds": 0.0},
    "the speed gate": {"max_speed": 0.0},
    "the class gate": {"match_class": False},
    "votes on classes": {"class_votes": False},
    "the shortlist": {"shortlist": 0},
    "hiding provisional ids": {"provisional": "show"},
}
COLUMNS = ["IDF1", "returns recognized", "false revivals", "ids", "MOTA"]
# Summed over the copies of a sequence, where the others are averaged.
COUNTS = ("returns", "recognized", "false")
AS_IT_IS = "as it is"


@dataclass(frozen=True)
class DataSet:
    """A column of the summary.

    Attributes:
        title: Its name in tables.
        source: The folder in the shared data.
        copies: The sequence as it is, or by names of `PERTURBATIONS`.
    """

    title: str
    source: str
    copies: tuple[str, ...] = (AS_IT_IS,)


DATA = {
    "pets": DataSet("PETS by person", PETS),
    "tud": DataSet("TUD-Stadtmitte", TUD),
    "pets-perturbed": DataSet("PETS, perturbed", PETS, tuple(PERTURBATIONS)),
    "tud-perturbed": DataSet("TUD, perturbed", TUD, tuple(PERTURBATIONS)),
    "mot17": DataSet("MOT17 val, simulated", MOT17),
    "campus0": DataSet("EPFL campus4, camera 0", CAMPUS[0]),
    "campus1": DataSet("EPFL campus4, camera 1", CAMPUS[1]),
}
DEFAULT = ("pets", "tud", "pets-perturbed", "tud-perturbed", "mot17")
NOTES = (
    "PETS, TUD-Stadtmitte and EPFL campus4: cached detections (YOLO11n INT8) and embeddings (OSNet x0.25, MSMT17); "
    "camera motion off (`gmc_method: none`), as that is slow, and perturbed copies have no video.",
    f"Perturbed: {', '.join(PERTURBATIONS)}; returns recognized and false revivals are summed over these copies, "
    "other figures are means.",
    "MOT17: YOLOX-X detections, SIMULATED embeddings, camera motion given; all sequences together, by MOT17's own "
    "rule, under which there are no returns.",
)


def _listed(names: Iterable[str]) -> str:
    return "\n".join(f"  {name}" for name in names)


EPILOG = f"rows:\n{_listed(SWITCHES)}\n\ndata:\n{_listed(DATA)}\n\n{DEFINITIONS}"


@dataclass(frozen=True)
class Job:
    """A row of the tables on one copy of one data set.

    Attributes:
        shared: The folder of data.
        data: A key of `DATA`.
        copy: Which of its copies.
        row: A key of `SWITCHES`.
    """

    shared: Path
    data: str
    copy: str
    row: str

    def __call__(self) -> dict[str, float]:
        """Measure its figures."""
        return self._on_mot17() if DATA[self.data].source == MOT17 else self._on_clip()

    def _contender(self, **changes: Any) -> HostContender:
        return HostContender(f"{self.data}, {self.copy}: {self.row}", OURS, {**SWITCHES[self.row], **changes})

    def _on_clip(self) -> dict[str, float]:
        source = DATA[self.data].source
        pair = load_clip(self.shared, source), load_cache(cached_path(self.shared, source))
        sequence, cache = pair if self.copy == AS_IT_IS else PERTURBATIONS[self.copy](*pair)
        return figures(sequence, run_cached(self._contender(gmc_method="none"), sequence, cache, shape=sequence.shape))

    def _on_mot17(self) -> dict[str, float]:
        clips = find_clips(self.shared / "data" / MOT17, "val-half", None, (), partial=False)
        recipe = Recipe(Cache(default_cache() / "mot"), embedder=SIMULATED)
        outcomes = [Track(clip, recipe, 0, self._contender(), None, scored=True)() for clip in clips]
        return combined_figures(combine({o.sequence: o.score for o in outcomes if o.score is not None}))


def add_arguments(parser: ArgumentParser) -> None:
    add_shared(parser)
    text = f"default: {','.join(DEFAULT)}"
    parser.add_argument("--data", type=names_of(DATA), default=list(DEFAULT), metavar="A,B", help=text)
    text = "rows by name or by the key that they switch off; default: all"
    parser.add_argument("--rows", type=_rows_of, default=list(SWITCHES), metavar="A,B", help=text)
    add_jobs(parser)
    add_json(parser)
    add_write(parser)


def _rows_of(text: str) -> list[str]:
    """Parse rows by name or key; the row that the others are compared with is always there."""
    by_key = {key: row for row, changes in SWITCHES.items() for key in changes}
    chosen = names_of({**SWITCHES, **by_key})(text)
    return list(dict.fromkeys([BASE, *(by_key.get(name, name) for name in chosen)]))


def run(args: Namespace) -> None:
    sources = {DATA[d].source for d in args.data}
    need_clips(args.shared, sorted(sources - {MOT17}))
    need(*(args.shared / "data" / source for source in sources & {MOT17}))
    jobs = [Job(args.shared, d, copy, row) for row in args.rows for d in args.data for copy in DATA[d].copies]
    measured = dict(zip(jobs, do_all(jobs, args.jobs, "runs"), strict=True))
    if args.json:
        rows = [{"data": j.data, "copy": j.copy, "row": j.row, "values": v} for j, v in measured.items()]
        args.json.write_text(json.dumps({"machine": facts(), "runs": rows}, indent=2) + "\n")
    present("ablation", [*_tables(args, measured), *NOTES], write=args.write)


def _tables(args: Namespace, measured: dict[Job, dict[str, float]]) -> Iterator[str]:
    over = {
        (d, row): _over_copies([v for j, v in measured.items() if (j.data, j.row) == (d, row)])
        for d in args.data
        for row in args.rows
    }
    yield "**IDF1, and what is lost without a part**"
    yield table(["without", *(DATA[d].title for d in args.data)], [_losses(args, over, row) for row in args.rows])
    for d in args.data:
        yield f"**{DATA[d].title}**"
        yield table(["without", *COLUMNS], [[_titled(row), *cells(over[d, row], COLUMNS)] for row in args.rows])


def _over_copies(values: list[dict[str, float]]) -> dict[str, float]:
    known = set.intersection(*(set(v) for v in values))
    return {k: sum(v[k] for v in values) / (1 if k in COUNTS else len(values)) for k in known}


def _losses(args: Namespace, over: dict[tuple[str, str], dict[str, float]], row: str) -> list[str]:
    texts = []
    for d in args.data:
        value, base = over[d, row]["IDF1"], over[d, BASE]["IDF1"]
        texts.append(f"{value:.1f}" if row == BASE else f"{value:.1f} ({value - base:+.1f})")
    return [_titled(row), *texts]


def _titled(row: str) -> str:
    changes = ", ".join(f"`{key}: {value}`" for key, value in SWITCHES[row].items())
    return f"{row} ({changes})" if changes else f"**{row}**"
