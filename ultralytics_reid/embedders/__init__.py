"""Embedders: the protocol, the builder, and an adapter in each module."""

from __future__ import annotations

from pathlib import Path, PurePath
from typing import Any, Protocol, runtime_checkable

from .._typing import Floats, ImageArray
from ..errors import ConfigError
from .crops import AUTO_OPTION, NOTHING_ELSE, CropOptions, Preprocessing, Regions
from .custom import factory_of
from .encoder import CropEmbedder

__all__ = ["AUTO", "CropEmbedder", "CropOptions", "Embedder", "Preprocessing", "RegionEmbedder", "Regions"]
__all__ += ["build_embedder", "embed", "family_of"]

AUTO = "auto"


class Embedder(Protocol):
    """Embedder of the detections in one image.

    A `fingerprint`, a string, identifies an embedder: vectors of different fingerprints are never compared.
    """

    def __call__(self, image: ImageArray, xyxy: Floats) -> Floats:
        """Embed detections.

        Args:
            image: `(H, W, 3)` uint8, BGR.
            xyxy: `(N, 4)` boxes, pixels; they may reach beyond the image.

        Returns:
            `(N, D)` float32 of any norm; a row of zeros for an unusable crop.
        """
        ...


@runtime_checkable
class RegionEmbedder(Embedder, Protocol):
    """Embedder that also uses rotated boxes and masks."""

    def embed(self, image: ImageArray, regions: Regions) -> Floats:
        """Embed detections as `__call__` does; they may be rotated, or have masks."""
        ...


def embed(embedder: Embedder, image: ImageArray, regions: Regions) -> Floats:
    """Embed regions; embedders that take boxes only get upright boxes."""
    if isinstance(embedder, RegionEmbedder):
        return embedder.embed(image, regions)
    return embedder(image, regions.xyxy)


def family_of(model: str, head: str = "") -> str:
    """Family of the embeddings of a tracker YAML's `model`: "detector", "reid" or "classifier"; "head" with a head."""
    if head:
        return "head"
    if model == AUTO:
        return "detector"
    if factory_of(model) is not None:
        return "reid"
    path = Path(model)
    names = [path.name, *(p.name for p in path.glob("*.xml"))]  # an OpenVINO folder's may say less than its model's
    is_reid = any("reid" in name.lower() for name in names)
    return "classifier" if path.exists() and not is_reid else family_by_name(model)


def family_by_name(model: str) -> str:
    """Family as `family_of` tells it, without a look at the disk: for names that come from a file."""
    if model == AUTO:
        return "detector"
    path = PurePath(model)
    return "classifier" if path.suffix and ":" not in path.name and "reid" not in path.name.lower() else "reid"


def build_embedder(model: str, weights: str, device: Any, options: CropOptions = NOTHING_ELSE) -> Embedder | None:
    """Build the embedder of a tracker YAML.

    Args:
        model: The YAML's `model`: "auto"; "package.module:factory", or the name of an entry point in the group
            `ultralytics_reid.embedders`; a `.pt` or an asset for the host's ReID loader; the path of an exported model;
            the name of a torchreid architecture.
        weights: The YAML's `weights`: a torchreid model's file or an argument of a factory; empty for other models.
        device: Torch device or its name; None for the default.
        options: The YAML's crop options; factories and the host's loader, which crop by themselves, ignore size and
            mirroring, and refuse color options.

    Returns:
        The embedder; None for "auto", where the detector provides the embeddings.

    Raises:
        ConfigError: If the model or its weights can't be loaded, or the options don't apply to it; the message states
            the reason.
        EmbeddingError: If the model's output is no vector per crop.
    """
    if model == AUTO:
        return None
    if (factory := factory_of(model)) is not None:
        _check_unused(model, options)
        embedder: Embedder = factory(weights, device)
        return embedder
    from .host import HostReID

    if HostReID.takes(model):
        _check_no_weights(model, weights)
        _check_unused(model, options)
        return HostReID(model, device)
    if Path(model).suffix or Path(model).exists():
        from .exported import exported

        _check_no_weights(model, weights)
        return exported(model, device, options)
    from .torchreid import TorchReID

    return TorchReID(model, weights, device, options)


def _check_no_weights(model: str, weights: str) -> None:
    if weights:
        which = "a torchreid name or a factory"
        raise ConfigError(f"'weights' must be empty unless model is {which}; got {weights} with model {model}")


def _check_unused(model: str, options: CropOptions) -> None:
    """Refuse color options for a model that crops by itself: to ignore them would give other embeddings than meant."""
    for key in ("normalize", "channels"):
        if (value := getattr(options, key)) != AUTO_OPTION:
            which = "a torchreid name or an exported model (.onnx, OpenVINO, .torchscript, .engine)"
            raise ConfigError(f"'{key}' must be {AUTO_OPTION} unless model is {which}; got {value} with model {model}")
