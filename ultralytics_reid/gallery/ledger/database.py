"""What the ledger asks of a database: the part of SQL that SQLite and PostgreSQL say differently."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ..._typing import Floats
from ..records import Records, Visit
from .conditions import Condition
from .rows import Row


@dataclass(frozen=True)
class Health:
    """State of a gallery's engine.

    Attributes:
        engine: Name and version.
        sightings: Number of rows with embeddings.
        visits: Number of visits.
        bytes: Size on disk, with logs and indexes; None where the engine doesn't tell.
        note: What an operator should know; empty if nothing.
    """

    engine: str
    sightings: int
    visits: int
    bytes: int | None
    note: str = ""


class Cursor(Protocol):
    """The result of a statement, as in DB-API 2.0."""

    @property
    def rowcount(self) -> int:
        """Rows that a write changed."""
        ...

    def fetchone(self) -> Any:
        """The next row; None after the last."""
        ...

    def fetchall(self) -> list[Any]:
        """All rows that are left."""
        ...


class Session(Protocol):
    """A connection, lent for some statements."""

    def execute(self, text: str, values: Sequence[Any] = (), /) -> Cursor:
        """Run a statement with a `?` a parameter."""
        ...


class Database(Protocol):
    """One database, open: its connections and its dialect.

    Any thread may call it, and after a fork the child too. Errors of the driver become `GalleryError`, those that may
    pass `GalleryUnavailable`.

    Attributes:
        uri: Address without a password.
        dim: `D` of the embeddings.
        fingerprint: Of the embedder whose vectors these are.
        locked: What ends a SELECT whose rows no other client may read so until the transaction ends.
        sightings: What follows FROM to read sightings with their embeddings.
        detailed_visits: What follows FROM to read visits with paths and crops.
    """

    uri: str
    dim: int
    fingerprint: str
    locked: str
    sightings: str
    detailed_visits: str

    def reading(self) -> AbstractContextManager[Session]:
        """A session in which each statement sees all that was committed before it."""
        ...

    def writing(self, *, lasting: bool = False) -> AbstractContextManager[Session]:
        """A transaction, committed unless an error ends it.

        Args:
            lasting: Whether it must outlive a power cut even if the engine is configured for speed.
        """
        ...

    def among(self, column: str, values: list[int] | list[str]) -> Condition:
        """The condition that a column's value is one of a set."""
        ...

    def put_sightings(self, session: Session, records: Records) -> None:
        """Insert sightings; rows whose ids are there already are replaced."""
        ...

    def put_visits(self, session: Session, visits: Sequence[Visit]) -> None:
        """Insert visits; rows whose ids are there already are replaced."""
        ...

    def note_changes(self, session: Session, condition: Condition) -> None:
        """Tell replicas in memory that sightings that match are about to be updated."""
        ...

    def delete(self, session: Session, table: str, condition: Condition) -> int:
        """Delete from `sightings` or `visits` with all that belongs to the rows; returns how many."""
        ...

    def embeddings(self, rows: Sequence[Row]) -> Floats:
        """Decode the last column of rows of `SIGHTING_COLUMNS`, `(N, D)`."""
        ...

    def make_queue(self, session: Session) -> None:
        """Make the tables and triggers by which an index elsewhere follows the ledger, unless they are there.

        `followers (place, token)` has a row an index; from then on, every write of sightings adds a row for each
        follower to `pending (number, place, id)`.
        """
        ...

    def lock(self, session: Session, place: str) -> None:
        """Wait until no other client applies the queue of `place`, and keep others off until the transaction ends."""
        ...

    def scrub(self, seconds: float) -> str:
        """Overwrite what was deleted on disk.

        Args:
            seconds: Longest time to wait for other programs that read.

        Returns:
            What is still there and until when; empty if nothing is.
        """
        ...

    def backup(self, path: Path) -> None:
        """Write everything into a new file; see `Ledger.backup`."""
        ...

    def version(self) -> object:
        """Changes with every commit, of any client; equal ones mean that nothing was committed in between."""
        ...

    def health(self, sightings: int, visits: int) -> Health:
        """State of the engine, with these counts."""
        ...

    def close(self) -> None:
        """Close all connections; closing twice is harmless."""
        ...
