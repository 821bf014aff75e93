"""The user's decisions, as constraints on visits: merged stays one, split stays two."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ..._typing import Bools, Ints, as_bools
from ..file_names import DECIDED, age_of
from ..store import Store

SAME, DIFFERENT = "same", "different"


@dataclass(frozen=True, eq=False)
class Constraints:
    """What is decided about each two visits, `(V, V)` and symmetric.

    Attributes:
        must: Which show one individual.
        cannot: Which show two.
    """

    must: Bools
    cannot: Bools

    @classmethod
    def none(cls, count: int) -> Constraints:
        """No decision about so many visits."""
        return cls(np.zeros((count, count), bool), np.zeros((count, count), bool))

    def links(self) -> list[tuple[int, int]]:
        """Pairs that must be linked, by number."""
        return [(int(a), int(b)) for a, b in np.argwhere(np.triu(self.must, 1))]

    def pinned(self, pins: Ints) -> Constraints:
        """These, and that visits keep identities.

        Args:
            pins: `(V,)` identities, 0 where a visit may get another.
        """
        both = (pins[:, None] > 0) & (pins > 0)
        same = pins[:, None] == pins
        must = (self.must | (both & same)) & ~self.cannot
        np.fill_diagonal(must, False)
        return Constraints(as_bools(must), as_bools((self.cannot | (both & ~same)) & ~must))


def decision_key(nanoseconds: int) -> str:
    """Name of the file with a decision made then (1970, UTC)."""
    return f"{DECIDED}{nanoseconds}"


@dataclass(frozen=True)
class Decision:
    """What the user decided about visits: a label.

    Attributes:
        kind: `same` or `different` individuals.
        groups: Ids of the visits; different individuals are in different groups.
        time: When, seconds since 1970 (UTC).
    """

    kind: str
    groups: tuple[tuple[int, ...], ...]
    time: float


def decisions(store: Store) -> list[Decision]:
    """All decisions of the user's, the earliest first; damaged ones are left out."""
    keys = sorted(store.blobs(DECIDED), key=age_of)
    found = ((key, *_parsed(store.blob(key) or b"")) for key in keys)
    return [Decision(kind, tuple(map(tuple, groups)), age_of(key) / 1e9) for key, kind, groups in found if groups]


def record(store: Store, kind: str, groups: Sequence[Iterable[int]], nanoseconds: int) -> None:
    """Keep a decision of the user's.

    Args:
        store: Of the gallery.
        kind: `SAME` for a merge, `DIFFERENT` for a split.
        groups: Ids of the visits that were merged, or split from each other; two groups or more.
        nanoseconds: When, since 1970 (UTC).
    """
    content = {"kind": kind, "visits": [sorted(map(int, g)) for g in groups]}
    store.put_blob(decision_key(nanoseconds), json.dumps(content).encode())


def constraints_of(store: Store, visits: Sequence[int]) -> Constraints:
    """Read all decisions about visits; of two that contradict each other the later one holds.

    Args:
        store: Of the gallery.
        visits: `V` ids.
    """
    place, found = {v: n for n, v in enumerate(visits)}, Constraints.none(len(visits))
    for key in sorted(store.blobs(DECIDED), key=age_of):
        kind, groups = _parsed(store.blob(key) or b"")
        rows = [np.array([place[v] for v in g if v in place], np.int64) for g in groups]
        if kind == SAME:
            together = np.concatenate([np.zeros(0, np.int64), *rows])
            _set(found, together, together, same=True)
        elif kind == DIFFERENT:
            for n, a in enumerate(rows):
                for b in rows[n + 1 :]:
                    _set(found, a, b, same=False)
    np.fill_diagonal(found.must, False)
    return found


def _set(found: Constraints, a: Ints, b: Ints, *, same: bool) -> None:
    for one, other in ((a, b), (b, a)):
        found.must[np.ix_(one, other)] = same
        found.cannot[np.ix_(one, other)] = not same


def _parsed(content: bytes) -> tuple[str, list[list[int]]]:
    """A decision's kind and groups; none where it is damaged."""
    try:
        held = json.loads(content or b"{}")
    except ValueError:
        return "", []
    if not isinstance(held, dict) or not isinstance(held.get("visits"), list):
        return "", []
    groups = [[v for v in g if isinstance(v, int)] for g in held["visits"] if isinstance(g, list)]
    return str(held.get("kind", "")), groups
