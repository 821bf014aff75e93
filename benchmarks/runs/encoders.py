"""Time to cut and to encode crops, beside the host's and torchreid's, and how close exported encoders are.

All take turns on the same real boxes of vtest.avi; times are medians over the rounds.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
import warnings
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch

from ultralytics_reid._typing import Floats, ImageArray
from ultralytics_reid.appearance.embedding import cosine, unit
from ultralytics_reid.embedders import CropEmbedder, CropOptions, Embedder, Preprocessing, Regions, build_embedder
from ultralytics_reid.embedders.crops import NOTHING_ELSE, clipped, crop
from ultralytics_reid.embedders.export import export
from ultralytics_reid.evaluation.markdown import table

from ..harness.data.features import EMBEDDERS, RETAIL, embedder_source
from ..harness.data.sequences import load_cache, load_sequence, read_video
from ..harness.errors import UnavailableError
from ..harness.options import PETS, add_shared, add_write, cached_path, need, need_clips
from ..harness.progress import progress
from ..harness.report import present
from ..harness.scoring.separability import auc

MODEL, WEIGHTS = "osnet_x0_25", "osnet_x0_25_msmt17.pth"
CROPS = Preprocessing(height=256, width=128)
BOXES, FEW = 100, 10
FIRST, LAST, EVERY = 100, 500, 20
MIN_CONF = 0.3
SHOT_EVERY, APART, DIFFERS = 12, 5.0, 28  # frames; seconds; gray levels
WARM_UP = 3
CROPS_TARGET, OSNET_TARGET = 3.0, 5.0
REFERENCE = "torchreid's FeatureExtractor"
# By name: the format, and whether with 16-bit weights.
EXPORTS = {"ONNX": ("onnx", False), "OpenVINO": ("openvino", False), "OpenVINO, `--half`": ("openvino", True)}

Calls = dict[str, Callable[[], Any]]


def run(args: Namespace) -> None:
    need_clips(args.shared, [PETS])
    need(args.shared / "models" / WEIGHTS)
    frames = _frames(args.shared)
    image = frames[-1][0]
    boxes = np.concatenate([b for _, b in frames])[:BOXES]
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of exporters about themselves
        models = _models(args.shared / "models" / WEIGHTS, Path(folder))
        parts = [part for n in args.threads for part in _part(args, n, image, boxes, models)]
        parts += [_closeness(args, frames, models), _options(args, models)]
    present("encoders", [*parts], write=args.write)


def add_arguments(parser: ArgumentParser) -> None:
    add_shared(parser)
    add_write(parser)
    parser.add_argument("--rounds", type=int, default=15, help="that times are medians of (default: 15)")
    text = "numbers of threads (default: 1; with more, have the machine to yourself)"
    parser.add_argument("--threads", type=int, nargs="+", default=[1], metavar="N", help=text)


def _frames(shared: Path) -> list[tuple[ImageArray, Floats]]:
    """Some frames and their detections' boxes, in the order of the video."""
    sequence, cache = load_sequence(shared / "data" / PETS), load_cache(cached_path(shared, PETS))
    pairs = islice(zip(read_video(sequence), cache, strict=True), FIRST, LAST, EVERY)
    return [(image, d.xyxy[d.conf > MIN_CONF]) for image, d in progress(pairs, "reading")]


def _models(weights: Path, folder: Path) -> dict[str, tuple[str, str]]:
    """`model` and `weights` of each encoder, by name; what is exported goes into the folder."""
    models = {"PyTorch": (MODEL, str(weights))}
    for number, (name, (kind, half)) in enumerate(EXPORTS.items()):
        made = export(MODEL, str(weights), kind=kind, half=half, out=folder / str(number))
        models[name] = (str(made.path), "")
    return models


def _part(
    args: Namespace, threads: int, image: ImageArray, boxes: Floats, models: dict[str, tuple[str, str]]
) -> list[str]:
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    title = f"**{threads} thread{'s' if threads > 1 else ''}**"
    return [title, _crops(args.rounds, image, boxes), _osnet(args, image, boxes[:FEW], models)]


def _crops(rounds: int, image: ImageArray, boxes: Floats) -> str:
    """Cutting and normalizing."""
    calls: Calls = {
        "the host's `ReID`, 224 x 224": _host(image, boxes, (224, 224)),
        "the host's `ReID`, 256 x 128": _host(image, boxes, (256, 128)),
        "**ours**, 256 x 128": lambda: CROPS.normalize(crop(image, Regions(boxes), CROPS)[0]),
    }
    times = _times(calls, rounds)
    ours = list(times.values())[-1]
    rows = [[name, f"{ms:.1f}", f"{ms / ours:.1f}"] for name, ms in times.items()]
    least = min(list(times.values())[:-1]) / ours
    head = [f"crops of {len(boxes)} boxes", "ms", "times ours"]
    return f"{table(head, rows)}\n\n{_verdict('ours', least, CROPS_TARGET)}"


def _host(image: ImageArray, boxes: Floats, size: tuple[int, int]) -> Callable[[], Any]:
    """The host's way from boxes to a batch, without a model behind it."""
    from ultralytics.trackers.utils.reid import ReID

    reid = ReID.__new__(ReID)
    reid.imgsz, reid.device, reid.fp16 = size, torch.device("cpu"), False
    xywh = np.concatenate([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]], axis=1)
    return lambda: reid._crops_to_tensor(reid._crop_detections(image, xywh))


def _osnet(args: Namespace, image: ImageArray, boxes: Floats, models: dict[str, tuple[str, str]]) -> str:
    """From boxes to embeddings; the reference gets crops that are cut already."""
    extractor = _extractor(args.shared)
    embedders: dict[str, Embedder] = {name: _built(*model) for name, model in models.items()}
    embedders |= _others(args.shared)
    columns = {}
    for count in (1, len(boxes)):
        some = boxes[:count]
        cut = _cut(image, some)
        calls: Calls = {REFERENCE: partial(extractor, cut)}
        calls |= {name: partial(embedder, image, some) for name, embedder in embedders.items()}
        columns[count] = {name: ms / count for name, ms in _times(calls, args.rounds).items()}
    rows = [[name, *_cells(columns, name)] for name in columns[1]]
    head = [
        "OSNet x0.25, and another",
        *(cell for n in columns for cell in (f"ms a crop, {n} at once", "times faster")),
    ]
    most = columns[len(boxes)]
    verdicts = [
        _verdict(f"{name}, {len(boxes)} at once", most[REFERENCE] / most[name], OSNET_TARGET) for name in EXPORTS
    ]
    return "\n".join([table(head, rows), "", *verdicts])


def _others(shared: Path) -> dict[str, Embedder]:
    """Encoders with the same crops that aren't OSNet, as far as they are there."""
    try:
        source = embedder_source(RETAIL, shared)
    except UnavailableError as reason:
        print(f"left out: {EMBEDDERS[RETAIL]} ({reason})", file=sys.stderr)
        return {}
    return {EMBEDDERS[RETAIL]: source.build(source.weights)}


def _cells(columns: dict[int, dict[str, float]], name: str) -> Iterator[str]:
    for times in columns.values():
        yield from (f"{times[name]:.2f}", f"{times[REFERENCE] / times[name]:.1f}")


def _extractor(shared: Path) -> Callable[[list[ImageArray]], Any]:
    from torchreid.reid.utils import FeatureExtractor

    path = str(shared / "models" / WEIGHTS)
    extractor: Callable[[list[ImageArray]], Any] = FeatureExtractor(MODEL, path, device="cpu", verbose=False)
    return extractor


def _built(model: str, weights: str, options: CropOptions = NOTHING_ELSE) -> CropEmbedder:
    embedder = build_embedder(model, weights, "cpu", options)
    assert isinstance(embedder, CropEmbedder)
    return embedder


def _cut(image: ImageArray, boxes: Floats) -> list[ImageArray]:
    """Crops of the boxes' own size, RGB."""
    whole, _ = clipped(boxes, (image.shape[1], image.shape[0]))
    return [np.ascontiguousarray(image[y1:y2, x1:x2, ::-1]) for x1, y1, x2, y2 in whole.tolist()]


def _times(calls: Calls, rounds: int) -> dict[str, float]:
    """Median milliseconds of each, taking turns, so that what else the machine does meets all alike."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(WARM_UP + rounds):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            if number >= WARM_UP:
                seconds[name].append(time.perf_counter() - start)
    return {name: 1000 * statistics.median(values) for name, values in seconds.items()}


def _verdict(name: str, times: float, target: float) -> str:
    return f"- {name}: {times:.1f} times faster (target: at least {target:g}): {'met' if times >= target else 'MISSED'}"


def _closeness(args: Namespace, frames: list[tuple[ImageArray, Floats]], models: dict[str, tuple[str, str]]) -> str:
    """Cosines of each encoder's embeddings to ours in PyTorch, and to torchreid's own."""
    extractor, embedders = _extractor(args.shared), {name: _built(*model) for name, model in models.items()}
    theirs = np.concatenate([extractor(_cut(image, boxes)).numpy() for image, boxes in frames])
    rows = {name: np.concatenate([e(image, boxes) for image, boxes in frames]) for name, e in embedders.items()}
    cells = [[name, *_alike(found, rows["PyTorch"]), *_alike(found, theirs)] for name, found in rows.items()]
    head = [f"cosines on {len(theirs)} crops", "lowest, to PyTorch", "median", f"lowest, to {REFERENCE}", "median"]
    return table(head, cells)


def _options(args: Namespace, models: dict[str, tuple[str, str]]) -> str:
    """Separability with mirrored and masked crops, with boxes of the ground truth."""
    sequence = load_sequence(args.shared / "data" / PETS)
    shots = list(islice(zip(read_video(sequence), sequence.by_person(), strict=False), 0, None, SHOT_EVERY))
    scene = np.median([image for image, _ in shots], axis=0).astype(np.uint8)
    plain, flipped = _built(*models["ONNX"]), _built(*models["ONNX"], CropOptions(flip=True))
    ways: dict[str, Callable[[ImageArray, Floats], Floats]] = {
        "as they are": plain,
        "`flip_crops`": flipped,
        "masked": lambda image, boxes: plain.embed(image, Regions(boxes, masks=[_outlines(image, scene)] * len(boxes))),
    }
    people = np.concatenate([f.ids for _, f in shots])
    when = np.concatenate([np.full(len(f.ids), n * SHOT_EVERY / sequence.fps) for n, (_, f) in enumerate(shots)])
    rows = []
    for name, way in ways.items():
        found = unit(np.concatenate([way(image, frame.xyxy) for image, frame in shots if len(frame.ids)]))
        rows.append([name, *(f"{v:.3f}" for v in _told_apart(cosine(found, found), people, when))])
    head = [f"{len(people)} crops, pairs {APART:g} s apart or more", "AUC", "found at 1 % false"]
    return table(head, rows)


def _outlines(image: ImageArray, scene: ImageArray) -> ImageArray:
    """Outlines: pixels that differ from the empty scene, `(H, W)`."""
    differs = cv2.GaussianBlur(cv2.absdiff(image, scene), (5, 5), 0).max(axis=2) > DIFFERS
    return np.asarray(cv2.morphologyEx(differs.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((9, 9))), np.uint8)


def _told_apart(similarity: Floats, people: npt.NDArray[Any], when: npt.NDArray[Any]) -> tuple[float, float]:
    """Separability of pairs: AUC, and share of genuine pairs above 99 % of the impostor pairs."""
    first, second = np.triu_indices(len(people), 1)
    apart = np.abs(when[first] - when[second]) >= APART
    score, same = similarity[first, second][apart], (people[first] == people[second])[apart]
    return auc(score, same), float((score[same] > np.quantile(score[~same], 0.99)).mean())


def _alike(a: Floats, b: Floats) -> list[str]:
    found = np.diag(cosine(unit(a), unit(b)))
    return [f"{found.min():.4f}", f"{np.median(found):.4f}"]
