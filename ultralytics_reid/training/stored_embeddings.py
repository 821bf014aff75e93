"""Embeddings of a crop folder's images, as the tracker computed them in the video; read as data only."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .._typing import Floats, as_floats
from ..errors import DatasetError
from ..gallery.export.atomic_file import atomic_write

EMBEDDINGS = "embeddings.npz"
_UNREADABLE = (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile)


@dataclass(frozen=True, eq=False)
class StoredEmbeddings:
    """Embeddings by file.

    Attributes:
        fingerprint: Of the embedder.
        rows: `(N, D)` float32.
        place: Row by the path at which the file was written; see `CropSet.written`.
    """

    fingerprint: str
    rows: Floats
    place: Mapping[str, int]

    def of(self, written: Sequence[str]) -> Floats | None:
        """Embeddings of files by the paths at which they were written, `(n, D)`; None if one has none."""
        places = [self.place.get(path) for path in written]
        if any(p is None for p in places):
            return None
        return as_floats(self.rows[[p for p in places if p is not None]])


def write_embeddings(folder: Path, files: list[str], rows: Floats, fingerprint: str) -> None:
    """Write embeddings beside crops.

    Args:
        folder: Of the crops.
        files: `N` paths in it, with forward slashes.
        rows: `(N, D)`.
        fingerprint: Of the embedder.

    Raises:
        GalleryError: If the file can't be written.
    """
    with atomic_write(folder / EMBEDDINGS, (".npz",)) as part:
        np.savez(part, files=np.array(files), rows=rows.astype(np.float16), fingerprint=np.array(fingerprint))


def read_embeddings(folder: Path) -> StoredEmbeddings | None:
    """Read the embeddings beside crops; None if there are none.

    Raises:
        DatasetError: If the file is damaged.
    """
    path = folder / EMBEDDINGS
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as held:
            files, rows, fingerprint = (held[name] for name in ("files", "rows", "fingerprint"))
    except _UNREADABLE as error:
        raise DatasetError(f"{path} can't be read: {error}") from error
    if rows.ndim != 2 or len(rows) != len(files) or not np.isfinite(rows).all():  # noqa: PLR2004
        raise DatasetError(f"{path} is damaged: 'rows' must be (files, D) and finite")
    return StoredEmbeddings(str(fingerprint), as_floats(rows), {str(f): n for n, f in enumerate(files.tolist())})
