"""Correct a gallery by hand: rename, merge, split, decide, discard. Each change is logged, so that it can be undone."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from ..errors import GalleryError
from .edits import DECIDE, DELETE, MERGE, RENAME, SPLIT, Edit, note
from .file_names import merged_key
from .identities import check_known, check_never_together, identity_named, visits_of
from .ledger import Move
from .moves import SPLIT_BY_HAND, apply
from .records import Filter, check_name
from .relinking.decisions import DIFFERENT, SAME, decision_key, record
from .retention import delete
from .store import Store
from .trash import keep

# Groups of visits that a decision is about, at least.
_MIN_GROUPS = 2


def rename(store: Store, identity: int, name: str, *, keep_names: bool) -> None:
    """Name an identity; see `Gallery.rename`."""
    check_known(store, [identity])
    check_name("individual", name)
    names = store.names()
    holder = identity_named(names, name) if name else None
    if holder not in (None, identity):
        raise GalleryError(f"identity {holder} is called {name!r} already; merge them if they are one")
    if keep_names:
        note(store, RENAME, [identity], time.time_ns(), names={identity: (names.get(identity, ""), name)})
    store.name(identity, name)
    store.scrub()


def merge(store: Store, kept: int, gone: Iterable[int], *, force: bool, keep_names: bool) -> None:
    """Merge identities that are one individual; see `Gallery.merge`."""
    others = sorted(set(gone) - {kept})
    together = sorted({kept, *others})
    check_known(store, together)
    if not force:
        check_never_together(store, together)
    if not others:
        return
    now, visits, names = time.time_ns(), {i: visits_of(store, i) for i in together}, store.names()
    called = next((names[i] for i in (kept, *others) if names.get(i)), "")
    renamed = {kept: (names.get(kept, ""), called), **{i: (names[i], "") for i in others if i in names}}
    moves = [Move(visit, i, kept) for i in others for visit in sorted(visits[i])]
    files = [merged_key(other, kept, now) for other in others]
    logged = renamed if keep_names else {}
    note(store, MERGE, [kept, *others], now, names=logged, moves=moves, files=[decision_key(now), *files])
    record(store, SAME, list(visits.values()), now)
    for other, file in zip(others, files, strict=True):
        store.put_blob(file, b"by hand")
        store.relabel(Filter(identities=frozenset({other})), kept)
    for identity, (_, name) in renamed.items():
        store.name(identity, name)
    store.scrub()


def split(store: Store, identity: int, visits: Iterable[int]) -> int:
    """Give some visits of an identity to a new one; see `Gallery.split`."""
    own, chosen = visits_of(store, identity), frozenset(visits)
    if not chosen or not chosen < own:
        raise GalleryError(
            f"identity {identity} has {len(own)} visits; choose some of them, but not all: {sorted(chosen)}"
        )
    new, now = store.reserve(1), time.time_ns()
    moves = [Move(visit, identity, new) for visit in sorted(chosen)]
    note(store, SPLIT, [identity, new], now, moves=moves, files=[decision_key(now)])
    record(store, DIFFERENT, [chosen, own - chosen], now)
    apply(store, moves, (), by=SPLIT_BY_HAND)
    return new


def decide(store: Store, kind: str, groups: Sequence[Iterable[int]]) -> None:
    """Record that visits show the same individual, or different ones; see `Gallery.decide`."""
    chosen = [sorted({int(visit) for visit in group}) for group in groups]
    if kind not in (SAME, DIFFERENT) or len(chosen) < _MIN_GROUPS or not all(chosen):
        raise GalleryError(f"decide takes 'same' or 'different' and two groups of visits, got {kind!r} of {groups!r}")
    now = time.time_ns()
    of = store.visit_columns(Filter(visits=frozenset(visit for group in chosen for visit in group)))
    note(store, DECIDE, sorted(set(of.identities.tolist())), now, files=[decision_key(now)])
    record(store, kind, chosen, now)


def discard(store: Store, identities: Sequence[int], patience: float) -> Edit:
    """Delete identities so that it can be undone; see `Gallery.discard`.

    Args:
        store: Of the gallery.
        identities: The identities.
        patience: As for `delete`.
    """
    check_known(store, identities)
    where, now, names = Filter(identities=frozenset(identities)), time.time_ns(), store.names()
    renamed = {i: (names[i], "") for i in identities if i in names}
    edit = note(store, DELETE, identities, now, names=renamed, trash=keep(store, where, now))
    delete(store, where, patience)
    return edit
