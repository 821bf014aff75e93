"""What each part of this package's tracker is worth: everything on, and then each part switched off in turn."""

from __future__ import annotations

import json
import multiprocessing
import os
from argparse import ArgumentParser, ArgumentTypeError, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.mot17 import COMBINED, MOT17, NAMES, evaluate, load_clip, picture_shape
from harness.perturb import PERTURBATIONS
from harness.report import add_write, cells, figures, publish
from harness.runs import OURS, Contender, run_cached
from harness.scores import DEFINITIONS
from harness.sequences import load_cache, load_sequence
from harness.setting import PETS, TUD, add_shared, facts, need, progress, table
from harness.simulate import simulate

# What a row is called, and what switches its part off.
BASE = "everything on"
SWITCHES: dict[str, dict[str, Any]] = {
    BASE: {},
    "appearance in the first association": {"fuse_appearance": False},
    "memory": {"memory_seconds": 0.0},
    "self-calibration": {"calibrate": False},
    "the learned metric": {"learn_metric": False},
    "several prototypes": {"memory_prototypes": 1},
    "care which crops teach": {"clean_crops": False},
    "the open-set bound": {"false_revival_rate": 1.0},
    "votes": {"confirm_frames": 1},
    "time to recognize": {"recognize_seconds": 0.0},
    "probation": {"probation_seconds": 0.0},
    "late merges": {"merge_seconds": 0.0},
    "doubts": {"reverify": False},
    "motion in recognition": {"motion_seconds": 0.0},
    "the speed limit": {"max_speed": 0.0},
    "classes": {"match_class": False},
    "votes on classes": {"class_votes": False},
    "the shortlist": {"shortlist": 0},
    "holding back": {"provisional": "show"},
}
COLUMNS = ["IDF1", "returns recognized", "false revivals", "ids", "MOTA"]
# Added up over the copies of a sequence, where the others are averaged.
COUNTS = ("returns", "recognized", "false")
AS_IT_IS = "as it is"
DATA = {
    "pets": ("PETS by person", PETS, (AS_IT_IS,)),
    "tud": ("TUD-Stadtmitte", TUD, (AS_IT_IS,)),
    "pets-perturbed": ("PETS, perturbed", PETS, tuple(PERTURBATIONS)),
    "tud-perturbed": ("TUD, perturbed", TUD, tuple(PERTURBATIONS)),
    "mot17": ("MOT17 val, simulated", MOT17, (AS_IT_IS,)),
}
NOTES = (
    "PETS and TUD-Stadtmitte: cached detections (YOLO11n INT8) and embeddings (OSNet x0.25, MSMT17); camera motion off "
    "(`gmc_method: none`), as that is slow, and perturbed copies have no video.",
    f"Perturbed: {', '.join(PERTURBATIONS)}; returns recognized and false revivals are added up over these copies, "
    "other figures are means.",
    "MOT17: YOLOX-X detections, SIMULATED embeddings, camera motion given; all sequences together, by MOT17's own "
    "rule, under which nobody returns.",
)


@dataclass(frozen=True)
class Job:
    """One run: a row of the tables on one copy of one data set.

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


def main() -> None:
    args = _arguments()
    jobs = [Job(args.shared, d, copy, row) for row in args.rows for d in args.data for copy in DATA[d][2]]
    measured = _measure_all(jobs, args.jobs)
    if args.json:
        told = [{"data": j.data, "copy": j.copy, "row": j.row, "values": v} for j, v in measured.items()]
        args.json.write_text(json.dumps({"machine": facts(), "runs": told}, indent=2) + "\n")
    text = "\n\n".join([*_tables(args, measured), *NOTES, facts()])
    print(text)
    if args.write:
        publish("ablation", text)


def _arguments() -> Namespace:
    epilog = f"rows:\n{_list(SWITCHES)}\n\ndata:\n{_list(DATA)}\n\n{DEFINITIONS}"
    parser = ArgumentParser(description=__doc__, epilog=epilog, formatter_class=RawDescriptionHelpFormatter)
    add_shared(parser)
    parser.add_argument("--data", type=_chosen(DATA), default=list(DATA), metavar="A,B", help="default: all")
    text = "rows by name or by the key that they switch off; default: all"
    parser.add_argument("--rows", type=_rows_of, default=list(SWITCHES), metavar="A,B", help=text)
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes (default: 1)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    add_write(parser)
    args = parser.parse_args()
    sources = {DATA[d][1] for d in args.data}
    need(*(args.shared / "data" / source for source in sources))
    need(*(args.shared / "data" / "cache" / f"{source}.npz" for source in sources - {MOT17}))
    return args


def _list(names: Iterable[str]) -> str:
    return "\n".join(f"  {name}" for name in names)


def _chosen(known: Iterable[str]) -> Callable[[str], list[str]]:
    def names(text: str) -> list[str]:
        chosen = text.split(",")
        unknown = [name for name in chosen if name not in known]
        if unknown:
            raise ArgumentTypeError(f"unknown: {', '.join(unknown)}; there are {', '.join(known)}")
        return chosen

    return names


def _rows_of(text: str) -> list[str]:
    """Rows by name or key; what they are compared with is always there."""
    by_key = {key: row for row, changes in SWITCHES.items() for key in changes}
    chosen = _chosen({*SWITCHES, *by_key})(text)
    return list(dict.fromkeys([BASE, *(by_key.get(name, name) for name in chosen)]))


def _measure_all(jobs: list[Job], processes: int) -> dict[Job, dict[str, float]]:
    if processes == 1:
        return dict(zip(jobs, progress(map(_measure, jobs), "runs", len(jobs)), strict=True))
    with multiprocessing.get_context("spawn").Pool(processes, initializer=_quiet) as pool:
        return dict(zip(jobs, progress(pool.imap(_measure, jobs), "runs", len(jobs)), strict=True))


def _quiet() -> None:
    """No bars for single runs: those of several processes would overwrite each other."""
    os.environ["TQDM_DISABLE"] = "1"


def _measure(job: Job) -> dict[str, float]:
    return _measure_mot17(job) if DATA[job.data][1] == MOT17 else _measure_clip(job)


def _contender(job: Job, **changes: Any) -> Contender:
    return Contender(f"{job.data}, {job.copy}: {job.row}", OURS, {**SWITCHES[job.row], **changes})


def _measure_clip(job: Job) -> dict[str, float]:
    source = DATA[job.data][1]
    folder = job.shared / "data" / source
    pair = load_sequence(folder), load_cache(job.shared / "data" / "cache" / f"{source}.npz")
    sequence, cache = pair if job.copy == AS_IT_IS else PERTURBATIONS[job.copy](*pair)
    run = run_cached(_contender(job, gmc_method="none"), sequence, cache, shape=picture_shape(folder))
    return figures(sequence, run)


def _measure_mot17(job: Job) -> dict[str, float]:
    folder = job.shared / "data" / MOT17
    frames = {}
    for clip in (load_clip(folder / name) for name in NAMES):
        cache = simulate(clip.scene, clip.detections)
        run = run_cached(_contender(job), clip.scene, cache, shape=clip.shape, warps=clip.warps)
        frames[clip.scene.name] = run.frames
    return evaluate(folder, frames)[COMBINED]


def _tables(args: Namespace, measured: dict[Job, dict[str, float]]) -> Iterator[str]:
    over = {
        (d, row): _over_copies([v for j, v in measured.items() if (j.data, j.row) == (d, row)])
        for d in args.data
        for row in args.rows
    }
    yield "**IDF1, and what is lost without a part**"
    yield table(["without", *(DATA[d][0] for d in args.data)], [_losses(args, over, row) for row in args.rows])
    for d in args.data:
        yield f"**{DATA[d][0]}**"
        yield table(["without", *COLUMNS], [[_called(row), *cells(over[d, row], COLUMNS)] for row in args.rows])


def _over_copies(values: list[dict[str, float]]) -> dict[str, float]:
    known = set.intersection(*(set(v) for v in values))
    return {k: sum(v[k] for v in values) / (1 if k in COUNTS else len(values)) for k in known}


def _losses(args: Namespace, over: dict[tuple[str, str], dict[str, float]], row: str) -> list[str]:
    texts = []
    for d in args.data:
        value, base = over[d, row]["IDF1"], over[d, BASE]["IDF1"]
        texts.append(f"{value:.1f}" if row == BASE else f"{value:.1f} ({value - base:+.1f})")
    return [_called(row), *texts]


def _called(row: str) -> str:
    changes = ", ".join(f"`{key}: {value}`" for key, value in SWITCHES[row].items())
    return f"{row} ({changes})" if changes else f"**{row}**"


if __name__ == "__main__":
    main()
