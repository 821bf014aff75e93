"""One identity over all cameras and all runs: cameras that share a gallery, and each camera alone."""

from __future__ import annotations

import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import permutations
from pathlib import Path

from ultralytics_reid.evaluation.frames import FrameBoxes
from ultralytics_reid.evaluation.markdown import table
from ultralytics_reid.gallery.linking.topology import Topology, Way
from ultralytics_reid.scenes import Scene, SceneOptions

from ..harness.cameras import (
    CameraRun,
    CameraStream,
    Links,
    campus_streams,
    figures,
    links,
    of_their_own,
    one_by_one,
    together,
)
from ..harness.clips.rendered import rendered
from ..harness.clips.synthetic import stream
from ..harness.contenders.host import HostContender
from ..harness.contenders.stock import REID_BOTSORT
from ..harness.data.features import EMBEDDERS, add_choice, embedded, usable
from ..harness.data.sequences import Detections, load_sequence
from ..harness.errors import ChoiceError
from ..harness.options import CAMPUS, PETS, add_features, add_shared, add_write, need, need_clips
from ..harness.relinked import relinked
from ..harness.report import present

PARTS = ("scenes", "rendered", "campus", "halves", "parade")
OUTCOMES = ("each alone", "one gallery", "after relink", "after relink and refine")
COLUMNS = ["IDF1", "HOTA", "links right", "missed", "wrong merges", "links made, sound", "people", "ids"]
# Where a recording is cut into two runs, as shares of its length.
CUTS = (1 / 3, 1 / 2, 2 / 3)
# What stands at one place for a while is on a camera, and what follows on another: seconds from one to the next.
AWAY = (4.0, 30.0)
# Share of people that wear the same as another. In images such pairs differ too little to be told apart.
LOOK_ALIKES = 0.25
NOTE = """\
Every camera with the shipped YAML. One gallery: a SQLite file for all; every frame waits for its answers
(`gallery_wait`), so that runs can be repeated. After relink: every box has the identity that `gallery.relink` gives its
visit afterwards; boxes of no visit keep an id of their own. After relink and refine: boxes and ids of the second pass
over each camera's track log, under the identities of the visits on them (`gallery.identified`). No topology is given
but to EPFL campus4, whose views overlap. Scenes: boxes and embeddings are simulated, and a quarter of the people wear
the same as another. Rendered: both come from images, by the demo's detector and its own features, as `model: auto`
takes them; all clothes differ."""

Runner = Callable[[HostContender, Sequence[CameraStream], Path | str | None, float], list[CameraRun]]


def run(args: Namespace) -> None:
    if not all(0 < cut < 1 for cut in args.cuts):
        raise ChoiceError(f"--cuts must lie between 0 and 1, got {args.cuts}")
    makers = {"scenes": _scenes, "rendered": _rendered, "campus": _campus, "halves": _halves, "parade": _parade}
    present("cameras", [*(block for part in args.parts for block in makers[part](args)), NOTE], write=args.write)


def add_arguments(parser: ArgumentParser) -> None:
    add_shared(parser)
    add_features(parser)
    add_choice(parser, {PETS: "PETS by person"})
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="default: all")
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="scenes of each kind (default: 3)")
    text = "where PETS is cut in two, as shares of its length (default: a third, half, two thirds)"
    parser.add_argument("--cuts", type=float, nargs="+", default=list(CUTS), metavar="SHARE", help=text)
    add_write(parser)


def scene(cameras: int, seed: int, look_alikes: float) -> SceneOptions:
    """A place with some cameras."""
    people = {2: 12, 4: 16}[cameras]
    return SceneOptions(
        people=people,
        seconds=180,
        fps=10,
        seed=seed,
        cameras=cameras,
        look_alikes=look_alikes,
        away=AWAY,
        visits=None,
        crowd=5,
    )


def _scenes(args: Namespace) -> Iterator[str]:
    for cameras in (2, 4):
        films = [list(simulated(scene(cameras, seed, LOOK_ALIKES))) for seed in range(args.seeds)]
        yield _block(f"Scenes, {cameras} cameras ({args.seeds} of them)", films, together, at_once=True)


def _rendered(args: Namespace) -> Iterator[str]:
    for cameras in (2, 4):
        films = [list(_imaged(scene(cameras, seed, 0.0), args.features)) for seed in range(args.seeds)]
        yield _block(f"Rendered scenes, {cameras} cameras ({args.seeds} of them)", films, together, at_once=True)


def simulated(options: SceneOptions) -> Iterator[CameraStream]:
    """The cameras of a place, with simulated boxes and embeddings."""
    place = Scene(options)
    outfits: list[int] = []

    def group_of(person: int) -> int:
        match = next((n for n in outfits if n == person or place.alike(n, person)), None)
        outfits.extend([person] if match is None else [])
        return person if match is None else match

    for n in range(options.cameras):
        shape = options.size[1], options.size[0]
        yield CameraStream(f"camera {n}", options.fps, shape, 0.0, partial(_stream, place, n, group_of))


def _stream(place: Scene, camera: int, group_of: Callable[[int], int]) -> Iterator[Seen]:
    o = place.options
    yield from stream(place.views(camera), fps=o.fps, size=o.size, seed=o.seed, camera=camera, group_of=group_of)


def _imaged(options: SceneOptions, features: Path) -> Iterator[CameraStream]:
    for n in range(options.cameras):
        take = rendered(options, features, n)
        yield CameraStream(f"camera {n}", options.fps, take.shape, 0.0, partial(iter, take))


Seen = tuple[FrameBoxes, Detections]


def _halves(args: Namespace) -> Iterator[str]:
    need(args.shared / "data" / PETS)
    sequence = load_sequence(args.shared / "data" / PETS)
    truth = sequence.by_person()
    for embedder in usable(args.embedders, [PETS], args.shared, args.features):
        views = list(zip(truth, embedded(PETS, embedder, args.shared, args.features), strict=True))
        films = [list(_cut(sequence.fps, views, round(cut * len(views)))) for cut in args.cuts]
        title = f"PETS cut in two, one run after the other, at {_listed(args.cuts)} of it: {EMBEDDERS[embedder]}"
        yield _block(title, films, one_by_one, at_once=False)


def _campus(args: Namespace) -> Iterator[str]:
    need_clips(args.shared, CAMPUS)
    for embedder in usable(args.embedders, CAMPUS, args.shared, args.features):
        films = [campus_streams(args.shared, embedder, args.features)]
        shared = Topology({pair: Way(overlap=True) for pair in permutations([f.camera for f in films[0]], 2)})
        told = {"told online": shared}
        for what, online in ({"not told online": Topology()} | told if embedder == "msmt17" else told).items():
            title = f"EPFL campus4, two views of one place, {what}: {EMBEDDERS[embedder]}"
            yield _block(title, films, together, at_once=True, online=online, after=shared, each_view=True)


def _listed(shares: Sequence[float]) -> str:
    return ", ".join(f"{share:.0%}" for share in shares)


def _cut(fps: float, views: Sequence[Seen], at: int) -> Iterator[CameraStream]:
    for first, part in ((0, views[:at]), (at, views[at:])):
        yield CameraStream("yard", fps, (576, 768), first / fps, partial(iter, part))


def _parade(args: Namespace) -> Iterator[str]:
    for crowd in (1, 3):
        options = [
            SceneOptions(people=60, seconds=900, fps=10, seed=seed, look_alikes=0.0, visits=1, crowd=crowd, pillars=0)
            for seed in range(args.seeds)
        ]
        films = [list(simulated(o)) for o in options]
        yield _block(
            f"A parade: each person appears once, {crowd} at a time ({args.seeds} runs)", films, together, at_once=True
        )


def _block(
    title: str,
    films: Sequence[Sequence[CameraStream]],
    track: Runner,
    *,
    at_once: bool,
    online: Topology | None = None,
    after: Topology | None = None,
    each_view: bool = False,
) -> str:
    online, after = online or Topology(), after or Topology()
    outcomes: dict[str, list[list[CameraRun]]] = {name: [] for name in OUTCOMES}
    for each in films:
        made = [of_their_own(track(REID_BOTSORT, each, None, time.time()))]
        with tempfile.TemporaryDirectory() as folder:
            gallery, start = Path(folder) / "gallery.db", time.time()
            parts = track(_knowing(online, Path(folder)), each, gallery, start)
            made += [parts, *relinked(parts, gallery, start, after)]
        for name, one in zip(OUTCOMES, made, strict=True):
            outcomes[name].append(one)
    rows = [[label, *_row(runs, at_once)] for label, runs in outcomes.items()]
    columns = ["reid_botsort", *COLUMNS]
    if each_view:
        columns += [f"IDF1 of view {n}" for n in range(len(films[0]))]
        rows = [[*row, *_of_each_view(runs)] for row, runs in zip(rows, outcomes.values(), strict=True)]
    return f"**{title}**\n\n{table(columns, rows)}"


def _of_each_view(runs: Sequence[list[CameraRun]]) -> list[str]:
    """IDF1 of each camera by itself, the mean over runs."""
    return [
        f"{sum(figures([part], at_once=False)['IDF1'] for part in parts) / len(parts):.1f}"
        for parts in zip(*runs, strict=True)
    ]


def _knowing(topology: Topology, folder: Path) -> HostContender:
    """The tracker, with a file that tells it of shared views."""
    if not topology.ways:
        return REID_BOTSORT
    lines = [f"- {{from: {a}, to: {b}, overlap: true}}\n" for a, b in topology.ways]
    (folder / "topology.yaml").write_text("ways:\n" + "".join(lines))
    return replace(REID_BOTSORT, changes={**REID_BOTSORT.changes, "topology": str(folder / "topology.yaml")})


def _row(runs: Sequence[list[CameraRun]], at_once: bool) -> list[str]:
    return _cells([figures(parts, at_once=at_once) for parts in runs], sum(map(links, runs), Links()))


def _cells(values: Sequence[dict[str, float]], found: Links) -> list[str]:
    means = [f"{sum(v[name] for v in values) / len(values):.1f}" for name in ("IDF1", "HOTA")]
    right = f"{found.right} of {found.total}"
    made = f"{found.sound} of {found.made}" if found.made else "-"
    return [*means, right, str(found.missed), str(found.wrong), made, str(found.people), str(found.ids)]
