"""Filters as expressions of Milvus's language; names as strings that need no quoting in it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from urllib.parse import quote

import numpy as np

from ..records import Filter

# True of every row.
EVERYTHING = "id >= 0"


def encoded(name: str) -> str:
    """A name in letters, digits and `_.-~%` alone, so that no expression can take it for anything else."""
    return quote(name, safe="", errors="surrogatepass")


def of_sightings(where: Filter) -> str | None:
    """The expression for the sightings that match; None if none can."""
    cameras = None if where.cameras is None else [f'"{encoded(name)}"' for name in where.cameras]
    excluded = ", ".join(str(int(identity)) for identity in where.excluding)
    # Qualities are kept as float32, so the bound is rounded as they are.
    least = None if where.min_quality is None else float(np.float32(where.min_quality))
    conditions = [
        _among("identity", where.identities),
        f"identity not in [{excluded}]" if excluded else EVERYTHING,
        _listed("camera", cameras),
        _among("cls", where.classes),
        _among("visit", where.visits),
        _bound("time >=", where.since),
        _bound("time <=", where.until),
        _bound("quality >=", least),
    ]
    if any(c is None for c in conditions):
        return None
    return " and ".join(dict.fromkeys([EVERYTHING, *(c for c in conditions if c is not None)]))


def _among(column: str, values: Collection[int] | None) -> str | None:
    return _listed(column, None if values is None else [str(int(v)) for v in values])


def _listed(column: str, values: Sequence[str] | None) -> str | None:
    if values is None:
        return EVERYTHING
    return f"{column} in [{', '.join(values)}]" if values else None


def _bound(text: str, value: float | None) -> str:
    if value is None:
        return EVERYTHING
    # The language has no word for infinity. `repr` of a float is read back to the last bit.
    largest = float(np.finfo(np.float64).max)
    return f"{text} {min(max(float(value), -largest), largest)!r}"
