"""Identities by box, for `Results`, which itself only holds ids."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import ReIDError
from ..events import Linked, Revival

_ATTRIBUTE = "reid"


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


def attach(result: Any, identities: dict[int, BoxIdentity]) -> None:
    """Leave identities on a host result, by id."""
    setattr(result, _ATTRIBUTE, identities)


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
        raise ReIDError("this result has no identities: pass one as model.track() gave it, tracked by reid_botsort")
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
