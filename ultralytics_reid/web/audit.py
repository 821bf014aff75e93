"""The audit log: a line of JSON for each search, change and export."""

from __future__ import annotations

import json
import os
import sys
import threading
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from .._whole_writes import append_whole
from ..errors import GalleryError

# The log says who was searched for: as private as the gallery.
_OWNER_ONLY = 0o600


class Audit:
    """Append lines to a file, or to standard error. Ids only, no names: a deleted name must not live on in a log.

    Args:
        path: The file; None for standard error.

    Raises:
        GalleryError: If the file can't be written.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lock = threading.Lock()
        if path is not None:
            self._append("")

    def note(self, action: str, **about: Any) -> None:
        """Write a line.

        Args:
            action: What is done: `search`, `merge`, `delete`, and so on.
            about: Numbers and short texts.

        Raises:
            GalleryError: If it can't be written; then nothing may be done either.
        """
        now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        line = json.dumps({"time": now, "action": action, **about}) + "\n"
        if self._path is None:
            print(line, end="", file=sys.stderr, flush=True)
        else:
            self._append(line)

    def _append(self, text: str) -> None:
        assert self._path is not None
        try:
            with self._lock:
                file = os.open(self._path, os.O_APPEND | os.O_CREAT | os.O_WRONLY, _OWNER_ONLY)
                try:
                    append_whole(file, text.encode())
                finally:
                    os.close(file)
        except OSError as error:
            reason = f"{error.strerror or error}; choose another file with --audit-log"
            raise GalleryError(f"the audit log {self._path} can't be written: {reason}") from error
