"""Write files atomically: complete or not at all."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ...errors import GalleryError

# Exports contain images or biometric data of people.
OWNER_ONLY = 0o600


@contextmanager
def atomic_write(path: str | Path, suffixes: Sequence[str], *, overwrite: bool = True) -> Iterator[Path]:
    """Yield a temporary file that is renamed to `path` on success, and removed on failure.

    Only its owner can read the file, also while it is written.

    Args:
        path: Final path; its folder must exist.
        suffixes: Allowed suffixes in lower case, such as `.png`.
        overwrite: Whether to replace an existing file.

    Yields:
        Path to write to: beside `path`, with the same suffix.

    Raises:
        GalleryError: If the suffix is not allowed, the folder is missing, the file exists and may not be replaced, or
            it can't be written.
    """
    path = Path(path)
    _check(path, suffixes, overwrite)
    part = path.with_name(f".{secrets.token_hex(8)}.part{path.suffix}")
    try:
        # Made before it is written, so that others can't read it meanwhile.
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, OWNER_ONLY))
        yield part
        _check(path, suffixes, overwrite)
        part.chmod(OWNER_ONLY)
        part.replace(path)
    except OSError as error:
        raise GalleryError(f"{path} can't be written: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)


def check_writable(path: str | Path, suffixes: Sequence[str], *, overwrite: bool = True) -> None:
    """Check that `atomic_write` can write a file, without writing it; arguments and errors are the same."""
    path = Path(path)
    _check(path, suffixes, overwrite)
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise GalleryError(f"{path} can't be written: {error.strerror or error}") from error


def _check(path: Path, suffixes: Sequence[str], overwrite: bool) -> None:
    if path.suffix.lower() not in suffixes:
        raise GalleryError(f"{path} can't be written: the suffix must be {' or '.join(suffixes)}")
    if not path.parent.is_dir():
        raise GalleryError(f"{path} can't be written: there is no folder {path.parent}")
    if path.is_dir():
        raise GalleryError(f"{path} can't be written: it is a folder")
    if path.exists() and not overwrite:
        raise GalleryError(f"{path} already exists, and overwrite is off")
