"""The log of what the user changed in a gallery, from which each change can be undone."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..errors import GalleryError
from .file_names import DECIDED, EDITED, MERGED, TRASH, age_of
from .ledger import Move
from .moves import take_back
from .store import Store
from .trash import restore

RENAME, MERGE, SPLIT, DELETE, DECIDE = "rename", "merge", "split", "delete", "decide"
_KINDS = (RENAME, MERGE, SPLIT, DELETE, DECIDE)
# Files that an undone change may remove.
_REMOVABLE = (DECIDED, MERGED)


@dataclass(frozen=True)
class Edit:
    """A change of a gallery by hand.

    Attributes:
        key: Names it; see `Gallery.undo`.
        kind: `rename`, `merge`, `split`, `delete`, or `decide` (that visits show the same or different individuals).
        time: When, seconds since 1970 (UTC).
        identities: Those concerned: of a merge first the one that is kept, of a split first the one that was split.
        names: By identity, its name before and after; empty where it has none.
        moves: Visits that got another identity.
        files: Files of the gallery that the change wrote, and that undoing it removes.
        trash: Files that hold what was deleted.
        undone: When it was undone, the same; 0 if it wasn't.
    """

    key: str
    kind: str
    time: float
    identities: tuple[int, ...]
    names: Mapping[int, tuple[str, str]]
    moves: tuple[Move, ...] = ()
    files: tuple[str, ...] = ()
    trash: tuple[str, ...] = ()
    undone: float = 0.0

    @property
    def undoable(self) -> bool:
        """Whether it can be undone: once, and a deletion until the trash is emptied."""
        return not self.undone and (self.kind != DELETE or bool(self.trash))


def note(
    store: Store,
    kind: str,
    identities: Sequence[int],
    nanoseconds: int,
    *,
    names: Mapping[int, tuple[str, str]] | None = None,
    moves: Iterable[Move] = (),
    files: Iterable[str] = (),
    trash: Iterable[str] = (),
) -> Edit:
    """Write a change to the log, before it is made: undoing one that wasn't made does nothing."""
    lists = tuple(moves), tuple(files), tuple(trash)
    key = str(nanoseconds)
    edit = Edit(key, kind, nanoseconds / 1e9, tuple(identities), dict(names or {}), *lists)
    _put(store, edit)
    return edit


def edits(store: Store, limit: int = 200) -> list[Edit]:
    """The last changes, the latest first; damaged ones are left out."""
    keys = sorted(store.blobs(EDITED), key=age_of, reverse=True)[:limit]
    held = set(store.blobs(TRASH))
    found = (_read(store, key.removeprefix(EDITED), held) for key in keys)
    return [edit for edit in found if edit is not None]


def undo(store: Store, key: str) -> Edit:
    """Undo a change: names, visits and deleted rows are as before; visits that were moved since stay where they are.

    Args:
        store: Of the gallery.
        key: Of the change.

    Raises:
        GalleryError: If there is no such change, it was undone before, what was deleted is gone for good, or another
            identity has the name by now.
    """
    edit = _read(store, key, set(store.blobs(TRASH))) if key.isascii() and key.isdecimal() else None
    if edit is None:
        raise GalleryError(f"there is no change {key[:40]!r} in the log of this gallery")
    if edit.undone:
        raise GalleryError("this change was undone before")
    if not edit.undoable:
        raise GalleryError("what was deleted is gone for good: its time for undoing has passed")
    _check_names(store, edit)
    done = replace(edit, undone=time.time(), trash=())
    restore(store, edit.trash)
    back = [Move(m.visit, m.identity, m.previous) for m in edit.moves]
    take_back(store, back, dict.fromkeys(edit.files, b"") | {f"{EDITED}{key}": _packed(done)})
    names = store.names()
    for identity, (before, after) in edit.names.items():
        if names.get(identity, "") in (after, "") and before != after:
            store.name(identity, before)
    store.scrub()
    return done


def forget_edits(store: Store, there: frozenset[int]) -> None:
    """Delete changes of identities that have no visit left: they may hold names. Not those that can bring them back.

    Args:
        store: Of the gallery.
        there: Identities that have visits.
    """
    held = set(store.blobs(TRASH))
    for key in store.blobs(EDITED):
        edit = _read(store, key.removeprefix(EDITED), held)
        if edit is None or not (there.intersection(edit.identities) or edit.trash):
            store.put_blob(key, b"")


def _check_names(store: Store, edit: Edit) -> None:
    taken = {name: identity for identity, name in store.names().items()}
    for identity, (before, _) in edit.names.items():
        holder = taken.get(before, identity) if before else identity
        if holder != identity and edit.names.get(holder, ("", ""))[1] != before:
            raise GalleryError(f"identity {holder} has the name of identity {identity} by now: rename it first")


def _put(store: Store, edit: Edit) -> None:
    store.put_blob(f"{EDITED}{edit.key}", _packed(edit))


def _packed(edit: Edit) -> bytes:
    held: dict[str, Any] = {
        "kind": edit.kind,
        "identities": edit.identities,
        "names": {str(identity): pair for identity, pair in edit.names.items()},
        "moves": [[m.visit, m.previous, m.identity] for m in edit.moves],
        "files": edit.files,
        "trash": edit.trash,
        "undone": edit.undone,
    }
    return json.dumps(held).encode()


def _read(store: Store, key: str, trash: set[str]) -> Edit | None:
    """Read a change; None where there is none, or it is damaged. Files that are gone from the trash are left out."""
    try:
        held = json.loads(store.blob(f"{EDITED}{key}") or b"{}")
        kept = [str(name) for name in held["trash"] if name in trash]
        return Edit(
            key,
            _KINDS[_KINDS.index(held["kind"])],
            int(key) / 1e9,
            tuple(int(i) for i in held["identities"]),
            {int(i): (str(before), str(after)) for i, (before, after) in held["names"].items()},
            tuple(Move(*(int(x) for x in row)) for row in held["moves"]),
            tuple(str(name) for name in held["files"] if str(name).startswith(_REMOVABLE)),
            tuple(kept) if len(kept) == len(held["trash"]) else (),
            float(held["undone"]),
        )
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
        return None
