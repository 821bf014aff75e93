"""Milvus's language: filters as expressions, names and bytes as strings that need no quoting in it."""

from __future__ import annotations

import base64
from collections.abc import Collection, Iterable, Sequence
from urllib.parse import quote, unquote

import numpy as np

from ..records import Filter

# True of every row. Without any condition, the client's iterator asks for ids below 2^63 - 1, which is an id too.
EVERYTHING = "id >= 0"

# In base64, 48 KiB are 65,536 characters, one more than a VARCHAR may have.
_PIECE = 48 * 1024 - 3


def encoded(name: str) -> str:
    """A name in letters, digits and `_.-~%` alone, so that no expression can take it for anything else."""
    return quote(name, safe="", errors="surrogatepass")


def decoded(text: str) -> str:
    """The name that `encoded` made this of."""
    return unquote(text, errors="surrogatepass")


def pieces(value: bytes) -> list[str]:
    """Bytes as base64, in as many strings as it takes; none for no bytes. Milvus has no type for bytes."""
    return [base64.b64encode(value[n : n + _PIECE]).decode() for n in range(0, len(value), _PIECE)]


def joined(texts: Iterable[str]) -> bytes:
    """The bytes that `pieces` made these of."""
    return b"".join(base64.b64decode(text) for text in texts)


def of_sightings(where: Filter) -> str | None:
    """The expression for the sightings that match; None if none can."""
    since, until = _from("time", where.since), _until("time", where.until)
    # Qualities are kept as float32, so the least is rounded as they are.
    least = None if where.min_quality is None else float(np.float32(where.min_quality))
    return _all([*_alike(where), _among("visit", where.visits), since, until, _from("quality", least)])


def of_visits(where: Filter, *, within: bool = False) -> str | None:
    """The expression for the visits that match, or that also lie within `since` and `until`; None if none can."""
    since = _from("began" if within else "ended", where.since)
    until = _until("ended" if within else "began", where.until)
    return _all([*_alike(where), _among("id", where.visits), since, until])


def of_ids(column: str, values: Iterable[int], *, never: bool = False) -> str:
    """The expression for a column that has one of these values, of which there is at least one; or none of them."""
    return f"{column} {'not in' if never else 'in'} [{', '.join(str(int(v)) for v in values)}]"


def _alike(where: Filter) -> list[str | None]:
    cameras = None if where.cameras is None else [f'"{encoded(name)}"' for name in where.cameras]
    excluded = of_ids("identity", where.excluding, never=True) if where.excluding else EVERYTHING
    return [_among("identity", where.identities), excluded, _listed("camera", cameras), _among("cls", where.classes)]


def _among(column: str, values: Collection[int] | None) -> str | None:
    return _listed(column, None if values is None else [str(int(v)) for v in values])


def _listed(column: str, values: Sequence[str] | None) -> str | None:
    if values is None:
        return EVERYTHING
    return f"{column} in [{', '.join(values)}]" if values else None


def _from(column: str, least: float | None) -> str:
    return EVERYTHING if least is None else f"{column} >= {_number(least)}"


def _until(column: str, most: float | None) -> str:
    return EVERYTHING if most is None else f"{column} <= {_number(most)}"


def _number(value: float) -> str:
    # The language has no word for infinity. `repr` of a float is read back to the last bit.
    largest = float(np.finfo(np.float64).max)
    return repr(min(max(float(value), -largest), largest))


def _all(conditions: Sequence[str | None]) -> str | None:
    if any(c is None for c in conditions):
        return None
    return " and ".join(dict.fromkeys([EVERYTHING, *(c for c in conditions if c is not None)]))
