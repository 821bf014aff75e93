"""A gallery's rows: the ledger, searchable by an index."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from .._typing import Floats
from ..errors import GalleryError
from .index import Index
from .ledger import Database, Deleted, Health, Ledger
from .ledger.checks import check_queries
from .records import ANY, Filter, Hits

__all__ = ["Deleted", "Health", "Store", "open_store"]


class Store(Ledger):
    """A ledger and its index; see `Ledger` for what it promises.

    Args:
        database: Where the rows are.
        index: Over their embeddings; closed with the store.

    Attributes:
        index: The same.
    """

    def __init__(self, database: Database, index: Index) -> None:
        super().__init__(database)
        self.index = index

    def search(self, queries: Floats, k: int, where: Filter = ANY, *, exact: bool = True) -> list[Hits]:
        """The sightings most similar to each query.

        Args:
            queries: `(Q, D)`, any norm but 0.
            k: Most sightings a query, 1 to 10,000.
            where: Only among these.
            exact: Whether none of the most similar may be missed; False where an index may answer faster.

        Returns:
            `Q` answers, each of `k` hits, or all there are if fewer match; among equals the lowest id first.

        Raises:
            GalleryError: If the index found fewer than it should have, or a query can't be compared.
        """
        return self.index.search(check_queries(queries, self.dim, k), k, where, exact=exact)

    def delete(self, where: Filter) -> Deleted:
        """See `Ledger.delete`; the index loses the embeddings too before this returns."""
        deleted = super().delete(where)
        self.index.flush()
        return deleted

    def flush(self) -> None:
        """Wait until the index has everything that was written until now; other clients see it in the ledger anyway."""
        self.index.flush()

    def health(self) -> Health:
        """See `Ledger.health`; with the index, where that is another engine."""
        found, (engine, note) = super().health(), self.index.health()
        return replace(
            found, engine=f"{found.engine}, index in {engine}" if engine else found.engine, note=found.note or note
        )

    def close(self) -> None:
        """See `Ledger.close`."""
        self.index.close()
        super().close()


def open_store(uri: str | Path, dim: int | None = None, fingerprint: str | None = None, index: str = "") -> Store:
    """Open a gallery; it is made if it isn't there and it is said what for.

    Args:
        uri: A path (SQLite) or `postgresql://…`.
        dim: `D` of the embeddings to come, 1 to 16,000; None: whatever is there.
        fingerprint: Of their embedder; None: whatever is there.
        index: Empty for the ledger's own, which is exact in memory for SQLite and pgvector for PostgreSQL; or
            `milvus://…`.

    Raises:
        GalleryMissing: If there is no gallery and it isn't said what for.
        GalleryError: If it holds another embedder's vectors or another dimension, an address is unknown, a file isn't a
            gallery, or an extra isn't installed.
        GalleryUnavailable: If it can't be reached.
    """
    scheme = _scheme(uri)
    if scheme == "milvus":
        raise GalleryError(
            "Milvus holds a gallery's index, not its rows: set 'gallery' to a path or postgresql://… "
            "and 'gallery_index' to the milvus://… address"
        )
    if scheme not in ("", "postgresql", "postgres"):
        raise GalleryError(f"'gallery' must be a path or postgresql://…, got {scheme}://…")
    if index and _scheme(index) != "milvus":
        raise GalleryError(f"'gallery_index' must be empty or milvus://…, got {_scheme(index) or index}")
    if index:
        from .index.milvus import MilvusIndex
        from .index.milvus_client import parsed

        address = parsed(index)
        store = _opened(uri, dim, fingerprint)
        try:
            return Store(store.database, MilvusIndex(store, address))
        except GalleryError:
            store.close()
            raise
    return _opened(uri, dim, fingerprint)


def _scheme(uri: str | Path) -> str:
    return str(uri).partition("://")[0] if "://" in str(uri) else ""


def _opened(uri: str | Path, dim: int | None, fingerprint: str | None) -> Store:
    """A store with the ledger's own index, which costs nothing until it is searched."""
    if _scheme(uri):
        from .index.pgvector import PgvectorIndex
        from .ledger.postgres import PostgresDatabase

        server = PostgresDatabase(str(uri), dim, fingerprint)
        return Store(server, PgvectorIndex(server))
    from .index.replica import Replica
    from .ledger.sqlite import SQLiteDatabase

    file = SQLiteDatabase(Path(uri), dim, fingerprint)
    return Store(file, Replica(file))
