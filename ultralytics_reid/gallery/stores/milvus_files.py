"""Small files in Milvus, in pieces that are read whole or not at all."""

from __future__ import annotations

import time
from collections.abc import Sequence

from ...errors import GalleryError
from ..records import new_ids
from .milvus_client import MAX_BYTES, Link, Row
from .milvus_filters import decoded, encoded, joined, pieces
from .milvus_rows import FILES, NO_VECTOR

_PIECE_BYTES = 64 * 1024
_TRIES = 5


class Files:
    """Files, each in pieces of 48 KiB, a row a piece.

    Whoever writes a file writes a new version of it beside the old one, its first piece last, and then deletes the old
    one. A version counts if its first piece is there, and the newest of these counts. So a reader sees the old file or
    the new one, and of two who write at once one is the later. Pieces of a version that was never finished aren't
    seen, and go when the file is written the next time.

    Args:
        link: To Milvus.
    """

    def __init__(self, link: Link) -> None:
        self._link = link

    def get(self, key: str) -> bytes | None:
        """A file, None if there is none.

        Raises:
            GalleryError: If pieces are missing.
        """
        for _ in range(_TRIES):
            newest = _newest(self._pieces(key))
            if newest is None:
                return None
            where = f"{_named(key)} and version == {newest['version']}"
            pages = self._link.pages(FILES, where, ["part", "data"], MAX_BYTES // _PIECE_BYTES)
            texts = {row["part"]: row["data"] for page in pages for row in page}
            if len(texts) == newest["parts"]:
                return joined(texts[n] for n in range(len(texts)))
        # Whoever reads while it is replaced finds pieces gone, but then there is a newer version.
        raise GalleryError(f"pieces of the file {key} are missing")

    def keys(self) -> list[str]:
        """The names of all files, sorted."""
        found: dict[str, list[Row]] = {}
        for page in self._link.pages(FILES, "part == 0", ["key", "version", "part", "parts"], 1000):
            for row in page:
                found.setdefault(row["key"], []).append(row)
        return sorted(decoded(key) for key, rows in found.items() if _newest(rows) is not None)

    def put(self, key: str, value: bytes) -> None:
        """Write a file; empty to delete it."""
        old = self._pieces(key)
        if not value and not old:
            return
        version = max([time.time_ns(), *(row["version"] + 1 for row in old)])
        texts = pieces(value)
        rows = [
            {"key": encoded(key), "version": version, "part": n, "parts": len(texts), "data": text, **NO_VECTOR}
            for n, text in enumerate(texts or [""])
        ]
        for row, id in zip(rows, new_ids(len(rows)).tolist(), strict=True):
            row["id"] = id
        self._link.upsert(FILES, rows[1:], _PIECE_BYTES)
        self._link.upsert(FILES, rows[:1], _PIECE_BYTES)
        self._link.delete(FILES, [row["id"] for row in old])
        if not value:
            self._link.delete(FILES, [rows[0]["id"]])

    def _pieces(self, key: str) -> list[Row]:
        return self._link.query(FILES, _named(key), ["id", "version", "part", "parts"])


def _named(key: str) -> str:
    return f'key == "{encoded(key)}"'


def _newest(rows: Sequence[Row]) -> Row | None:
    """The first piece of the newest version; None if there is none or that says that the file was deleted."""
    newest = max((row for row in rows if row["part"] == 0), key=lambda row: int(row["version"]), default=None)
    return newest if newest is not None and newest["parts"] else None
