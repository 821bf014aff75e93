"""What a gallery's collections in Milvus look like, and how sightings, visits and files become rows and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..._typing import Floats
from ...errors import GalleryError
from ..records import Records, Visit, nothing
from .milvus_client import Row
from .milvus_filters import decoded, encoded, joined, pieces

SIGHTINGS, VISITS, NAMES, FILES, CLAIMS = (f"reid_{n}" for n in ("sightings", "visits", "names", "files", "claims"))

VECTOR = "embedding"
# Every collection must have a vector. Where there is nothing to put into it, this is.
NO_VECTOR: Row = {VECTOR: [0.0, 0.0]}

# A row must fit into one message of the log that Milvus writes.
MAX_DETAILS = 2**20

# Bytes of a row, at most, without what is long in it.
ROW_BYTES = 512

# Of a name of 200 characters: a character has up to 4 bytes, of each of which `encoded` makes 3 letters.
_NAME_BYTES, _ENCODED_BYTES = 800, 2400
_VARCHAR = 65_535
_PIECES = {"element_type": "VARCHAR", "max_capacity": 32, "max_length": _VARCHAR, "mmap_enabled": True}

_NUMBERS = "<f4"

_COLUMNS: dict[str, dict[str, tuple[str, Row]]] = {
    SIGHTINGS: {
        "identity": ("INT64", {}),
        "visit": ("INT64", {}),
        "camera": ("VARCHAR", {"max_length": _ENCODED_BYTES}),
        "time": ("DOUBLE", {}),
        "cls": ("INT64", {}),
        "quality": ("FLOAT", {}),
    },
    VISITS: {
        "identity": ("INT64", {}),
        "camera": ("VARCHAR", {"max_length": _ENCODED_BYTES}),
        "cls": ("INT64", {}),
        "began": ("DOUBLE", {}),
        "ended": ("DOUBLE", {}),
        "probability": ("DOUBLE", {}),
        "path": ("ARRAY", _PIECES),
        "crop": ("ARRAY", _PIECES),
    },
    NAMES: {"name": ("VARCHAR", {"max_length": _NAME_BYTES})},
    FILES: {
        "key": ("VARCHAR", {"max_length": _ENCODED_BYTES}),
        "version": ("INT64", {}),
        "part": ("INT64", {}),
        "parts": ("INT64", {}),
        "data": ("VARCHAR", {"max_length": _VARCHAR, "mmap_enabled": True}),
    },
    CLAIMS: {"began": ("INT64", {}), "ended": ("INT64", {}), "kept": ("BOOL", {})},
}

# Details of visits, which are long and not always asked for.
DETAILS = ("path", "crop")


def columns(collection: str) -> list[str]:
    """A collection's columns but for the vector, the id first."""
    return ["id", *_COLUMNS[collection]]


def schema(collection: str, dim: int) -> Any:
    """A collection's schema for the client; `dim` is of the sightings' embeddings."""
    from pymilvus import DataType, MilvusClient

    made = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
    made.add_field("id", DataType.INT64, is_primary=True)
    made.add_field(VECTOR, DataType.FLOAT_VECTOR, dim=dim if collection == SIGHTINGS else len(NO_VECTOR[VECTOR]))
    for name, (kind, options) in _COLUMNS[collection].items():
        types = {key: DataType[value] for key, value in options.items() if key == "element_type"}
        made.add_field(name, DataType[kind], **{**options, **types})
    return made


def rows_of(records: Records) -> list[Row]:
    """Sightings as rows."""
    cameras = [encoded(c) for c in records.cameras]
    numbers = (records.identities, records.visits, records.times, records.classes, records.qualities)
    identities, visits, times, classes, qualities = (c.tolist() for c in numbers)
    values = zip(
        records.ids.tolist(), records.embeddings, identities, visits, cameras, times, classes, qualities, strict=True
    )
    names = ("id", VECTOR, *columns(SIGHTINGS)[1:])
    return [dict(zip(names, row, strict=True)) for row in values]


def records_of(rows: Sequence[Row], dim: int) -> Records:
    """The sightings in rows, in their order."""
    if not rows:
        return nothing(dim)
    return Records(
        np.array([r["id"] for r in rows], np.int64),
        np.array([r[VECTOR] for r in rows], np.float32),
        np.array([r["identity"] for r in rows], np.int64),
        np.array([r["visit"] for r in rows], np.int64),
        tuple(decoded(r["camera"]) for r in rows),
        np.array([r["time"] for r in rows], np.float64),
        np.array([r["cls"] for r in rows], np.int64),
        np.array([r["quality"] for r in rows], np.float32),
    )


def row_of(visit: Visit) -> Row:
    """A visit as a row.

    Raises:
        GalleryError: If its path and crop are too large.
    """
    path = np.asarray(visit.path, _NUMBERS).tobytes()
    size = len(path) + len(visit.crop)
    if size > MAX_DETAILS:
        raise GalleryError(
            f"the path and crop of a visit may have {MAX_DETAILS} bytes (1 MiB) together in Milvus, and those of "
            f"visit {visit.id} have {size}"
        )
    return {
        "id": int(visit.id),
        "identity": int(visit.identity),
        "camera": encoded(visit.camera),
        "cls": int(visit.cls),
        "began": float(visit.first),
        "ended": float(visit.last),
        "probability": float(visit.probability),
        "path": pieces(path),
        "crop": pieces(visit.crop),
        **NO_VECTOR,
    }


def visit_of(row: Row) -> Visit:
    """The visit in a row; without path and crop if the row has none."""
    return Visit(
        row["id"],
        identity=row["identity"],
        camera=decoded(row["camera"]),
        cls=row["cls"],
        first=row["began"],
        last=row["ended"],
        path=_path(joined(row.get("path", ()))),
        probability=row["probability"],
        crop=joined(row.get("crop", ())),
    )


def _path(data: bytes) -> Floats:
    return np.frombuffer(data, _NUMBERS).astype(np.float32).reshape(-1, 5)


def visit_bytes(row: Row) -> int:
    """How much of a request a visit's row takes."""
    return ROW_BYTES + sum(len(text) for name in DETAILS for text in row[name])
