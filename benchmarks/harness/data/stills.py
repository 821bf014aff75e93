"""Still crops of many individuals by two cameras, and their embeddings, computed once and kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ultralytics_reid._typing import Floats, Ints, as_floats
from ultralytics_reid.appearance.embedding import unit
from ultralytics_reid.embedders import CropEmbedder
from ultralytics_reid.embedders.whole_images import embed_whole
from ultralytics_reid.gallery.image_io import as_image

from ..progress import progress
from .cache import Cache, of_file, of_stats
from .features import embedder_source

CUHK01, VEHICLES = "cuhk01", "vehicles"
_BATCH = 32
# CUHK01 has these people under two numbers: seen by eye among the strangers with the highest scores.
_SAME = {"0023": "0021", "0091": "0039", "0274": "0244", "0805": "0784", "0964": "0792"}


@dataclass(frozen=True, eq=False)
class Stills:
    """Crops with who they show, and which camera took them.

    Attributes:
        files: `N` image files.
        ids: `(N,)` individuals.
        cameras: `(N,)`, 1 or 2.
    """

    files: tuple[Path, ...]
    ids: Ints
    cameras: Ints


def stills(shared: Path, name: str) -> Stills:
    """List the crops of `CUHK01` or `VEHICLES`, in the order of their names."""
    folder = shared / "data" / name
    files = tuple(sorted(folder.glob("*.jpg") if name == CUHK01 else folder.glob("images/*/*.jpg")))
    of = [(_person if name == CUHK01 else _vehicle)(file.stem) for file in files]
    _, ids = np.unique([who for who, _ in of], return_inverse=True)
    return Stills(files, ids.astype(np.int64), np.array([camera for _, camera in of], np.int64))


def _person(stem: str) -> tuple[str, int]:
    """`IIIIJJJ`: individual and crop, of which the first two are camera 1's."""
    return _SAME.get(stem[:4], stem[:4]), 1 if int(stem[4:]) <= 2 else 2


def _vehicle(stem: str) -> tuple[str, int]:
    """`CLASS_NNNN_camC`."""
    who, _, camera = stem.rpartition("_cam")
    return who, int(camera)


def still_embeddings(name: str, crops: Stills, embedder: str, shared: Path, folder: Path) -> Floats:
    """Embed each crop as a whole image.

    Args:
        name: Of the data, for the file that keeps them.
        crops: `N` crops.
        embedder: One of `features.EMBEDDERS` that encodes crops.
        shared: The folder of data and models.
        folder: Keeps what has been computed; made where it doesn't exist.

    Returns:
        `(N, D)` float32 of unit norm.

    Raises:
        UnavailableError: If the embedder's package or weights are missing.
    """
    source = embedder_source(embedder, shared)
    key = {"weights": of_file(source.weights), "files": of_stats(crops.files), "code": source.code_hashes()}

    def computed() -> dict[str, Floats]:
        return {"feats": _embed(source.build, source.weights, crops.files, f"{name}: {embedder}")}

    return unit(as_floats(Cache(folder).arrays(name, embedder, key, computed)["feats"]))


def _embed(build: Callable[[Path], object], weights: Path, files: tuple[Path, ...], title: str) -> Floats:
    encoder = build(weights)
    assert isinstance(encoder, CropEmbedder)
    parts = [files[n : n + _BATCH] for n in range(0, len(files), _BATCH)]
    return np.concatenate(
        [embed_whole(encoder, list(map(as_image, part))) for part in progress(parts, title, len(parts))]
    )
