"""Common parts of crop encoders: cropping, normalization, batches, output checks, fingerprint."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .._typing import Floats, ImageArray, as_floats
from ..appearance.embedding import as_features
from ..errors import ConfigError, EmbeddingError
from .crops import Preprocessing, Regions, crop

# Crops per batch: 32 normalized crops of 256 x 128 take 13 MB.
_MAX_BATCH = 32
_MATRIX = 2
_PROBES = 2
_SUMS_TO_ONE = 1e-3
_DIGEST_LETTERS = 8


class CropEmbedder:
    """An `Embedder` by any network that maps crops to vectors.

    The constructor encodes two random crops, so that an unsuitable model is rejected before the video runs.

        net = timm.create_model("vit_small_patch14_dinov2", pretrained=True, num_classes=0).eval()
        crops = Preprocessing(height=518, width=518)
        tracker.embedder = CropEmbedder(lambda batch: net(torch.from_numpy(batch)), crops, name="dinov2-small")

    Args:
        encode: Maps `(N, 3, height, width)` float32, RGB, normalized, to `(N, D)` of any real dtype and norm: an
            array, or a torch tensor on any device. With `raw`, maps `(N, height, width, 3)` uint8 BGR.
        preprocessing: Crop size and normalization of `encode`.
        name: Part of the fingerprint that identifies the model, such as architecture and weights.
        flip: Whether to average with the embedding of the mirrored crop, for twice the time.
        raw: Whether `encode` normalizes by itself.
        dim: Expected `D`; None for any.

    Raises:
        EmbeddingError: If the output is no embedding: a map, several outputs, class scores, another dimension.

    Attributes:
        preprocessing, name: As given.
        dim: `D`.
        fingerprint: Identifies the embedder; only vectors of equal fingerprints are comparable.
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
        """See `Embedder`; the image may be gray or have 16 bits, see `as_bgr`."""
        return self.embed(image, Regions(xyxy))

    def embed(self, image: npt.NDArray[Any], regions: Regions) -> Floats:
        """Embed regions, with their rotations and masks.

        Args:
            image: Image in a format of `as_bgr`.
            regions: `N` regions.

        Returns:
            `(N, D)` float32; zeros where a region has no crop, or the network's output isn't finite.

        Raises:
            EmbeddingError: If the image has another format, or the shapes of the regions' arrays don't match.
        """
        crops, good = crop(image, regions, self.preprocessing)
        rows = np.zeros((len(regions), self.dim or 1), np.float32)
        if len(crops):
            rows[good] = self.encode(crops)
        return rows

    def encode(self, crops: ImageArray) -> Floats:
        """Encode crops in batches: `(N, height, width, 3)` uint8 BGR, N > 0, to `(N, D)` float32."""
        return np.concatenate([self._encode_batch(crops[n : n + _MAX_BATCH]) for n in range(0, len(crops), _MAX_BATCH)])

    def _encode_batch(self, crops: ImageArray) -> Floats:
        rows = self._rows(crops)
        return as_floats((rows + self._rows(crops[:, :, ::-1])) / 2) if self._flip else rows

    def _rows(self, crops: ImageArray) -> Floats:
        batch = np.ascontiguousarray(crops) if self._raw else self.preprocessing.normalize(crops)
        rows = as_features(_matrix(self._encode(batch), self.name), len(crops))
        if self.dim not in (None, rows.shape[1]):
            raise EmbeddingError(f"{self.name} must give vectors of dimension {self.dim}, got {rows.shape[1]}")
        return rows


def need(package: str, extra: str, model: object) -> None:
    """Raise ConfigError, with the extra to install, if a model needs a missing package."""
    if find_spec(package) is None:
        raise ConfigError(f"model: {model} needs {package}; pip install '.[{extra}]' in the checkout")


def torch_device(device: Any) -> Any:
    """Torch device by its name, checked by an allocation: a GPU that isn't there has a name too.

    Args:
        device: Torch device or its name; None or empty for the default, a GPU if there is one.

    Raises:
        ConfigError: If torch doesn't know the device, or it isn't there.
    """
    import torch

    wanted = device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        found = torch.device(wanted)
        torch.empty(0, device=found)
    # AssertionError: a torch that was built without CUDA.
    except (RuntimeError, AssertionError) as error:
        reason = str(error).partition("\n")[0]
        raise ConfigError(
            f"device must be one that torch has here, as cpu or cuda:0, got '{wanted}': {reason}"
        ) from error
    return found


def digest(*files: Path) -> str:
    """Short hash of the contents of files."""
    total = hashlib.sha256()
    for file in files:
        total.update(file.read_bytes())
    return total.hexdigest()[:_DIGEST_LETTERS]


def _probes(preprocessing: Preprocessing) -> ImageArray:
    """Two different crops of random noise."""
    shape = (_PROBES, preprocessing.height, preprocessing.width, 3)
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def _matrix(output: Any, name: str) -> Any:
    """Check that there is one output of `(N, D)` or `(N, D, 1, 1)`, and return it as `(N, D)`."""
    outputs = list(output.values()) if isinstance(output, dict) else output
    if isinstance(outputs, list | tuple):
        if len(outputs) != 1:
            raise EmbeddingError(f"{name} has {len(outputs)} outputs, an encoder has one; is it a detector?")
        outputs = outputs[0]
    shape = tuple(outputs.shape)
    if len(shape) > _MATRIX and set(shape[_MATRIX:]) == {1}:
        return outputs.reshape(shape[:_MATRIX])
    if len(shape) != _MATRIX:
        raise EmbeddingError(f"{name} gives a map of the shape {shape}, not a vector per crop; is it a detector?")
    return outputs


def _refuse_scores(rows: Floats, name: str) -> None:
    if rows.shape[1] > 1 and (rows >= 0).all() and np.abs(rows.sum(axis=1) - 1).max() < _SUMS_TO_ONE:
        raise EmbeddingError(
            f"{name} gives {rows.shape[1]} class scores, which sum to 1, not an embedding; use the layer before"
        )
