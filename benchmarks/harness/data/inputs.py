"""Inputs of all trackers, computed once: detections, camera motion and embeddings of a clip."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from ultralytics_reid._typing import Doubles, Floats, ImageArray
from ultralytics_reid.errors import DatasetError
from ultralytics_reid.evaluation.mot_files import FRAME

from ..clips import simulate
from ..packages import versions
from ..progress import progress
from . import backbone, reading
from .cache import Arrays, digest, of_arrays, of_file, of_stats
from .embedding import embedding_facts, make_embedder, simulated
from .known import base_name
from .layout import Clip
from .recipe import NONE, SIMULATED, Recipe
from .sequences import Detections, with_feats

_SIZE = slice(3, 5)


@dataclass(frozen=True)
class Inputs:
    """A tracker's inputs of a clip.

    Attributes:
        detections: By frame; with embeddings where there are any.
        warps: Camera motion `(F, 2, 3)` from the frame before, pixels, by the host's name of the method.
        times: Median ms a frame of what was computed from images: `detect`, `embed`, and `motion METHOD`.
        notes: What should be known about them.
        digest: Differs if anything of them does.
    """

    detections: list[Detections]
    warps: dict[str, Doubles]
    times: dict[str, float]
    notes: tuple[str, ...]
    digest: str


def prepare(clip: Clip, recipe: Recipe, seed: int = 0) -> Inputs:
    """Read a clip's inputs from the cache, or compute and keep them.

    Args:
        clip: The frames.
        recipe: Where inputs come from.
        seed: Of simulated embeddings.

    Raises:
        DatasetError: If files are missing or wrong.
    """
    found = _detections(clip, recipe)
    motions = {method: _motion(clip, recipe, method) for method in recipe.motion}
    boxes = by_frame(found, clip.length)
    embeds, key = _embeddings(clip, recipe, boxes, seed)
    if embeds is not None:
        boxes = with_feats(boxes, embeds["feats"])
    warps = {method: arrays["warps"] for method, arrays in motions.items()}
    stages = {"detect": found, **({"embed": embeds} if embeds else {})}
    stages |= {f"motion {method}": arrays for method, arrays in motions.items()}
    times = {name: float(a["ms"]) for name, a in stages.items() if "ms" in a}
    hashes = {method: of_arrays([w]) for method, w in warps.items()}
    whole = digest([of_arrays(found[k] for k in ("frame", "xyxy", "conf", "cls")), key, hashes])
    return Inputs(boxes, warps, times, _notes(found, *motions.values()), whole)


def _notes(*stages: Arrays) -> tuple[str, ...]:
    return tuple(str(note) for arrays in stages for note in arrays.get("notes", ()))


def read_images(clip: Clip, label: str) -> Iterator[ImageArray]:
    """A clip's images, `(H, W, 3)` uint8 BGR.

    Raises:
        DatasetError: If one can't be read, or is of another size than `seqinfo.ini` says.
    """
    import cv2

    paths = clip.images()
    for path in progress(paths, f"{clip.name}: {label}", len(paths)):
        image = cv2.imread(str(path))
        if image is None:
            raise DatasetError(f"{path} can't be read as an image")
        if image.shape[:2] != clip.info.shape:
            told = "x".join(str(n) for n in clip.info.shape[::-1])
            raise DatasetError(f"{path} is {image.shape[1]}x{image.shape[0]}, but seqinfo.ini says {told}")
        yield image


def _timed(rows: Iterable[Any], do: Callable[[Any], Any]) -> tuple[list[Any], float]:
    """Apply a function to rows; returns its results and the median time, ms."""
    made, times = [], []
    for row in rows:
        start = time.perf_counter()
        made.append(do(row))
        times.append(time.perf_counter() - start)
    return made, 1000 * statistics.median(times or [0.0])


def _detections(clip: Clip, recipe: Recipe) -> Arrays:
    if recipe.detects and recipe.detector is not None:
        key = {"images": of_stats(clip.images()), "shape": clip.info.shape, **_code(), **recipe.detector.facts()}
        return recipe.cache.arrays(clip.name, "boxes", key, lambda: _detect(clip, recipe))
    path = _file(clip, recipe.boxes)
    window = {"start": clip.start, "length": clip.length, "of": clip.info.length, "shape": clip.info.shape}
    key = {"file": of_file(path), "path": str(path), **window, "code": of_file(Path(reading.__file__))}
    return recipe.cache.arrays(clip.name, "boxes", key, lambda: boxes_of_file(clip, path))


def _file(clip: Clip, folder: Path | None) -> Path:
    if folder is None:
        names = [clip.public()]
    else:
        names = [folder / f"{name}.txt" for name in dict.fromkeys((clip.name, base_name(clip.name)))]
    found = next((path for path in names if path.is_file()), None)
    if found is None:
        told = f"no detections of {clip.name}: {' or '.join(map(str, names))} is missing"
        raise DatasetError(f"{told}; there are --detector and --detections DIR")
    return found


def boxes_of_file(clip: Clip, path: Path) -> Arrays:
    """A clip's detections from a file, sorted by frame: `frame`, `xyxy`, `conf`, `cls`, and `notes` on them."""
    found = clip.detections(path)
    rows = found.rows[np.argsort(found.rows[:, FRAME], kind="stable")]
    left_top = rows[:, 1 : _SIZE.start]
    xyxy = np.concatenate([left_top, left_top + rows[:, _SIZE]], axis=1).astype(np.float32)
    conf = rows[:, _SIZE.stop].astype(np.float32)
    notes = np.array(found.notes, dtype=str)
    return {"frame": rows[:, FRAME].astype(np.int64), "xyxy": xyxy, "conf": conf, "cls": conf * 0, "notes": notes}


def _detect(clip: Clip, recipe: Recipe) -> Arrays:
    from ultralytics import YOLO

    detector = recipe.detector
    assert detector is not None
    model = YOLO(detector.weights, task="detect")
    options: dict[str, Any] = {
        "imgsz": detector.imgsz,
        "conf": detector.conf,
        "iou": detector.iou,
        "classes": list(detector.classes) or None,
    }
    options |= {"device": detector.device, "verbose": False}
    results, ms = _timed(read_images(clip, "detect"), lambda p: _rows_of(model.predict(p, **options)[0]))
    frame = np.repeat(np.arange(1, len(results) + 1), [len(r) for r in results])
    rows = np.concatenate([*results, np.zeros((0, 6), np.float32)])
    return {"frame": frame, "xyxy": rows[:, :4], "conf": rows[:, 4], "cls": rows[:, 5], "ms": np.array(ms)}


def _rows_of(result: Any) -> Floats:
    boxes = result.boxes.cpu().numpy()
    return np.column_stack([boxes.xyxy, boxes.conf, boxes.cls]).astype(np.float32).reshape(-1, 6)


def by_frame(arrays: Arrays, length: int) -> list[Detections]:
    """Detections of frames 1 to `length`, without embeddings."""
    ends = np.searchsorted(arrays["frame"], np.arange(1, length + 2))
    spans = [slice(a, b) for a, b in pairwise(ends.tolist())]
    return [Detections(arrays["xyxy"][s], arrays["conf"][s], arrays["cls"][s], None) for s in spans]


def _motion(clip: Clip, recipe: Recipe, method: str) -> Arrays:
    given = clip.motion()
    if given is not None:
        return {"warps": given, "notes": np.array([f"{clip.name}: camera motion from gmc.txt"])}
    if not clip.has_images():
        note = f"{clip.name}: neither images nor gmc.txt, so no tracker compensates for camera motion"
        return {"warps": np.tile(np.eye(2, 3), (clip.length, 1, 1)), "notes": np.array([note])}
    images = {"images": of_stats(clip.images()), "shape": clip.info.shape, **_code()}
    key = {**images, "method": method, **versions("ultralytics", "opencv-python")}
    return recipe.cache.arrays(clip.name, "motion", key, lambda: _estimate(clip, method))


def _estimate(clip: Clip, method: str) -> Arrays:
    from ultralytics.trackers.utils.gmc import GMC

    gmc = GMC(method=method)
    warps, ms = _timed(read_images(clip, method), gmc.apply)
    return {"warps": np.array(warps, np.float64).reshape(-1, 2, 3), "ms": np.array(ms)}


def _embeddings(clip: Clip, recipe: Recipe, boxes: list[Detections], seed: int) -> tuple[Arrays | None, Any]:
    """Embeddings, and what they depend on beside the boxes."""
    if recipe.embedder == NONE:
        return None, None
    where = of_arrays(d.xyxy for d in boxes)
    if recipe.embedder == SIMULATED:
        truth = clip.truth().rows
        told = {"truth": of_arrays([truth]), "fps": clip.info.fps, "seed": seed}
        key = {"boxes": where, **told, "code": of_file(Path(simulate.__file__))}
        made = recipe.cache.arrays(clip.name, "simulated", key, lambda: simulated(clip, truth, boxes, seed))
        return made, key
    key = {"boxes": where, "images": of_stats(clip.images()), **_code(), **embedding_facts(recipe)}
    return recipe.cache.arrays(clip.name, "embeddings", key, lambda: _embed(clip, recipe, boxes)), key


def _embed(clip: Clip, recipe: Recipe, boxes: list[Detections]) -> Arrays:
    look, embed = make_embedder(recipe)
    pairs = ((p, d.xyxy, look(p)) for p, d in zip(read_images(clip, "embed"), boxes, strict=True))
    rows, ms = _timed(pairs, lambda pair: embed(pair[0], pair[1]) if len(pair[1]) else None)
    some = [r for r in rows if r is not None]
    feats = np.concatenate(some) if some else np.zeros((0, 1), np.float32)
    if not np.isfinite(feats).all():
        raise DatasetError(f"{clip.name}: {recipe.embedder} gives embeddings that aren't finite")
    return {"feats": feats.astype(np.float32), "ms": np.array(ms)}


def _code() -> dict[str, str]:
    """Hash the code that computes from images."""
    return {"inputs": of_file(Path(__file__)), "taps": of_file(Path(backbone.__file__))}
