"""Filters as SQL conditions. What a user gave is only ever a parameter."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..records import Filter

_MAX_ID = 2**63 - 1


@dataclass(frozen=True)
class Condition:
    """What follows WHERE, and its parameters.

    Attributes:
        text: SQL with a `?` a parameter.
        values: The parameters in order.
    """

    text: str
    values: tuple[Any, ...] = ()

    def and_after(self, column: str, value: int) -> Condition:
        """The same for rows beyond a value only."""
        return Condition(f"({self.text}) AND {column} > ?", (*self.values, value))


# The condition that a column's value is one of a set, in a dialect: one parameter, however many there are.
Among = Callable[[str, list[int] | list[str]], Condition]


def of_sightings(where: Filter, among: Among) -> Condition:
    """Which sightings a filter matches."""
    # Qualities are stored as float32, so the bound is rounded as they are: 0.7 matches 0.7.
    least = None if where.min_quality is None else float(np.float32(where.min_quality))
    bounds = _bounds({"time >= ?": where.since, "time <= ?": where.until, "quality >= ?": least})
    return _joined([*_sets(where, "visit", among), *bounds])


def of_visits(where: Filter, among: Among) -> Condition:
    """Which visits a filter matches."""
    return _joined([*_sets(where, "id", among), *_bounds({"ended >= ?": where.since, "began <= ?": where.until})])


def of_visits_within(where: Filter, among: Among) -> Condition:
    """Which visits match a filter and lie wholly within its time."""
    return _joined([*_sets(where, "id", among), *_bounds({"began >= ?": where.since, "ended <= ?": where.until})])


def _sets(where: Filter, visit: str, among: Among) -> list[Condition]:
    numbers = {"identity": where.identities, visit: where.visits, "class": where.classes}
    found = [among(column, _whole(values)) for column, values in numbers.items() if values is not None]
    if where.cameras is not None:
        # No camera has a name that can't be printed, and some of these can't even be sent.
        found.append(among("camera", sorted(c for c in where.cameras if c.isprintable())))
    if where.excluding:
        excluded = among("identity", _whole(where.excluding))
        found.append(Condition(f"NOT ({excluded.text})", excluded.values))
    return found


def _whole(numbers: Iterable[int]) -> list[int]:
    """Numbers that a 64-bit column can hold; no row matches others."""
    return sorted(int(n) for n in numbers if -_MAX_ID <= n <= _MAX_ID)


def _bounds(wanted: dict[str, float | None]) -> list[Condition]:
    return [Condition(text, (float(value),)) for text, value in wanted.items() if value is not None]


def _joined(parts: list[Condition]) -> Condition:
    text = " AND ".join(part.text for part in parts)
    return Condition(text or "1 = 1", tuple(value for part in parts for value in part.values))
