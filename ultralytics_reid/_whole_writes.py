"""Append to a file all or nothing, as where a disk is full."""

from __future__ import annotations

import os
from contextlib import suppress


def append_whole(file: int, data: bytes) -> None:
    """Append data to a file, whole: the system may take a part only, and says how much, without an error.

    Args:
        file: Descriptor of a file that was opened with `O_APPEND`.
        data: What to append.

    Raises:
        OSError: If it can't be written; the file is as long as before then.
    """
    length, rest = os.fstat(file).st_size, memoryview(data)
    try:
        while rest:
            rest = rest[os.write(file, rest) :]
    except BaseException:
        # What can't be cut off stays, and ends what can be read of the file.
        with suppress(OSError):
            os.ftruncate(file, length)
        raise
