"""Ids for identities, and stand-ins for those that aren't shown yet."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count


class Ids:
    """Gives ids out, in a closed set no more than there are individuals.

    Args:
        source: Gives the next unused id, above 0.
        most: How many ids there may be; 0 for any number.
    """

    def __init__(self, source: Callable[[], int], most: int) -> None:
        self._source = source
        self._most = most
        self._given = 0
        self._returned: list[int] = []
        self._pending = count(-1, -1)

    @property
    def closed(self) -> bool:
        """Whether the number of individuals is known."""
        return self._most > 0

    def pending(self) -> int:
        """A number below 0, for who has no id yet; never the same twice."""
        return next(self._pending)

    def new(self) -> int | None:
        """An id that nobody has; None if all are given."""
        if self._returned:
            return self._returned.pop()
        if self.closed and self._given >= self._most:
            return None
        self._given += 1
        return self._source()

    def provisional(self) -> int:
        """A new id for who isn't decided yet; in a closed set, where none may be wasted, a number below 0."""
        return self.pending() if self.closed else self._source()

    def give_back(self, identity: int) -> None:
        """Take back an id whose bearer turned out to have another; in an open set it is not given again."""
        if self.closed:
            self._returned.append(identity)
