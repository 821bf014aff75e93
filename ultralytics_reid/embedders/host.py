"""Ultralytics' own models: what its ReID loader takes (`.pt` files, its official ReID assets), and detectors."""

from __future__ import annotations

import re
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import numpy.typing as npt

from .._typing import Floats
from ..appearance.embedding import as_features
from ..errors import ConfigError, EmbeddingError
from .crops import as_bgr, clipped
from .encoder import digest, need

# The host's exceptions for an unusable source or model.
HOST_ERRORS = (
    OSError,
    RuntimeError,
    ValueError,
    TypeError,
    SyntaxError,
    AssertionError,
    EOFError,
    UnpicklingError,
    AttributeError,
    KeyError,
)
_ASSET = re.compile(r"yolo\d+[nsmlx]-reid\.onnx")
_PROBE = 64


def load_detector(name: str, option: str, *, oriented: bool = False) -> Any:
    """Load a YOLO model that finds boxes.

    Args:
        name: File or name, as the host's `YOLO(...)` takes it.
        option: What names it, for messages.
        oriented: Whether oriented boxes will do, too.

    Raises:
        ConfigError: If it can't be loaded, or has another task.
    """
    from ultralytics import YOLO

    try:
        model = YOLO(name)
        # Of what is no model at all, and of an exported one, the host says so only when it predicts. It predicts and
        # tracks with a fused copy of the model, made at the first prediction.
        (found,) = model.predict(np.zeros((_PROBE, _PROBE, 3), np.uint8), verbose=False)
    except HOST_ERRORS as error:
        reason = str(error).partition("\n")[0]
        raise ConfigError(f"{option} {name} is not a YOLO model that can be loaded: {reason}") from error
    if found.boxes is None and (found.obb is None or not oriented):
        what = f"must be a YOLO model that finds {'' if oriented else 'upright '}boxes"
        raise ConfigError(f"{option} {name} {what}, this one's task: {model.task}")
    return model


class HostReID:
    """Embedder by the host's `ReID` encoder, with the host's own crops: upright, without masks.

    Args:
        model: Path or asset name, as in the host.
        device: Torch device; None for the default.

    Raises:
        ConfigError: If the model can't be loaded.
        EmbeddingError: If the output is no vector per crop.

    Attributes:
        fingerprint: Identifies the embedder; only vectors of equal fingerprints are comparable.
    """

    def __init__(self, model: str, device: Any) -> None:
        from ultralytics.trackers.utils.reid import ReID

        if model.endswith(".onnx"):
            need("onnxruntime", "onnx", model)
        try:
            self._encode = ReID(model, device=device)
        # The last three are of odd content, as names, stride or task that are none.
        except (OSError, RuntimeError, TypeError, ImportError, AttributeError, KeyError, ValueError) as error:
            raise ConfigError(f"model: {model} can't be loaded by Ultralytics' ReID loader: {error}") from error
        self._model = model
        probe = self(np.zeros((_PROBE, _PROBE, 3), np.uint8), np.array([[0, 0, _PROBE, _PROBE]], np.float32))
        version = digest(Path(model)) if Path(model).is_file() else "asset"
        self.fingerprint = f"{Path(model).name}:{version}/host/{probe.shape[1]}"

    @staticmethod
    def takes(model: str) -> bool:
        """Whether a YAML's `model` names a model of this loader."""
        return model.endswith(".pt") or _ASSET.fullmatch(Path(model).name) is not None

    def __call__(self, image: npt.NDArray[Any], xyxy: Floats) -> Floats:
        """See `Embedder`."""
        image = as_bgr(image)
        _, good = clipped(xyxy, (image.shape[1], image.shape[0]))
        boxes = xyxy[good]
        if not len(boxes):
            return np.zeros((len(xyxy), 1), np.float32)
        centers, sizes = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
        found = self._encode(image, np.concatenate([centers, sizes], axis=1))
        known = next((self._vector(r) for r in found if r is not None), np.zeros(1, np.float32))
        rows = np.zeros((len(xyxy), len(known)), np.float32)
        rows[good] = as_features([np.zeros_like(known) if r is None else self._vector(r) for r in found], len(boxes))
        return rows

    def _vector(self, row: npt.NDArray[Any]) -> Floats:
        if row.size != max(row.shape, default=1):
            raise EmbeddingError(f"{self._model} gives a map of the shape {row.shape}, not a vector per crop")
        return np.ravel(row).astype(np.float32)
