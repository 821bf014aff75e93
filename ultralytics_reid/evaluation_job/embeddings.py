"""Embeddings of labeled crops, with the time that they take; kept in a folder where one is given."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np

from .._typing import Floats, ImageArray, as_floats
from ..datasets.crop_set import CropSet, read_crop
from ..errors import EmbeddingError
from ..gallery.commands.terminal import progress
from ..gallery.export.atomic_file import atomic_write
from .crop_embedder import ImageBatchEmbedder

_BATCH = 32
_MILLI = 1000.0
_MIN_BATCHES = 3


@dataclass(frozen=True, eq=False)
class Embedded:
    """Embeddings of a set.

    Attributes:
        rows: `(N, D)` float32 of any norm.
        milliseconds: Time of a crop in a batch of 32, from the decoded image to the vector: the median over batches,
            without the first where there are three or more.
        unusable: Number of images without an embedding, whose rows are zeros.
    """

    rows: Floats
    milliseconds: float
    unusable: int


def embed_set(embedder: ImageBatchEmbedder, crops: CropSet, label: str, *, mirrored: bool = False) -> Embedded:
    """Embed the images of a set.

    Args:
        embedder: The embedder.
        crops: The set.
        label: Label of the progress bar.
        mirrored: Whether to embed the mirrored images.

    Raises:
        DatasetError: If an image can't be read; the message names it.
        EmbeddingError: If the embedder gives another number of vectors than images.
    """
    rows, times = [], []
    count = -(-len(crops) // _BATCH)
    for images in progress(_batches(crops.paths, mirrored=mirrored), label, count):
        begin = perf_counter()
        batch = as_floats(embedder(images))
        times.append((perf_counter() - begin) / len(images))
        if len(batch) != len(images):
            raise EmbeddingError(f"{label}: the embedder gave {len(batch)} vectors for {len(images)} images")
        rows.append(batch)
    every = np.nan_to_num(np.concatenate(rows), nan=0, posinf=0, neginf=0)
    steady = times[1:] if len(times) >= _MIN_BATCHES else times
    return Embedded(every, _MILLI * median(steady), int((~every.any(axis=1)).sum()))


def _batches(paths: tuple[Path, ...], *, mirrored: bool) -> Iterator[list[ImageArray]]:
    for n in range(0, len(paths), _BATCH):
        images = [read_crop(path) for path in paths[n : n + _BATCH]]
        yield [np.ascontiguousarray(image[:, ::-1]) for image in images] if mirrored else images


class EmbeddingCache:
    """Keeps embeddings for as long as it lives, and in a folder: a file for each embedder and set of files.

    Only the owner can read the files: embeddings are biometric data.

    Args:
        folder: The folder, made where it is missing; None to write nothing.

    Raises:
        EmbeddingError: If the folder can't be made.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        # Models that differ in their head have the same embeddings.
        self._known: dict[str, Embedded] = {}
        if folder is None:
            return
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise EmbeddingError(f"--cache {folder} can't be made: {error.strerror or error}") from error

    def embedded(self, embedder: ImageBatchEmbedder, crops: CropSet, label: str, *, mirrored: bool = False) -> Embedded:
        """Embed the images of a set, or read what is kept; arguments and errors are those of `embed_set`."""
        if not embedder.fingerprint:
            return embed_set(embedder, crops, label, mirrored=mirrored)
        key = _key(embedder.fingerprint, crops.paths, mirrored)
        if key not in self._known:
            self._known[key] = self._read_or_made(key, lambda: embed_set(embedder, crops, label, mirrored=mirrored))
        return self._known[key]

    def _read_or_made(self, key: str, make: Callable[[], Embedded]) -> Embedded:
        if self._folder is None:
            return make()
        path = self._folder / f"{key}.npz"
        if (kept := _kept(path)) is not None:
            return kept
        made = make()
        with atomic_write(path, (".npz",)) as part:
            np.savez(part, rows=made.rows, milliseconds=np.float64(made.milliseconds))
        return made


def _key(fingerprint: str, paths: Iterable[Path], mirrored: bool) -> str:
    """Hash of embedder and files, by their path, size and time of change."""
    total = hashlib.sha256(f"{fingerprint}\n{mirrored}\n".encode())
    for path in paths:
        stat = path.stat()
        total.update(f"{path.resolve()}\n{stat.st_size}\n{stat.st_mtime_ns}\n".encode())
    return total.hexdigest()[:32]


def _kept(path: Path) -> Embedded | None:
    """What a file holds; None where it is missing or damaged."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            rows, milliseconds = as_floats(stored["rows"]), float(stored["milliseconds"])
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        return None
    if rows.ndim != 2 or not np.isfinite(rows).all():  # noqa: PLR2004
        return None
    return Embedded(rows, milliseconds, int((~rows.any(axis=1)).sum()))
