"""Deletion from a gallery: by filter, and by age."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import numpy as np

from ..errors import GalleryError
from .edits import forget_edits
from .file_names import DECIDED, DELETED, EDITED, EVIDENCE_PREFIX, MERGED, MOVED, TRASH, age_of, camera_of
from .records import ANY, ENROLLED, Filter, Visit, new_ids, nothing
from .store import Deleted, Store

_PRUNED = (EVIDENCE_PREFIX, MERGED, MOVED, DECIDED, EDITED, TRASH)
_DAY = 86_400.0


def prune(store: Store, keep_days: float, now: float, patience: float = 0) -> Deleted:
    """Delete what was seen more than `keep_days` days ago; identities enrolled from images stay until they are deleted.

    Args:
        store: Of the gallery.
        keep_days: Days, above 0.
        now: Seconds since 1970.
        patience: Seconds to wait for programs that read, so that it can be overwritten on disk.
    """
    until = now - keep_days * _DAY
    for key in [key for prefix in _PRUNED for key in store.blobs(prefix)]:
        if not age_of(key) or age_of(key) < until * 1e9:
            store.put_blob(key, b"")
    cameras = {v.camera for v in store.visits(Filter(until=until), details=False)} - {ENROLLED}
    deleted = Deleted(0, 0)
    if cameras:
        deleted = purge(store, Filter(cameras=frozenset(cameras), until=until))
        forget_names(store)
    # Last, for all of the above, and for earlier deletions that could not be overwritten.
    return replace(deleted, remains=store.scrub(patience))


def delete(store: Store, where: Filter, patience: float = 0) -> Deleted:
    """Delete what matches, and what its cameras have learned; running trackers forget its identities.

    Args:
        store: Of the gallery.
        where: What to delete; with a condition at least.
        patience: Seconds to wait for programs that read, so that it can be overwritten on disk.

    Raises:
        GalleryError: If the filter has no condition.
    """
    if where == ANY:
        raise GalleryError("deleting requires a condition: identities, cameras, a time, classes")
    cameras = frozenset(v.camera for v in store.visits(where, details=False))
    tell_deleted(store, where)
    deleted = purge(store, where)
    forget_evidence(store, cameras)
    forget_names(store)
    # Last: evidence and names hold what is to be erased too.
    return replace(deleted, remains=store.scrub(patience))


def purge(store: Store, where: Filter) -> Deleted:
    """Delete sightings that match, and of visits that match the part within the filter's time."""
    whole = (where.since is None and where.until is None) or where.min_quality is not None
    cut = [] if whole else list(_reaching_out(store, where))
    deleted = store.delete(where)
    for visit in cut:
        _shorten(store, visit, where)
    return deleted


def tell_deleted(store: Store, where: Filter) -> None:
    """Have running trackers forget the identities that match: they would write from memory what is deleted next.

    What was told more than a day ago is cleared.
    """
    if where.min_quality is not None:
        return
    now = time.time_ns()
    for key in store.blobs(DELETED):
        if age_of(key) < now - _DAY * 1e9:
            store.put_blob(key, b"")
    identities = {v.identity for v in store.visits(where, details=False)} | (where.identities or frozenset())
    store.put_blob(f"{DELETED}{now}", json.dumps(sorted(identities)).encode())


def deleted_by(store: Store, key: str) -> frozenset[int]:
    """Identities that a file of `tell_deleted` names; none if it is damaged."""
    try:
        named = json.loads(store.blob(key) or b"[]")
    except ValueError:
        return frozenset()
    return frozenset(i for i in named if isinstance(i, int)) if isinstance(named, list) else frozenset()


def forget_names(store: Store) -> None:
    """Delete the names of identities that have no visit left, in the log of changes too."""
    names = store.names()
    there = frozenset(store.visit_columns().identities.tolist())
    for identity in set(names) - there:
        store.name(identity, "")
    forget_edits(store, there)


def forget_evidence(store: Store, cameras: frozenset[str] | None) -> None:
    """Delete what cameras, None for all, have learned: it holds embeddings of identities."""
    for key in store.blobs(EVIDENCE_PREFIX):
        if cameras is None or camera_of(key) in cameras:
            store.put_blob(key, b"")


def _reaching_out(store: Store, where: Filter) -> list[Visit]:
    since, until = _range(where)
    return [v for v in store.visits(where) if v.first < since or v.last > until]


def _range(where: Filter) -> tuple[float, float]:
    since = -np.inf if where.since is None else where.since
    return float(since), float(np.inf if where.until is None else where.until)


def _shorten(store: Store, visit: Visit, where: Filter) -> None:
    """Keep of a visit what lies before and after the filter's time; a crop, whose time isn't known, is deleted."""
    since, until = _range(where)
    parts = []
    if visit.first < since:
        parts.append(_part(visit, visit.first, since))
    if visit.last > until:
        later = _part(visit, until, visit.last)
        parts.append(later if not parts else replace(later, id=int(new_ids(1)[0])))
    store.upsert(nothing(store.dim), parts)
    if len(parts) > 1:
        _move_sightings(store, visit.id, parts[1].id, until)


def _part(visit: Visit, first: float, last: float) -> Visit:
    times = visit.first + visit.path[:, 0].astype(np.float64)
    path = visit.path[(times >= first) & (times <= last)].copy()
    path[:, 0] += np.float32(visit.first - first)
    path[:, 0] = path[:, 0].clip(0)
    return replace(visit, first=first, last=last, path=path, crop=b"")


def _move_sightings(store: Store, visit: int, to: int, since: float) -> None:
    for records in list(store.scan(Filter(visits=frozenset({visit}), since=since))):
        store.upsert(replace(records, visits=np.full(len(records), to, np.int64)))
