"""Identities found by an earlier search for a visitor, so that only a first question reads the whole gallery."""

from __future__ import annotations

from collections.abc import Hashable, Iterable

# Seconds that a shortlist is used: what other processes write is found after so long at the latest.
SHORTLIST_SECONDS = 30.0


class Shortlists:
    """Which identities a visitor may be who is asked about again, with more crops.

    An exact search reads every sighting of a gallery. More crops of a visitor reorder those that resemble it, and
    hardly bring up others; what is written meanwhile is added.
    """

    def __init__(self) -> None:
        self._of: dict[Hashable, tuple[set[int], float]] = {}

    def keep(self, visitor: Hashable, identities: Iterable[int], now: float) -> None:
        """Keep what a search of the whole gallery found.

        Args:
            visitor: Whom it was for.
            identities: Those found.
            now: Seconds of any steady clock.
        """
        self._of[visitor] = set(identities), now + SHORTLIST_SECONDS

    def get(self, visitor: Hashable, now: float) -> frozenset[int] | None:
        """Return a visitor's shortlist; None if there is none, or it is out of date."""
        self._of = {v: entry for v, entry in self._of.items() if now < entry[1]}
        return frozenset(self._of[visitor][0]) if visitor in self._of else None

    def clear(self) -> None:
        """Drop all shortlists."""
        self._of.clear()

    def add(self, identity: int) -> None:
        """Add an identity of which sightings were written to all shortlists."""
        for identities, _ in self._of.values():
            identities.add(identity)
