"""Arrays in PostgreSQL's binary form: text would take several times as long."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import psycopg
from psycopg.adapt import Dumper
from psycopg.pq import Format

from ..._typing import Floats

# Object id of the type `real`.
_REAL = 700


class Binary(NamedTuple):
    """A parameter in PostgreSQL's binary form, of the type that the query casts it to."""

    value: bytes


class BinaryDumper(Dumper):
    """Sends a `Binary` as it is."""

    format = Format.BINARY
    oid = 0

    def dump(self, obj: Binary) -> bytes:
        """Its bytes."""
        return obj.value


def can_send(connection: psycopg.Connection[Any]) -> None:
    """Let a connection send `Binary` parameters."""
    connection.adapters.register_dumper(Binary, BinaryDumper)


def as_vector(vector: Floats) -> Binary:
    """`(D,)` as a `vector`."""
    return Binary(np.array([len(vector), 0], ">i2").tobytes() + vector.astype(">f4").tobytes())


def as_reals(values: Floats) -> Binary:
    """Any array as a `real[]` of one dimension."""
    cells = np.empty(values.size, [("length", ">i4"), ("value", ">f4")])
    cells["length"], cells["value"] = 4, values.ravel()
    return Binary(np.array([1, 0, _REAL, values.size, 1], ">i4").tobytes() + cells.tobytes())


def from_vectors(stored: Sequence[bytes], dim: int) -> Floats:
    """`N` values of the type `vector(dim)`, read in binary form, as `(N, D)`."""
    # A vector is its dimension and a reserved field, two bytes each, and big-endian numbers.
    cells = np.frombuffer(b"".join(stored), np.dtype([("head", ">i4"), ("values", ">f4", (dim,))]))
    return np.asarray(cells["values"], np.float32).reshape(len(stored), dim)
