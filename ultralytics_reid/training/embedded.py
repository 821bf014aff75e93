"""Embeddings of a crop set by any embedder: those stored beside the crops, or computed from the images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .._typing import Floats, as_floats
from ..appearance.embedding import unit
from ..datasets.crop_set import CropSet, read_crop
from ..embedders import AUTO, build_embedder
from ..embedders.whole_images import embed_whole
from ..errors import ConfigError, DatasetError
from ..gallery.commands.terminal import progress
from .held_out import Crops
from .known_pairs import KnownPairs
from .stored_embeddings import StoredEmbeddings, read_embeddings

_BATCH = 32


@dataclass(frozen=True, eq=False)
class EmbeddedSet:
    """A crop set with embeddings.

    Attributes:
        crops: Embeddings and labels.
        fingerprint: Of the embedder.
    """

    crops: Crops
    fingerprint: str


def embedded_set(folder: Path, found: CropSet, model: str, weights: str, device: Any = None) -> EmbeddedSet:
    """Embed a crop set's images, or take their stored embeddings where those are by the same embedder.

    Args:
        folder: Of the crops.
        found: What `read_crops` read of it.
        model: As `model` of a tracker YAML; "auto" takes what is stored, since a crop alone lacks what the detector saw
            around it.
        weights: As `weights` of a tracker YAML.
        device: Torch device; None for the default.

    Raises:
        ConfigError: If the model can't be loaded, or has no fingerprint.
        DatasetError: If an image can't be read, shows nothing, or with "auto" no embeddings are stored.
    """
    stored = read_embeddings(folder)
    if model == AUTO:
        if stored is None:
            make = "make the folder with `ultralytics-reid dataset`, or name a model that takes crops"
            raise DatasetError(f"{folder} has no embeddings of a detector, which --model auto needs: {make}")
        return EmbeddedSet(labeled(found, _stored_rows(stored, folder, found)), stored.fingerprint)
    embedder = build_embedder(model, weights, device)
    fingerprint = str(getattr(embedder, "fingerprint", ""))
    if not fingerprint:
        raise ConfigError(f"--model {model} has no 'fingerprint', by which a head knows its embedder")
    if stored is not None and stored.fingerprint == fingerprint:
        return EmbeddedSet(labeled(found, _stored_rows(stored, folder, found)), fingerprint)
    return EmbeddedSet(labeled(found, _computed(embedder, found)), fingerprint)


def labeled(found: CropSet, rows: Floats) -> Crops:
    """A crop set's labels, with embeddings: `(N, D)` float32 of any norm."""
    cameras = found.cameras if found.has_cameras else None
    times = None if found.times is None or np.isnan(found.times).any() else found.times
    return Crops(unit(rows), KnownPairs.of(found.identities, found.different), cameras, times)


def _stored_rows(stored: StoredEmbeddings, folder: Path, found: CropSet) -> Floats:
    rows = stored.of(found.written)
    if rows is None:
        raise DatasetError(f"{folder} has images without a stored embedding: make the folder anew")
    return rows


def _computed(embedder: Any, found: CropSet) -> Floats:
    parts = [found.paths[n : n + _BATCH] for n in range(0, len(found), _BATCH)]
    shown = progress(parts, "embedding", len(parts))
    rows = as_floats(np.concatenate([embed_whole(embedder, [read_crop(p) for p in part]) for part in shown]))
    empty = np.flatnonzero(~rows.any(axis=1))
    if len(empty):
        raise DatasetError(f"{found.paths[empty[0]]} has no usable embedding")
    return rows
