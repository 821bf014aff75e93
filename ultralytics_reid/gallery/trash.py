"""What was deleted but can be taken back for a while: packed into small files of the gallery, found by no search."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from itertools import count

import numpy as np

from ..errors import GalleryError
from .file_names import EVIDENCE_PREFIX, TRASH, age_of, camera_of
from .records import Filter, Records, Visit, nothing
from .store import Store

# Bytes of a file before its last visit; a visit has 16 MiB of crop at most, those that trackers write some 10 KiB.
_ROOM = 4 * 2**20
_SIGHTINGS = 1000
_EVIDENCE = f"{TRASH}evidence"
# What NumPy raises for bytes that are none of its files, or hold objects.
_UNREADABLE = (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile)


def keep(store: Store, where: Filter, nanoseconds: int) -> list[str]:
    """Pack sightings and visits that match, and what their cameras have learned, into files of the gallery.

    Args:
        store: Of the gallery.
        where: What is to be deleted.
        nanoseconds: When, since 1970 (UTC).

    Returns:
        Names of the files.
    """
    keys, numbers = [], count()
    for data in _packed(store, where):
        keys.append(f"{TRASH}{next(numbers)}/{nanoseconds}")
        store.put_blob(keys[-1], data)
    cameras = {v.camera for v in store.visits(where, details=False)}
    for key in store.blobs(EVIDENCE_PREFIX):
        if camera_of(key) in cameras:
            keys.append(f"{_EVIDENCE}{next(numbers)}/{nanoseconds}")
            store.put_blob(keys[-1], key.encode() + b"\n" + (store.blob(key) or b""))
    return keys


def restore(store: Store, keys: Iterable[str]) -> None:
    """Write what some files hold back into the gallery, and delete the files; repeating it is harmless.

    What a camera has learned since stays, in place of what it had learned before.

    Raises:
        GalleryError: If a file is gone or damaged.
    """
    keys = sorted(keys)
    for key in keys:
        data = store.blob(key)
        if data is None:
            raise GalleryError("what was deleted is gone for good: its time for undoing has passed")
        if key.startswith(_EVIDENCE):
            _restore_evidence(store, data)
        else:
            store.upsert(*_unpacked(key, data, store.dim))
    for key in keys:
        store.put_blob(key, b"")


def empty(store: Store, until: float) -> int:
    """Delete what was deleted before a time, seconds since 1970, for good; returns the number of files."""
    old = [key for key in store.blobs(TRASH) if age_of(key) <= until * 1e9]
    for key in old:
        store.put_blob(key, b"")
    return len(old)


def _restore_evidence(store: Store, data: bytes) -> None:
    key, _, content = data.partition(b"\n")
    name = key.decode(errors="replace")
    if not name.startswith(EVIDENCE_PREFIX) or any(
        camera_of(k) == camera_of(name) for k in store.blobs(EVIDENCE_PREFIX)
    ):
        return
    store.put_blob(name, content)


def _packed(store: Store, where: Filter) -> Iterator[bytes]:
    for records in store.scan(where, _SIGHTINGS):
        yield _pack(records, ())
    visits: list[Visit] = []
    room = _ROOM
    for visit in store.visits(where):
        visits.append(visit)
        room -= len(visit.crop) + visit.path.nbytes
        if room < 0:
            yield _pack(nothing(store.dim), visits)
            visits, room = [], _ROOM
    if visits:
        yield _pack(nothing(store.dim), visits)


def _pack(records: Records, visits: Sequence[Visit]) -> bytes:
    file = io.BytesIO()
    np.savez(
        file,
        ids=records.ids,
        embeddings=records.embeddings,
        identities=records.identities,
        visits=records.visits,
        cameras=_texts(records.cameras),
        times=records.times,
        classes=records.classes,
        qualities=records.qualities,
        visit_numbers=np.array([(v.id, v.identity, v.cls) for v in visits], np.int64).reshape(-1, 3),
        visit_cameras=_texts([v.camera for v in visits]),
        visit_times=np.array([(v.first, v.last, v.probability) for v in visits], np.float64).reshape(-1, 3),
        path_ends=np.cumsum([len(v.path) for v in visits], dtype=np.int64),
        paths=np.concatenate([np.zeros((0, 5), np.float32), *(v.path for v in visits)]),
        crop_ends=np.cumsum([len(v.crop) for v in visits], dtype=np.int64),
        crops=np.frombuffer(b"".join(v.crop for v in visits), np.uint8),
    )
    return file.getvalue()


def _texts(values: Sequence[str]) -> np.ndarray[tuple[int], np.dtype[np.str_]]:
    return np.array(values, str) if values else np.zeros(0, "U1")


def _unpacked(key: str, data: bytes, dim: int) -> tuple[Records, list[Visit]]:
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as held:
            records = Records(
                held["ids"],
                held["embeddings"].reshape(-1, dim),
                held["identities"],
                held["visits"],
                tuple(held["cameras"].tolist()),
                held["times"],
                held["classes"],
                held["qualities"],
            )
            rows = zip(
                held["visit_numbers"].tolist(),
                held["visit_cameras"].tolist(),
                held["visit_times"].tolist(),
                np.split(held["paths"], held["path_ends"][:-1]),
                np.split(held["crops"], held["crop_ends"][:-1]),
                strict=False,
            )
            visits = [
                Visit(id, identity, camera, cls, first, last, path.astype(np.float32), probability, crop.tobytes())
                for (id, identity, cls), camera, (first, last, probability), path, crop in rows
            ]
    except _UNREADABLE as error:
        raise GalleryError(f"the gallery is damaged: the file {key!r} can't be read: {error}") from error
    return records, visits
