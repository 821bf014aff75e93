"""Where embeddings come from: one protocol, one builder, one adapter a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ..embedding import Floats

AUTO = "auto"


class Embedder(Protocol):
    """Turns detections of one picture into embeddings."""

    def __call__(self, image: npt.NDArray[np.uint8], xyxy: Floats) -> Floats:
        """Embed detections.

        Args:
            image: `(H, W, 3)` uint8, BGR.
            xyxy: `(N, 4)` boxes, pixels; they may reach over the picture's edge.

        Returns:
            `(N, D)` float32, any norm; a row of zeros where the crop says nothing.
        """
        ...


def family_of(model: str) -> str:
    """What kind of embeddings a tracker YAML's `model` gives, by its name: "detector", "reid" or "classifier"."""
    if model == AUTO:
        return "detector"
    path = Path(model)
    return "classifier" if (path.suffix or path.exists()) and "reid" not in path.name.lower() else "reid"


def build_embedder(model: str, weights: str, device: Any) -> Embedder | None:
    """Make the embedder that a tracker YAML asks for.

    Args:
        model: The YAML's `model`: "auto", the name of a torchreid architecture, or a path or asset for the host's
            ReID loader (`.pt`, `.onnx`, OpenVINO folder, …).
        weights: The YAML's `weights`: a torchreid model's file, or empty.
        device: Torch device, or its name, or None for the default.

    Returns:
        The embedder; None for "auto", whose embeddings come with the detections.

    Raises:
        ConfigError: If the model or its weights can't be had; the message says why.
    """
    if model == AUTO:
        return None
    if Path(model).suffix or Path(model).exists():
        from .host import HostReID

        return HostReID(model, device)
    from .torchreid import TorchReID

    return TorchReID(model, weights, device)
