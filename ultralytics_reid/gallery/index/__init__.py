"""The gallery's index: vectors of the ledger's sightings, searchable; one protocol, one engine a file.

An index is derived data. It follows the ledger, and can be rebuilt from it at any time.
"""

from __future__ import annotations

from typing import Protocol

from ..._typing import Floats, Ints
from ..records import Filter, Hits, Records

__all__ = ["Index"]


class Index(Protocol):
    """Nearest neighbors among the embeddings of a ledger.

    Any thread may call it, and after a fork the child too.
    """

    def add(self, records: Records) -> None:
        """Add sightings of the ledger; those whose ids are there already are replaced."""
        ...

    def search(self, queries: Floats, k: int, where: Filter, *, exact: bool) -> list[Hits]:
        """The sightings most similar to each query, among all that the ledger holds when it is called.

        Args:
            queries: `(Q, D)` float32 of unit norm.
            k: Most hits a query, 1 to 10,000.
            where: Only among these.
            exact: Whether none of the most similar may be missed; False where an approximate answer may be faster.

        Returns:
            `Q` answers, each of `k` hits, or all there are if fewer match; among equals the lowest id first.

        Raises:
            GalleryError: If the engine found fewer than it should have.
            GalleryUnavailable: If it can't be reached.
        """
        ...

    def delete(self, ids: Ints) -> None:
        """Remove sightings that the ledger has deleted; ids that aren't there are ignored."""
        ...

    def rebuild(self) -> bool:
        """Make it anew from the ledger; others go on reading and writing.

        Returns:
            Whether it is there; False if another client is making it.
        """
        ...

    def flush(self) -> None:
        """Take over what was written to the ledger until now, if that is kept outside this process."""
        ...

    def health(self) -> tuple[str, str]:
        """Name of an engine of its own, and what an operator should know; empty where there is nothing to say."""
        ...

    def close(self) -> None:
        """Release it; closing twice is harmless."""
        ...
