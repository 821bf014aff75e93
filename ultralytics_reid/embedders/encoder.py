"""What all encoders of crops share: cutting, normalizing, batches, checks of what comes out, the fingerprint."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .._typing import Floats, ImageArray
from ..appearance.embedding import as_features
from ..errors import ConfigError, EmbeddingError
from .crops import Preprocessing, Regions, crop

# Crops at a time: 32 of 256 x 128 are 13 MB when they are normalized.
_MOST = 32
_MATRIX = 2
_PROBES = 2
_SUMS_TO_ONE = 1e-3
_DIGEST = 8


class CropEmbedder:
    """Any network that turns crops into vectors, as an `Embedder`.

    It is asked about two made-up crops at once, so that a model that gives no vectors is told of before the video runs.

        net = timm.create_model("vit_small_patch14_dinov2", pretrained=True, num_classes=0).eval()
        crops = Preprocessing(height=518, width=518)
        tracker.embedder = CropEmbedder(lambda batch: net(torch.from_numpy(batch)), crops, name="dinov2-small")

    Args:
        encode: `(N, 3, height, width)` float32, RGB, normalized, to `(N, D)`, any real dtype and norm; arrays, or torch
            tensors on any device. Where `raw`, of the crops as they are: `(N, height, width, 3)` uint8 BGR.
        preprocessing: What `encode` expects.
        name: Goes into the fingerprint: all that tells these vectors from another model's, such as architecture and
            weights.
        flip: Whether to average with the mirrored crop, for twice the time.
        raw: Whether `encode` normalizes by itself, as it should where it can do so faster.
        dim: `D` where it is known; another one is an error.

    Raises:
        EmbeddingError: If what comes out are no vectors: a map, several outputs, class scores, another dimension.

    Attributes:
        preprocessing, name: As given.
        dim: `D`.
        fingerprint: Vectors of one fingerprint can be compared with each other.
    """

    def __init__(
        self,
        encode: Callable[[Any], Any],
        preprocessing: Preprocessing,
        *,
        name: str,
        flip: bool = False,
        raw: bool = False,
        dim: int | None = None,
    ) -> None:
        self.preprocessing = preprocessing
        self.dim = dim
        self.name = name
        self._encode, self._flip, self._raw = encode, flip, raw
        probes = _probes(preprocessing)
        _refuse_scores(rows := self._rows(probes), name)
        self.dim = rows.shape[1]
        self.fingerprint = f"{name}/{preprocessing}{'-flip' if flip else ''}/{self.dim}"

    def __call__(self, image: npt.NDArray[Any], xyxy: Floats) -> Floats:
        """See `Embedder`; the image may be gray, or of 16 bits: see `as_bgr`."""
        return self.embed(image, Regions(xyxy))

    def embed(self, image: npt.NDArray[Any], regions: Regions) -> Floats:
        """Embed regions, turned or masked where that is known of them.

        Args:
            image: What `as_bgr` takes.
            regions: `N` of them.

        Returns:
            `(N, D)` float32; zeros where a region has no crop, or the network gave something that isn't finite.

        Raises:
            EmbeddingError: If it is no image, or the regions' arrays don't fit each other.
        """
        crops, good = crop(image, regions, self.preprocessing)
        rows = np.zeros((len(regions), self.dim or 1), np.float32)
        if len(crops):
            rows[good] = self.encode(crops)
        return rows

    def encode(self, crops: ImageArray) -> Floats:
        """Embed crops of the right size: `(N, height, width, 3)` uint8 BGR, N > 0, to `(N, D)` float32."""
        return np.concatenate([self._both(crops[n : n + _MOST]) for n in range(0, len(crops), _MOST)])

    def _both(self, crops: ImageArray) -> Floats:
        rows = self._rows(crops)
        return np.asarray((rows + self._rows(crops[:, :, ::-1])) / 2, np.float32) if self._flip else rows

    def _rows(self, crops: ImageArray) -> Floats:
        batch = np.ascontiguousarray(crops) if self._raw else self.preprocessing.normalize(crops)
        rows = as_features(_matrix(self._encode(batch), self.name), len(crops))
        if self.dim not in (None, rows.shape[1]):
            raise EmbeddingError(f"{self.name} should give {self.dim} numbers a crop, gave {rows.shape[1]}")
        return rows


def need(package: str, extra: str, model: object) -> None:
    """Raise ConfigError, with the extra to install, where a model needs a package that isn't there."""
    if find_spec(package) is None:
        raise ConfigError(f"model: {model} needs {package}; pip install 'ultralytics-reid[{extra}]'")


def digest(*files: Path) -> str:
    """Files' common hash, short."""
    total = hashlib.sha256()
    for file in files:
        total.update(file.read_bytes())
    return total.hexdigest()[:_DIGEST]


def _probes(preprocessing: Preprocessing) -> ImageArray:
    """Crops that no network takes for the same."""
    shape = (_PROBES, preprocessing.height, preprocessing.width, 3)
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def _matrix(output: Any, name: str) -> Any:
    """The one `(N, D)` output; one of `(N, D, 1, 1)` is as good."""
    outputs = list(output.values()) if isinstance(output, dict) else output
    if isinstance(outputs, list | tuple):
        if len(outputs) != 1:
            raise EmbeddingError(f"{name} has {len(outputs)} outputs, and an encoder has one; is it a detector?")
        outputs = outputs[0]
    shape = tuple(outputs.shape)
    if len(shape) > _MATRIX and set(shape[_MATRIX:]) == {1}:
        return outputs.reshape(shape[:_MATRIX])
    if len(shape) != _MATRIX:
        raise EmbeddingError(f"{name} gives a map of the shape {shape}, not one vector a crop; is it a detector?")
    return outputs


def _refuse_scores(rows: Floats, name: str) -> None:
    if rows.shape[1] > 1 and (rows >= 0).all() and np.abs(rows.sum(axis=1) - 1).max() < _SUMS_TO_ONE:
        raise EmbeddingError(
            f"{name} gives {rows.shape[1]} class scores, which sum to 1, and not an embedding; take the layer before"
        )
