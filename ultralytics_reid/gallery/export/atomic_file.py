"""Files that are there whole or not at all."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ...errors import GalleryError

# What comes out of a gallery shows people, or can be recognized by.
_OWNERS_ONLY = 0o600


@contextmanager
def whole(path: str | Path, suffixes: Sequence[str], *, overwrite: bool = True) -> Iterator[Path]:
    """A file to write in the place of another, which gets its name when all went well, and is removed if not.

    Nobody but its owner can read it.

    Args:
        path: What it will be called; its folder must exist.
        suffixes: What the name may end in, as `.png`, in small letters.
        overwrite: Whether it may replace a file that is there already.

    Yields:
        Where to write it: beside `path`, with the same suffix.

    Raises:
        GalleryError: If the suffix is another, the folder is missing, there is a file that may not be replaced, or it
            can't be written.
    """
    path = Path(path)
    _check(path, suffixes, overwrite)
    part = path.with_name(f".{secrets.token_hex(8)}.part{path.suffix}")
    try:
        yield part
        _check(path, suffixes, overwrite)
        part.chmod(_OWNERS_ONLY)
        part.replace(path)
    except OSError as error:
        raise GalleryError(f"{path} can't be written: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)


def _check(path: Path, suffixes: Sequence[str], overwrite: bool) -> None:
    if path.suffix.lower() not in suffixes:
        raise GalleryError(f"{path} can't be written: its name must end in {' or '.join(suffixes)}")
    if not path.parent.is_dir():
        raise GalleryError(f"{path} can't be written: there is no folder {path.parent}")
    if path.is_dir():
        raise GalleryError(f"{path} can't be written: there is a folder of that name")
    if path.exists() and not overwrite:
        raise GalleryError(f"{path} is there already, and wasn't to be overwritten")
