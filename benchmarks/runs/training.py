"""Metric learning: a head from a video's first half, tried on its second; heads and a network on still crops.

PETS: the tracker runs on the first half, the second pass says who is who, and a head is learned from that, without
ground truth; then the second half is verified by ground truth, and tracked with the head and without. CUHK01 and
vehicles: individuals to train on and others to test on, one crop each of both cameras.
"""

from __future__ import annotations

import tempfile
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from ultralytics_reid._typing import Bools, Floats, Ints, as_bools, as_floats
from ultralytics_reid.appearance.embedding import unit
from ultralytics_reid.embedders.head import HEAD
from ultralytics_reid.embedders.torchreid import PREPROCESSING, TorchReID
from ultralytics_reid.evaluation.markdown import table
from ultralytics_reid.training.head import LearnedHead, applied, learn_head, whitening
from ultralytics_reid.training.held_out import Crops, Score, identity_tars
from ultralytics_reid.training.images import CropImages
from ultralytics_reid.training.known_pairs import KnownPairs
from ultralytics_reid.training.result import save_tensors
from ultralytics_reid.training.tracklets import label_tracks

from ..harness.contenders.given_motion import standing
from ..harness.contenders.stock import REID_BOTSORT
from ..harness.data.features import EMBEDDERS, embedded, usable
from ..harness.data.sequences import Detections, load_clip
from ..harness.data.sequences import Sequence as Clip
from ..harness.data.stills import CUHK01, VEHICLES, Stills, still_embeddings, stills
from ..harness.options import CLIP_TITLES, PETS, TUD, add_features, add_shared, add_write, need, need_clips
from ..harness.report import present
from ..harness.scoring.separability import crops_of
from ..harness.scoring.track_eval import track_eval
from ..harness.tracking import as_frames
from .refine import tracked
from .stills import first_of_each, rank_1

COMPARED = ("detector", "msmt17", "market1501", "retail-0287")
MAX_CROPS = 64
# CUHK01's first 485 people train, as is usual; vehicles come with their own test.
TRAINED_PEOPLE = 485
STILLS_TITLE = "**Still crops: {}, on individuals who weren't trained on**"
STILLS = ("data", "trained on", "tested on", "plain", "whitening")
NOTE = (
    "TAR at 1 % FAR: mean by person of pairs of single crops, of the second half, the farther half of each person's in "
    "time; impostor pairs are all others'. Plain: cosine of embeddings as they are. Whitening: the within-tracklet "
    "metric that the tracker learns today, of the first half's tracklets; and of its refined identities. Head: what "
    "`learn_head` keeps. IDF1: by person, on the second half alone, with a head and without. The same INT8 detections "
    "for all, without camera motion. Rank-1: one crop each of both cameras, camera 1 searched in camera 2."
)


def run(args: Namespace) -> None:
    """Measure heads, and a network where its weights are given."""
    parts: list[str] = []
    if "video" in args.parts:
        need_clips(args.shared, args.clips)
        for clip in args.clips:
            parts += [f"**{CLIP_TITLES[clip]}: first half to second half**", _video(args, clip)]
    if "stills" in args.parts:
        need(*(args.shared / "data" / name for name in (CUHK01, VEHICLES)))
        rows = [_stills_row(args, name) for name in (CUHK01, VEHICLES)]
        parts += [STILLS_TITLE.format("heads"), table([*STILLS, "head", "kept"], rows)]
    if args.network:
        need(args.shared / "data" / CUHK01, args.network)
        head = [*STILLS[:-1], "fine-tuned"]
        parts += [STILLS_TITLE.format("a network"), table(head, [_network_row(args)])]
    present("training", [*parts, NOTE], write=args.write)


def add_arguments(parser: ArgumentParser) -> None:
    """Add the run's options."""
    add_shared(parser)
    add_features(parser)
    parts = ["video", "stills"]
    parser.add_argument("--parts", nargs="*", choices=parts, default=parts, help="default: all")
    parser.add_argument("--clips", nargs="+", choices=(PETS, TUD), default=[PETS], help=f"default: {PETS}")
    parser.add_argument("--embedders", nargs="+", choices=COMPARED, default=list(COMPARED), help="default: all")
    text = "weights of an OSNet x0.25 that `ultralytics-reid train` made of CUHK01's first 485 people (see the page)"
    parser.add_argument("--network", type=Path, metavar="SAFETENSORS", help=text)
    add_write(parser)


def _video(args: Namespace, clip: str) -> str:
    able = usable(args.embedders, [clip], args.shared, args.features)
    head = ["embedder", "plain", "whitening, tracklets", "whitening, refined", "head", "kept", "IDF1 without → with"]
    return table(head, [_video_row(args, clip, embedder) for embedder in able])


def _video_row(args: Namespace, clip: str, embedder: str) -> list[str]:
    sequence, cache = load_clip(args.shared, clip), embedded(clip, embedder, args.shared, args.features)
    half = len(cache) // 2
    tests = _second_half(sequence, cache, half)
    tracks = tracked(REID_BOTSORT, cache[:half], sequence.fps, sequence.shape, standing(half))
    sets = []
    for refined in (False, True):
        labels = label_tracks(tracks, max_crops=MAX_CROPS, refined=refined)
        known = KnownPairs.of(labels.identities, labels.different)
        sets.append(Crops(unit(tracks.crops_of(labels.rows)), known, None, tracks.time[labels.rows]))
    learned = learn_head(sets[1])
    scores: list[Score] = [_plain, *(applied(whitening(s)) for s in sets), _score_of(learned)]
    tars = [_tar(tests, score) for score in scores]
    without, with_head = (_idf1(sequence, cache, half, given) for given in (None, learned))
    figures = [f"{value:.3f}" for value in tars]
    return [EMBEDDERS[embedder], *figures, _kept(learned), f"{without:.1f} → {with_head:.1f}"]


def _kept(learned: LearnedHead) -> str:
    return "trained" if learned.trained else "whitening"


def _second_half(sequence: Clip, cache: list[Detections], half: int) -> Crops:
    chosen = [c for c in crops_of(sequence, cache, sequence.shape) if c.frame >= half]
    rows = unit(np.concatenate([as_floats(d.feats) for d in cache if d.feats is not None]))
    known = KnownPairs.of(np.array([c.person for c in chosen], np.int64), None)
    times = np.array([c.frame / sequence.fps for c in chosen])
    return Crops(rows[[c.row for c in chosen]], known, None, times)


def _tar(crops: Crops, score: Score) -> float:
    return float(np.mean(list(identity_tars(crops, score, np.ones(len(crops.rows), bool)).values())))


def _plain(rows: Floats) -> Floats:
    return rows


def _score_of(learned: LearnedHead) -> Score:
    return applied((learned.center, learned.matrix))


def _idf1(sequence: Clip, cache: list[Detections], half: int, learned: LearnedHead | None) -> float:
    """IDF1 by person of the tracker on the second half."""
    with tempfile.TemporaryDirectory() as folder:
        contender = REID_BOTSORT
        if learned is not None:
            path = Path(folder, "head.safetensors")
            arrays = {"center": learned.center, "matrix": learned.matrix}
            save_tensors(path, arrays, {"kind": HEAD, "base": "cached"})
            contender = replace(REID_BOTSORT, changes={**REID_BOTSORT.changes, "head": str(path)})
        rest = cache[half:]
        tracks = tracked(contender, rest, sequence.fps, sequence.shape, standing(len(rest)))
    shown = tracks.select(tracks.ids > 0)
    rows = np.column_stack([shown.frame, shown.ids, shown.xyxy]).astype(np.float64)
    return track_eval(sequence.by_person()[half:], as_frames(rows, len(rest)))["IDF1"]


def _stills_row(args: Namespace, name: str) -> list[str]:
    crops = stills(args.shared, name)
    rows = still_embeddings(name, crops, "msmt17", args.shared, args.features)
    test = _tested(crops, name)
    known = KnownPairs.of(crops.ids[~test], None)
    train = Crops(rows[~test], known, crops.cameras[~test])
    learned = learn_head(train)
    scores = (_plain, applied(whitening(train)), _score_of(learned))
    figures = [f"{_rank_1(crops, test, score(rows[test])):.3f}" for score in scores]
    counts = [str(known.count), str(len(np.unique(crops.ids[test])))]
    return [f"{name}, OSNet x0.25 MSMT17", *counts, *figures, _kept(learned)]


def _network_row(args: Namespace) -> list[str]:
    crops = stills(args.shared, CUHK01)
    test = _tested(crops, CUHK01)
    plain = still_embeddings(CUHK01, crops, "msmt17", args.shared, args.features)[test]
    network = TorchReID("osnet_x0_25", str(args.network), None)
    files = [file for file, used in zip(crops.files, test.tolist(), strict=True) if used]
    images, encode = CropImages(files, PREPROCESSING), network.encode
    tuned = unit(np.concatenate([encode(images(rows)) for rows in _parts(len(files))]))
    figures = [f"{_rank_1(crops, test, r):.3f}" for r in (plain, tuned)]
    counts = [str(TRAINED_PEOPLE), str(len(np.unique(crops.ids[test])))]
    return [f"{CUHK01}, OSNet x0.25 MSMT17", *counts, *figures]


def _parts(count: int) -> Iterator[Ints]:
    return (np.arange(n, min(n + 32, count)) for n in range(0, count, 32))


def _tested(crops: Stills, name: str) -> Bools:
    """Which crops are the test's, `(N,)`."""
    if name == VEHICLES:
        return np.array(["test" in file.parts for file in crops.files])
    return as_bools(~np.isin(crops.ids, np.unique(crops.ids)[:TRAINED_PEOPLE]))


def _rank_1(crops: Stills, test: Bools, rows: Floats) -> float:
    """Rank-1 of the first crop of each individual by camera 1, in those by camera 2."""
    first, second = (first_of_each(crops.ids[test], crops.cameras[test], camera) for camera in (1, 2))
    return rank_1(rows[first] @ rows[second].T)
