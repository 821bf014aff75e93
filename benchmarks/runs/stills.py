"""Still crops of many individuals, camera 1 enrolled and camera 2 searched: retrieval, verification, open set."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from ultralytics_reid._typing import Doubles, Floats, Ints
from ultralytics_reid.appearance.embedding import unit
from ultralytics_reid.evaluation.markdown import table
from ultralytics_reid.evaluation.retrieval import fnir_at_fpir, retrieval, tar_at_far
from ultralytics_reid.gallery.scorer import Scorer

from ..harness.data.features import EMBEDDERS
from ..harness.data.stills import CUHK01, VEHICLES, Stills, still_embeddings, stills
from ..harness.errors import UnavailableError
from ..harness.options import add_features, add_shared, add_write, need
from ..harness.report import present
from ..harness.scoring.reliability import Bin, Judged, calibration_error, edges_text, reliability

# Embedders of crops, by data.
RUNS = {CUHK01: ("msmt17", "market1501", "retail-0287"), VEHICLES: ("msmt17", "retail-0287")}
TITLES = {CUHK01: "CUHK01: {} people", VEHICLES: "vehicles of two gates: {}"}
SIZES = (10, 100)
DRAWS, SEED = 50, 0
RATE = 0.01
# Rows that a search shows.
SHOWN = 10
_STRANGER = -1
NOTE = (
    f"Cosine of single embeddings, without the metric that cameras learn. Rank-1: one crop each of both cameras, all "
    f"individuals; or the mean embedding of all crops of an individual by a camera. mAP, TAR: all crops. Missed "
    f"(FNIR): one crop each; enrolled queries whose most similar row is another individual's, or is below the "
    f"threshold that {RATE:.0%} of the strangers exceed (FPIR); means of {DRAWS} galleries drawn at random, strangers "
    f"being all individuals not in them. With all enrolled, strangers are the same queries, each without its own row. "
    f"Cells: mean of what is shown → share of rows that show the same individual, at the stated prior of 10 % (genuine "
    f"rows / rows); ECE: mean gap between the two. "
    f"Five people whom CUHK01 has under two numbers are counted as one each."
)


def run(args: Namespace) -> None:
    need(*(args.shared / "data" / name for name in args.data))
    parts = [part for name in args.data for part in _part(args, name)]
    present("stills", [*parts, NOTE], write=args.write)


def add_arguments(parser: ArgumentParser) -> None:
    add_shared(parser)
    add_features(parser)
    parser.add_argument("--data", nargs="+", choices=list(RUNS), default=list(RUNS), help="default: all")
    add_write(parser)


def _part(args: Namespace, name: str) -> Iterator[str]:
    crops = stills(args.shared, name)
    people = len(np.unique(crops.ids))
    yield f"**{TITLES[name].format(people)}, camera 1 enrolled, camera 2 searched**"
    missed = [f"missed at {RATE:.0%} FPIR, {size} enrolled" for size in (*SIZES, people)]
    head = ["embedder", "rank-1", "of means", "mAP", f"TAR at {RATE:.0%} FAR", *missed]
    of = list(_embedded(args, name, crops))
    yield table(head, [[EMBEDDERS[e], *map("{:.3f}".format, _figures(crops, rows))] for e, rows in of])
    yield f"**The same, probabilities that `search --image` shows of its {SHOWN} first rows**"
    head = ["embedder, enrolled", *edges_text(), "ECE"]
    yield table(head, [row for e, rows in of for row in _reliability(EMBEDDERS[e], crops, rows)])


def _embedded(args: Namespace, name: str, crops: Stills) -> Iterator[tuple[str, Floats]]:
    for embedder in RUNS[name]:
        try:
            yield embedder, still_embeddings(name, crops, embedder, args.shared, args.features)
        except UnavailableError as reason:
            print(f"left out: {EMBEDDERS[embedder]} ({reason})", file=sys.stderr)


def _figures(crops: Stills, rows: Floats) -> list[float]:
    """Rank-1 of single crops and of means, mAP, TAR, and FNIR by size of the gallery."""
    enrolled, searched = (np.flatnonzero(crops.cameras == camera) for camera in (1, 2))
    similarity, (queries, gallery) = _compared(rows, searched, enrolled), (crops.ids[searched], crops.ids[enrolled])
    same = queries[:, None] == gallery[None]
    mean_ap = retrieval(similarity, queries, gallery).mean_ap
    tar = tar_at_far(similarity[same], similarity[~same], RATE)
    first, asked = (first_of_each(crops.ids, crops.cameras, camera) for camera in (1, 2))
    single = _compared(rows, asked, first)
    open_set = [_missed_of_drawn(single, size) for size in SIZES]
    ranks = [rank_1(single), rank_1(_means(crops.ids[searched], rows[searched]) @ _means(gallery, rows[enrolled]).T)]
    return [*ranks, mean_ap, tar, *open_set, _missed_of_all(single)]


def _reliability(embedder: str, crops: Stills, rows: Floats) -> Iterator[list[str]]:
    """What is shown against what is true, by size of the gallery."""
    enrolled, asked = (first_of_each(crops.ids, crops.cameras, camera) for camera in (1, 2))
    single = _compared(rows, asked, enrolled)
    for size in (*SIZES, len(single)):
        judged = Judged.joined(_shown(single[np.ix_(drawn, drawn)], rows.shape[1]) for drawn in _drawn(single, size))
        yield [f"{embedder}, {size}", *map(_cell, reliability(judged)), f"{calibration_error(judged):.3f}"]


def _shown(single: Doubles, dim: int) -> Judged:
    """The first rows of each query, as a gallery shows them that has learned nothing from cameras."""
    first = np.argsort(-single, axis=1)[:, :SHOWN]
    one = np.ones(first.size, np.int64)
    scores = np.take_along_axis(single, first, axis=1).ravel().astype(np.float32)
    same = first == np.arange(len(single))[:, None]
    return Judged(Scorer(dim, "reid", {}).same_individual(scores, one, one), same.ravel())


def _cell(found: Bin) -> str:
    return "-" if not found.rows else f"{found.predicted:.2f} → {found.observed:.2f} ({found.genuine}/{found.rows})"


def first_of_each(ids: Ints, cameras: Ints, camera: int) -> Ints:
    """Places of each individual's first crop by a camera, in the order of their ids."""
    taken = np.flatnonzero(cameras == camera)
    return taken[np.unique(ids[taken], return_index=True)[1]]


def _drawn(single: Doubles, size: int) -> Iterator[Ints]:
    """Galleries of a size, drawn at random; one of all."""
    rng = np.random.default_rng(SEED)
    for _ in range(DRAWS if size < len(single) else 1):
        yield rng.choice(len(single), size, replace=False)


def rank_1(similarity: npt.ArrayLike) -> float:
    """Rank-1 of `(N, N)` similarities of the same individuals in the same order."""
    ids = np.arange(len(np.asarray(similarity)))
    return float(retrieval(similarity, ids, ids, ranks=1).cmc[0])


def _means(ids: Ints, rows: Floats) -> Floats:
    """Mean embedding of each individual, in the order of their ids."""
    return unit(np.stack([rows[ids == one].mean(axis=0) for one in np.unique(ids)]))


def _compared(rows: Floats, queries: Ints, gallery: Ints) -> Doubles:
    return np.asarray(rows[queries] @ rows[gallery].T, np.float64)


def _missed_of_drawn(single: Doubles, size: int) -> float:
    """Mean FNIR over galleries of `size`, from `(N, N)` similarities of the same individuals in the same order."""
    ids = np.arange(len(single))
    return float(np.mean([fnir_at_fpir(single[:, drawn], ids, drawn, RATE) for drawn in _drawn(single, size)]))


def _missed_of_all(single: Doubles) -> float:
    ids = np.arange(len(single))
    strangers = np.where(np.eye(len(single), dtype=bool), -np.inf, single)
    return fnir_at_fpir(np.concatenate([single, strangers]), np.r_[ids, np.full_like(ids, _STRANGER)], ids, RATE)
