"""Ids of identities, and negative stand-ins for boxes whose id isn't shown yet."""

from __future__ import annotations

from collections.abc import Callable


class IdPool:
    """Give out ids; in a closed set no more than there are individuals.

    Args:
        source: Returns the next unused id, above 0.
        limit: Number of individuals; 0 if it is unknown.
    """

    def __init__(self, source: Callable[[], int], limit: int) -> None:
        self._source = source
        self._limit = limit
        self._given = 0
        self._returned: list[int] = []
        self._pending = 0

    @property
    def closed(self) -> bool:
        """Whether the number of individuals is known."""
        return self._limit > 0

    def pending(self) -> int:
        """Return a negative stand-in, never the same twice."""
        self._pending -= 1
        return self._pending

    def new(self) -> int | None:
        """Return an unused id; None if a closed set has no more."""
        if self._returned:
            return self._returned.pop()
        if self.closed and self._given >= self._limit:
            return None
        self._given += 1
        return self._source()

    def provisional(self) -> int:
        """Return a new id for an undecided tracklet; in a closed set, which has none to spare, a negative stand-in."""
        return self.pending() if self.closed else self._source()

    def give_back(self, identity: int) -> None:
        """Take back an id that turned out to be another's; an open set doesn't give it again."""
        if self.closed:
            self._returned.append(identity)
