"""Filters as SQLite's conditions; what a user gave is only ever a parameter."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ..records import Filter

Value = int | float | str
Term = tuple[str, Value]


@dataclass(frozen=True)
class Condition:
    """What follows WHERE, and its parameters.

    Attributes:
        text: SQL with a `?` a parameter.
        values: The parameters in order.
    """

    text: str
    values: tuple[Value, ...]

    def and_after(self, column: str, value: Value) -> Condition:
        """The same for rows beyond a value only."""
        return Condition(f"({self.text}) AND {column} > ?", (*self.values, value))


def of_sightings(where: Filter) -> Condition:
    """Which sightings a filter means."""
    # Qualities are stored as the float32 that they were, so that one of 0.7 is as good as the 0.7 that is asked for.
    least = None if where.min_quality is None else float(np.float32(where.min_quality))
    return _joined(
        [
            *_sets(where, "visit"),
            *_bound("time >= ?", where.since),
            *_bound("time <= ?", where.until),
            *_bound("quality >= ?", least),
        ]
    )


def of_visits(where: Filter) -> Condition:
    """Which visits a filter means."""
    return _joined([*_sets(where, "id"), *_bound("last >= ?", where.since), *_bound("first <= ?", where.until)])


def of_visits_within(where: Filter) -> Condition:
    """Which visits match a filter and lie wholly within its time."""
    return _joined([*_sets(where, "id"), *_bound("first >= ?", where.since), *_bound("last <= ?", where.until)])


def members(values: Iterable[int] | Iterable[str]) -> str:
    """A set as one parameter, for `IN (SELECT value FROM json_each(?))`: however many, one statement does."""
    return json.dumps([value if isinstance(value, str) else int(value) for value in values])


def is_member(column: str) -> str:
    """The condition that a column's value is among a parameter's, see `members`."""
    return f"{column} IN (SELECT value FROM json_each(?))"


def _sets(where: Filter, visit: str) -> list[Term]:
    wanted: list[tuple[str, frozenset[int] | frozenset[str] | None]] = [
        ("identity", where.identities),
        (visit, where.visits),
        ("camera", where.cameras),
        ("class", where.classes),
    ]
    terms: list[Term] = [(is_member(column), members(values)) for column, values in wanted if values is not None]
    return terms + [("NOT " + is_member("identity"), members(where.excluding))] * bool(where.excluding)


def _bound(text: str, value: float | None) -> list[Term]:
    return [] if value is None else [(text, float(value))]


def _joined(terms: list[Term]) -> Condition:
    return Condition(" AND ".join(text for text, _ in terms) or "1", tuple(value for _, value in terms))
