"""Identities by box, for `Results`, which itself only holds ids."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeVar

from .._typing import Floats
from ..appearance.embedding import unit
from ..errors import ReIDError
from ..events import Linked, Revival

_ATTRIBUTE, _EMBEDDINGS = "reid", "reid_embeddings"
_Known = TypeVar("_Known")
_NONE_THERE = "pass one as model.track() gave it, tracked by reid_botsort"


@dataclass(frozen=True)
class BoxIdentity:
    """The identity of one box.

    Attributes:
        identity_id: The id, as in `boxes.id`.
        provisional: Whether the id may still change, since the identity isn't decided yet.
        revival: How the individual was recognized, if its id came back from memory; None for a first appearance.
        revived_now: Whether that happened in this very frame.
        link: How the gallery knew the individual, if it did.
        linked_now: Whether that happened in this very frame.
    """

    identity_id: int
    provisional: bool
    revival: Revival | None
    revived_now: bool
    link: Linked | None = None
    linked_now: bool = False


@dataclass
class Shown:
    """What one frame showed.

    Attributes:
        identities: Identities by id.
        embeddings: `(D,)` raw running means of tracks' clean crops by id, of those that have one.
    """

    identities: dict[int, BoxIdentity]
    embeddings: dict[int, Floats] = field(default_factory=dict)


def attach(result: Any, shown: Shown) -> None:
    """Leave identities and embeddings on a host result, by id."""
    setattr(result, _ATTRIBUTE, shown.identities)
    setattr(result, _EMBEDDINGS, shown.embeddings)


def identities(result: Any) -> list[BoxIdentity | None]:
    """Return the identity of each box of a tracking result.

    Args:
        result: A `Results` as `model.track(...)` gave it; the host's copies of it (`result[0]`, `result.cpu()`) no
            longer know.

    Returns:
        One entry a box, in the order of `result.boxes` (or `result.obb`); None for a box without an id.

    Raises:
        ReIDError: If the result doesn't come from a `reid_botsort` tracker, or is a copy.
    """
    known: dict[int, BoxIdentity] | None = getattr(result, _ATTRIBUTE, None)
    if known is None:
        raise ReIDError(f"this result has no identities: {_NONE_THERE}")
    return _by_box(result, known)


def embeddings(result: Any) -> list[Floats | None]:
    """Return the embedding of each box's track in a tracking result.

    Args:
        result: As for `identities`.

    Returns:
        One entry a box, in the order of `result.boxes` (or `result.obb`): `(D,)` float32 of norm 1, the running mean of
        the track's clean crops up to this frame; None for a box without an id, or whose track has none yet. `D` is the
        embedder's.

    Raises:
        ReIDError: If the result doesn't come from a `reid_botsort` tracker, or is a copy.
    """
    known: dict[int, Floats] | None = getattr(result, _EMBEDDINGS, None)
    if known is None:
        raise ReIDError(f"this result has no embeddings: {_NONE_THERE}")
    return [None if raw is None else unit(raw) for raw in _by_box(result, known)]


def _by_box(result: Any, known: dict[int, _Known]) -> list[_Known | None]:
    boxes = result.obb if result.obb is not None else result.boxes
    if boxes is None or boxes.id is None:
        return [None] * (0 if boxes is None else len(boxes))
    return [known.get(int(i)) for i in boxes.id]


def revivals(result: Any) -> list[Revival]:
    """The identities that came back from memory in this very frame; see `identities`."""
    return [b.revival for b in identities(result) if b is not None and b.revived_now and b.revival is not None]


def links(result: Any) -> list[Linked]:
    """The identities that the gallery knew, from another camera or run, in this very frame; see `identities`.

    Only of identities with a box in it; `tracker.events` tells of those too that are hidden just then, or gone already.
    """
    return [b.link for b in identities(result) if b is not None and b.linked_now and b.link is not None]
