"""Arrays that are computed once and kept, under a fingerprint of all that they depend on."""

from __future__ import annotations

import hashlib
import io
import json
import re
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..progress import tell

Arrays = dict[str, npt.NDArray[Any]]

_KEY = "fingerprint"
_HASH_LENGTH = 64


@dataclass(frozen=True)
class Cache:
    """A folder of arrays.

    Attributes:
        folder: Where they lie; made when something is kept.
    """

    folder: Path

    def path(self, sequence: str, stage: str, key: Mapping[str, Any]) -> Path:
        """Return the file of a fingerprint's arrays."""
        return self.folder / sequence / f"{stage}-{digest(key)[:16]}.cache"

    def arrays(self, sequence: str, stage: str, key: Mapping[str, Any], compute: Callable[[], Arrays]) -> Arrays:
        """Read arrays, or compute and keep them.

        A file appears at once and whole. One that can't be read whole, as it was cut short or damaged since, is told
        and computed again.

        Args:
            sequence: The sequence's name.
            stage: What kind of arrays.
            key: All that they depend on, as JSON could have it.
            compute: Gives them.
        """
        path = self.path(sequence, stage, key)
        kept = _load(path, digest(key)) if path.exists() else None
        if kept is not None:
            return kept
        arrays = compute()
        _save(path, {**arrays, _KEY: np.array(digest(key))})
        return arrays


def _load(path: Path, wanted: str) -> Arrays | None:
    content = path.read_bytes()
    told, packed = content[:_HASH_LENGTH], content[_HASH_LENGTH:]
    # Compared before anything is unpacked, which fails in too many ways where a byte is wrong.
    if told != _hash(packed):
        tell(f"{path} is damaged or half written: computed again")
        return None
    with np.load(io.BytesIO(packed), allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    whole = str(arrays.pop(_KEY)) == wanted
    if not whole:
        tell(f"{path} is of something else: computed again")
    return arrays if whole else None


def _save(path: Path, arrays: Arrays) -> None:
    packed = io.BytesIO()
    np.savez(packed, allow_pickle=False, **arrays)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=path.stem, suffix=".part", delete=False) as file:
        part = Path(file.name)
    try:
        part.write_bytes(_hash(packed.getbuffer()) + packed.getvalue())
        part.replace(path)
    except BaseException:
        part.unlink()
        raise


def _hash(packed: bytes | memoryview) -> bytes:
    return hashlib.sha256(packed).hexdigest().encode()


def digest(key: Any) -> str:
    """Hash anything that JSON can have."""
    return hashlib.sha256(json.dumps(key, sort_keys=True, default=str).encode()).hexdigest()


def of_arrays(arrays: Iterable[npt.NDArray[Any]]) -> str:
    """Hash arrays' contents, types and shapes."""
    total = hashlib.sha256()
    for array in arrays:
        total.update(f"{array.dtype}{array.shape}".encode())
        total.update(np.ascontiguousarray(array).tobytes())
    return total.hexdigest()


def of_file(path: Path) -> str:
    """Hash a file's content, or all files of a folder; its name where there is no such file."""
    if not path.exists():
        return str(path)
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    return _of_files(tuple(files), of_stats(files))


@lru_cache(maxsize=64)
def _of_files(files: tuple[Path, ...], _stamp: str) -> str:
    total = hashlib.sha256()
    for file in files:
        total.update(file.name.encode())
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                total.update(block)
    return total.hexdigest()


def of_stats(paths: Iterable[Path]) -> str:
    """Hash files' names, sizes and times of change: reading all of them would take longer than to use them."""
    facts = [(p.name, (stat := p.stat()).st_size, stat.st_mtime_ns) for p in paths]
    return digest(facts)


def slug(text: str) -> str:
    """Convert a text to a file name; different texts give different names."""
    plain = re.sub(r"[^A-Za-z0-9_.=-]+", "-", text).strip("-")
    return plain if plain == text and len(plain) < 80 else f"{plain[:70]}-{digest(text)[:6]}"
