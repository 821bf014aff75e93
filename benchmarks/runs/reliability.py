"""Probabilities that a gallery shows, against ground truth: two cameras, by embedder."""

from __future__ import annotations

import tempfile
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from ultralytics_reid.evaluation.markdown import table
from ultralytics_reid.gallery.gallery import Gallery
from ultralytics_reid.gallery.records import ANY, Records
from ultralytics_reid.gallery.visit_pairs import Agreement
from ultralytics_reid.scenes import SceneOptions

from ..harness.cameras import CameraRun, CameraStream, campus_streams, one_by_one, together
from ..harness.clips.rendered import rendered
from ..harness.contenders.stock import REID_BOTSORT
from ..harness.data.features import EMBEDDERS, add_choice, embedded, usable
from ..harness.data.sequences import load_sequence
from ..harness.options import CAMPUS, PETS, add_features, add_shared, add_write, need, need_clips
from ..harness.report import present
from ..harness.scoring.reliability import (
    Bin,
    Judged,
    calibration_error,
    edges_text,
    judge_visits,
    log_loss,
    owners,
    reliability,
)

PARTS = ("halves", "campus", "rendered")
# Where PETS is cut into two cameras, as shares of its length.
CUTS = (1 / 3, 1 / 2, 2 / 3)
# When the first camera starts, seconds since 1970: any time will do.
START = 1_795_694_400.0
NOTE = """\
Rows are pairs of visits, each compared as `search` compares them: by their most similar pair of sightings and how many
sightings they have. Left out: visits on one person in less than 80 % of their path, and pairs that were visible on one
camera at once. Cells: mean of what is shown → share of rows that show the same person, at the stated prior of 10 %
(genuine rows / rows). ECE: mean gap between the two over the bins. Marked: identities whose visits `visits` and
`search` mark as unlike each other, of those that hold several people and of those that hold one, with two visits or
more. Few people are in these clips, and their rows are far from independent."""

Films = Callable[[], list[CameraStream]]
Tracked = Callable[..., list[CameraRun]]


@dataclass(frozen=True)
class Outcome:
    """Rows of one gallery, and its identities that are marked or not.

    Attributes:
        judged: The rows.
        marked: Of each identity with two judged visits or more: whether it holds several people, and is marked.
    """

    judged: Judged
    marked: tuple[tuple[bool, bool], ...]


def run(args: Namespace) -> None:
    makers = {"halves": _halves, "campus": _campus, "rendered": _rendered}
    rows = [row for part in args.parts for row in makers[part](args)]
    head = ["cameras", *edges_text(), "ECE", "log loss, nats", "marked: mixed", "marked: one person"]
    present("reliability", [table(head, rows), NOTE], write=args.write)


def add_arguments(parser: ArgumentParser) -> None:
    add_shared(parser)
    add_features(parser)
    add_choice(parser, {PETS: "PETS by person"})
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="default: all")
    parser.add_argument("--seeds", type=int, default=2, metavar="N", help="rendered scenes (default: 2)")
    add_write(parser)


def _halves(args: Namespace) -> Iterator[list[str]]:
    need(args.shared / "data" / PETS)
    sequence = load_sequence(args.shared / "data" / PETS)
    for embedder in usable(args.embedders, [PETS], args.shared, args.features):
        views = list(zip(sequence.by_person(), embedded(PETS, embedder, args.shared, args.features), strict=True))
        outcomes = []
        for cut in (round(share * len(views)) for share in CUTS):
            parts = (("door", 0, views[:cut]), ("yard", cut, views[cut:]))
            films = [
                CameraStream(name, sequence.fps, sequence.shape, first / sequence.fps, partial(iter, part))
                for name, first, part in parts
            ]
            outcomes.append(_outcome(films, one_by_one))
        yield _row(f"PETS cut in two at three places, {EMBEDDERS[embedder]}", outcomes)


def _campus(args: Namespace) -> Iterator[list[str]]:
    need_clips(args.shared, CAMPUS)
    films = campus_streams(args.shared, "msmt17", args.features)
    yield _row(f"EPFL campus4, two views at once, {EMBEDDERS['msmt17']}", [_outcome(films, together)])


def scene(seed: int) -> SceneOptions:
    """A place with two cameras, on which all clothes differ."""
    return SceneOptions(
        people=10, seconds=100, fps=6, seed=seed, cameras=2, look_alikes=0.0, away=(4.0, 30.0), visits=None, crowd=4
    )


def _rendered(args: Namespace) -> Iterator[list[str]]:
    outcomes = []
    for options in map(scene, range(args.seeds)):
        takes = [rendered(options, args.features, n) for n in range(options.cameras)]
        films = [CameraStream(f"camera {n}", options.fps, t.shape, 0.0, partial(iter, t)) for n, t in enumerate(takes)]
        outcomes.append(_outcome(films, together))
    yield _row(f"{args.seeds} rendered scenes, the demo detector's features", outcomes)


def _outcome(films: Sequence[CameraStream], track: Tracked) -> Outcome:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "gallery.db"
        runs = track(REID_BOTSORT, films, path, START)
        with Gallery(path) as gallery:
            visits = {v.id: v for v in gallery.visits()}
            owner = owners(visits.values(), runs, START)
            held = Records.joined(list(gallery.store.scan(ANY)), gallery.store.dim)
            judged = judge_visits(held, visits, owner, gallery.scorer())
            found = gallery.agreements(v.identity for v in visits.values())
    return Outcome(judged, tuple(_marks(found.values(), owner)))


def _marks(found: Iterable[Agreement], owner: dict[int, int]) -> Iterator[tuple[bool, bool]]:
    for one in found:
        people = [owner[v] for v in one.probabilities if v in owner]
        if len(people) > 1:
            yield len(set(people)) > 1, one.mixed


def _row(title: str, outcomes: Sequence[Outcome]) -> list[str]:
    judged = Judged.joined(o.judged for o in outcomes)
    marks = np.array([m for o in outcomes for m in o.marked], bool).reshape(-1, 2)
    hints = [f"{marks[kind, 1].sum()} of {kind.sum()}" for kind in (marks[:, 0], ~marks[:, 0])]
    figures = [f"{100 * calibration_error(judged):.1f} %", f"{log_loss(judged):.3f}"]
    return [title, *map(_cell, reliability(judged)), *figures, *hints]


def _cell(found: Bin) -> str:
    if not found.rows:
        return "-"
    return f"{100 * found.predicted:.0f} → {100 * found.observed:.0f} % ({found.genuine} / {found.rows})"
