"""Moves of visits to other identities: written in one step that running trackers follow, and undone in one."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from .file_names import MOVED, age_of, merged_key, merged_of
from .ledger import Move
from .ledger.checks import MAX_RESERVED
from .store import Store

RELINKED, SPLIT_BY_HAND, UNDONE = "relink", "split", "undo"


@dataclass(frozen=True)
class Step:
    """Moves of visits that were written together.

    Attributes:
        key: Name of the file that holds it.
        by: `relink`, `split` (by hand) or `undo`; empty where the file is damaged.
        moves: Which visits got which identities.
        merged: Names of the files that tell trackers of identities that ended.
    """

    key: str
    by: str
    moves: tuple[Move, ...]
    merged: tuple[str, ...] = ()


def numbered(store: Store, moves: Sequence[Move]) -> list[Move]:
    """Reserve identities for the new ones of `proposals.identities_of`."""
    new = sorted({m.identity for m in moves if m.identity < 0}, reverse=True)
    numbers: dict[int, int] = {}
    for start in range(0, len(new), MAX_RESERVED):
        part = new[start : start + MAX_RESERVED]
        first = store.reserve(len(part))
        numbers |= {identity: first + n for n, identity in enumerate(part)}
    return [replace(m, identity=numbers.get(m.identity, m.identity)) for m in moves]


def apply(store: Store, moves: Sequence[Move], ended: Iterable[int], by: str = RELINKED) -> int:
    """Write moves, in one transaction that running trackers follow; returns how many visits were moved.

    Args:
        store: Of the gallery.
        moves: Their identities are in the gallery, or reserved.
        ended: Identities all of whose visits move to one other.
        by: What moves them.
    """
    now = time.time_ns()
    into = {m.previous: m.identity for m in moves}
    merged = [merged_key(gone, into[gone], now) for gone in sorted(ended)]
    files = dict.fromkeys(merged, by.encode()) | {f"{MOVED}{now}": _packed(by, moves, merged)}
    return store.reassign(moves, files)


def undo(store: Store) -> int | None:
    """Take back the last relinking; visits that were moved since stay where they are.

    Returns:
        How many visits have their identity again; None if there is no relinking to take back.
    """
    steps = (step_of(store, key) for key in sorted(store.blobs(MOVED), key=age_of, reverse=True))
    step = next((s for s in steps if s.by == RELINKED), None)
    if step is None:
        return None
    back = [Move(m.visit, m.identity, m.previous) for m in step.moves]
    return take_back(store, back, dict.fromkeys((step.key, *step.merged), b""))


def take_back(store: Store, moves: Sequence[Move], files: Mapping[str, bytes]) -> int:
    """Write moves that undo others, and files, in one transaction that running trackers follow.

    Returns:
        How many visits were moved; those that were moved otherwise meanwhile weren't.
    """
    told = {f"{MOVED}{time.time_ns()}": _packed(UNDONE, moves, ())} if moves else {}
    return store.reassign(moves, {**files, **told})


def step_of(store: Store, key: str) -> Step:
    """Read a step; one without moves where it is damaged."""
    try:
        held = json.loads(store.blob(key) or b"{}")
        moves = tuple(Move(*(int(x) for x in row)) for row in held["moves"])
        merged = tuple(name for name in held["merged"] if isinstance(name, str) and merged_of(name) is not None)
        return Step(key, str(held["by"]), moves, merged)
    except (ValueError, TypeError, KeyError, OverflowError):
        return Step(key, "", ())


def _packed(by: str, moves: Iterable[Move], merged: Iterable[str]) -> bytes:
    rows = [[m.visit, m.previous, m.identity] for m in moves]
    return json.dumps({"by": by, "moves": rows, "merged": list(merged)}).encode()
