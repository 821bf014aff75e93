"""Where a gallery's rows are kept: one interface, one engine a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ..._typing import Floats, Ints
from ...errors import GalleryError
from ..records import ANY, Filter, Hits, Records, Visit

__all__ = ["Deleted", "Health", "Store", "open_store"]


@dataclass(frozen=True)
class Health:
    """How a store is.

    Attributes:
        engine: Its name and version.
        sightings: How many it holds.
        visits: How many it holds.
        bytes: What it takes on disk, with logs and indexes; None where the engine doesn't tell.
        note: What an operator should know; empty if nothing.
    """

    engine: str
    sightings: int
    visits: int
    bytes: int | None
    note: str = ""


@dataclass(frozen=True)
class Deleted:
    """How much was deleted.

    Attributes:
        sightings: Rows with embeddings.
        visits: Visits that lay wholly within what was deleted.
    """

    sightings: int
    visits: int


class Store(Protocol):
    """A gallery's rows in one engine.

    Any thread may call it, and after a fork the child too. Calls return when the engine has acknowledged: what was
    written before is there after a crash. A write is done whole or not at all (where an engine can't, it says so).

    What is asked of it is checked first: a `GalleryError` means that nothing was changed, a `GalleryUnavailable` that
    it may work later, and that a write may or may not have been done; trying it again, with the same ids, is harmless.

    Attributes:
        uri: Where it is, without a password.
        dim: `D` of its embeddings.
        fingerprint: Of the embedder whose vectors these are.
    """

    uri: str
    dim: int
    fingerprint: str

    def reserve(self, count: int) -> int:
        """Take ids for identities, which nobody else gets.

        They are taken in ascending order, from 1 to `FIRST_LOCAL_ID` - 1; after that from 1 again, except for those
        that somebody in the gallery has.

        Args:
            count: How many, 1 to 10,000.

        Returns:
            The first of `count` consecutive ids, none of which is in the gallery.

        Raises:
            GalleryError: If there is no such run of ids left.
        """
        ...

    def upsert(self, records: Records, visits: Sequence[Visit] = ()) -> None:
        """Write sightings and visits, in one transaction; rows whose ids are there already are replaced.

        Raises:
            GalleryError: If an embedding is of another dimension, not finite or zero, or a value is out of range.
        """
        ...

    def search(self, queries: Floats, k: int, where: Filter = ANY, *, exact: bool = True) -> list[Hits]:
        """The sightings most alike to each query.

        Args:
            queries: `(Q, D)`, any norm but 0.
            k: Most sightings a query, 1 to 10,000.
            where: Only among these.
            exact: Whether none of the most alike may be missed; False where an index may answer faster.

        Returns:
            `Q` answers, each of `k` hits, or all there are if fewer match; among equals the lowest id first.

        Raises:
            GalleryError: If the engine found fewer than it should have, or a query can't be compared.
        """
        ...

    def get(self, ids: Ints) -> Records:
        """Sightings by id, in that order; those that aren't there are left out."""
        ...

    def scan(self, where: Filter = ANY, batch: int = 1000) -> Iterator[Records]:
        """All sightings, by ascending id, in batches; what is written meanwhile may or may not be among them."""
        ...

    def visits(self, where: Filter = ANY, *, details: bool = True, batch: int = 1000) -> Iterator[Visit]:
        """All visits, by ascending id; without `details` their paths and crops are left empty."""
        ...

    def relabel(self, where: Filter, identity: int) -> int:
        """Give the sightings and visits that match another identity; returns how many sightings that were."""
        ...

    def delete(self, where: Filter) -> Deleted:
        """Delete sightings that match, and visits that match and lie wholly between `since` and `until`.

        With `min_quality`, no visits. Disk space may be given back later.
        """
        ...

    def count(self, where: Filter = ANY) -> int:
        """How many sightings match."""
        ...

    def population(self) -> int:
        """How many identities there are of whom there are sightings."""
        ...

    def names(self) -> dict[int, str]:
        """Names by identity, of those who have one."""
        ...

    def name(self, identity: int, name: str) -> None:
        """Name an identity; an empty name takes it away. Names needn't be unique here."""
        ...

    def blob(self, key: str) -> bytes | None:
        """A small file by its name, None if there is none."""
        ...

    def blobs(self, prefix: str) -> list[str]:
        """Names of files that begin so, sorted."""
        ...

    def put_blob(self, key: str, value: bytes) -> None:
        """Keep a small file (16 MiB at most); empty to delete it."""
        ...

    def flush(self) -> None:
        """Make sure that other clients see what was written until now."""
        ...

    def backup(self, path: Path) -> None:
        """Write everything there is now into a new file, whole or not at all.

        Raises:
            GalleryError: If the file is there already, can't be written, or the engine has its own tools for it; the
                message says which.
        """
        ...

    def health(self) -> Health:
        """How it is.

        Raises:
            GalleryUnavailable: If it doesn't answer.
        """
        ...

    def close(self) -> None:
        """Let go of it; closing it twice is harmless."""
        ...


def open_store(uri: str | Path, dim: int | None = None, fingerprint: str | None = None) -> Store:
    """Open a store; made if it isn't there and it is said what for.

    Args:
        uri: A path (SQLite), `postgresql://…` or `milvus://…`.
        dim: `D` of the embeddings to come, 1 to 16,000; None: whatever is there.
        fingerprint: Of their embedder; None: whatever is there.

    Raises:
        GalleryError: If there is none and it isn't said what for, it holds another embedder's vectors or another
            dimension, the scheme is unknown, a file isn't a gallery, or an extra isn't installed.
        GalleryUnavailable: If it can't be reached.
    """
    scheme = str(uri).partition("://")[0] if "://" in str(uri) else ""
    if scheme in ("postgresql", "postgres"):
        from .postgres import PostgresStore

        return PostgresStore(str(uri), dim, fingerprint)
    if scheme == "milvus":
        from .milvus import MilvusStore

        return MilvusStore(str(uri), dim, fingerprint)
    if scheme:
        raise GalleryError(f"a gallery is a path, postgresql://… or milvus://…, got {scheme}://…")
    from .sqlite import SQLiteStore

    return SQLiteStore(Path(uri), dim, fingerprint)
