"""Where embeddings come from: one protocol, one builder, one adapter a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from .._typing import Floats
from .crops import NOTHING_ELSE, CropOptions, Preprocessing, Regions
from .custom import factory_of
from .encoder import CropEmbedder

__all__ = ["AUTO", "CropEmbedder", "CropOptions", "Embedder", "Preprocessing", "RegionEmbedder", "Regions"]
__all__ += ["build_embedder", "embed", "family_of"]

AUTO = "auto"


class Embedder(Protocol):
    """Turns detections of one image into embeddings.

    One that has a `fingerprint`, a string, is told from others: vectors of two are never mixed.
    """

    def __call__(self, image: npt.NDArray[np.uint8], xyxy: Floats) -> Floats:
        """Embed detections.

        Args:
            image: `(H, W, 3)` uint8, BGR.
            xyxy: `(N, 4)` boxes, pixels; they may reach over the image's edge.

        Returns:
            `(N, D)` float32, any norm; a row of zeros where the crop says nothing.
        """
        ...


@runtime_checkable
class RegionEmbedder(Embedder, Protocol):
    """An embedder that wants to know more of detections than their upright boxes."""

    def embed(self, image: npt.NDArray[np.uint8], regions: Regions) -> Floats:
        """Embed detections, as `__call__` does; they may be rotated, or have masks."""
        ...


def embed(embedder: Embedder, image: npt.NDArray[np.uint8], regions: Regions) -> Floats:
    """Ask an embedder about regions, telling it as much of them as it takes."""
    if isinstance(embedder, RegionEmbedder):
        return embedder.embed(image, regions)
    return embedder(image, regions.xyxy)


def family_of(model: str) -> str:
    """What kind of embeddings a tracker YAML's `model` gives, by its name: "detector", "reid" or "classifier"."""
    if model == AUTO:
        return "detector"
    if factory_of(model) is not None:
        return "reid"
    path = Path(model)
    return "classifier" if (path.suffix or path.exists()) and "reid" not in path.name.lower() else "reid"


def build_embedder(model: str, weights: str, device: Any, options: CropOptions = NOTHING_ELSE) -> Embedder | None:
    """Make the embedder that a tracker YAML asks for.

    Args:
        model: The YAML's `model`: "auto"; "package.module:factory", or the name of an entry point in the group
            `ultralytics_reid.embedders`; a `.pt` or an asset for the host's ReID loader; the path of an exported model;
            the name of a torchreid architecture.
        weights: The YAML's `weights`: a torchreid model's file, or what a factory makes of it, or empty.
        device: Torch device, or its name, or None for the default.
        options: What the YAML says of crops; for factories and the host's loader it says nothing.

    Returns:
        The embedder; None for "auto", whose embeddings come with the detections.

    Raises:
        ConfigError: If the model or its weights can't be had; the message says why.
        EmbeddingError: If the model gives something else than vectors.
    """
    if model == AUTO:
        return None
    if (made_by := factory_of(model)) is not None:
        embedder: Embedder = made_by(weights, device)
        return embedder
    from .host import HostReID

    if HostReID.takes(model):
        return HostReID(model, device)
    if Path(model).suffix or Path(model).exists():
        from .exported import exported

        return exported(model, device, options)
    from .torchreid import TorchReID

    return TorchReID(model, weights, device, options)
