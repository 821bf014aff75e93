"""Look up identities of a gallery: by name, by id, and which of them were visible at the same time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..errors import GalleryError
from .records import ENROLLED, Filter, Visit
from .store import Store


def identity_named(names: Mapping[int, str], name: str) -> int | None:
    """Find the identity of a name; None if there is none.

    Args:
        names: By identity.
        name: The name.

    Raises:
        GalleryError: If several have it.
    """
    found = [identity for identity, called in names.items() if called == name]
    if len(found) > 1:
        raise GalleryError(f"{len(found)} identities are called {name!r}: {', '.join(map(str, found))}")
    return found[0] if found else None


def check_known(store: Store, identities: Iterable[int]) -> None:
    """Check that identities are in a gallery.

    Raises:
        GalleryError: If one isn't.
    """
    for identity in identities:
        if not store.count(Filter(identities=frozenset({identity}))):
            raise GalleryError(f"there is no identity {identity} in the gallery")


def visits_of(store: Store, identity: int) -> frozenset[int]:
    """Ids of an identity's visits."""
    return frozenset(store.visit_columns(Filter(identities=frozenset({identity}))).ids.tolist())


def visible_beside(store: Store, identity: int) -> frozenset[int]:
    """Identities that were on a camera at the same time as this one."""
    found: set[int] = set()
    for own in _seen(store, {identity}):
        there = Filter(cameras=frozenset({own.camera}), since=own.first, until=own.last)
        others = store.visits(there, details=False)
        found |= {v.identity for v in others if min(v.last, own.last) > max(v.first, own.first)}
    return frozenset(found - {identity})


def check_never_together(store: Store, identities: Iterable[int]) -> None:
    """Check that no camera saw two of some identities at the same time.

    Raises:
        GalleryError: If one did.
    """
    latest: dict[str, Visit] = {}
    for visit in sorted(_seen(store, identities), key=lambda v: (v.camera, v.first)):
        before = latest.get(visit.camera)
        if before is not None and before.last > visit.first and before.identity != visit.identity:
            both = f"{before.identity} and {visit.identity}"
            raise GalleryError(f"identities {both} were on {visit.camera!r} at the same time; force it if they are one")
        if before is None or visit.last > before.last:
            latest[visit.camera] = visit


def _seen(store: Store, identities: Iterable[int]) -> list[Visit]:
    """Visits to cameras: images were taken at no known time."""
    visits = store.visits(Filter(identities=frozenset(identities)), details=False)
    return [visit for visit in visits if visit.camera != ENROLLED]
