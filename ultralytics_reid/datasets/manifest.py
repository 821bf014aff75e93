"""The manifest beside crops: what file names can't say, such as which identities are known to differ."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import DatasetError

MANIFEST = "manifest.json"
FORMAT, VERSION = "ultralytics-reid crops", 1
_DIGEST_LETTERS = 32


@dataclass(frozen=True)
class Manifest:
    """What a manifest says; labels are those that the files' names or folders hold.

    Attributes:
        form: Form of the crops, a key of `reader.FORMS`.
        has_cameras: Whether the cameras in the names are cameras.
        names: Name of an identity by its label; where there is none, the label is its name.
        times: Seconds by the file's path in the folder, with forward slashes.
        contents: `content_digest` by such a path, of each file that was written; by it a file is known whose name was
            changed. Empty where files are known by their paths only.
        different: Pairs of labels of identities known to differ; None for a closed set, in which all differ.
    """

    form: str
    has_cameras: bool = True
    names: dict[str, str] = field(default_factory=dict)
    times: dict[str, float] = field(default_factory=dict)
    contents: dict[str, str] = field(default_factory=dict)
    different: tuple[tuple[str, str], ...] | None = None

    def write(self, folder: Path) -> None:
        """Write the manifest into a folder; an OSError is the caller's to handle."""
        pairs = None if self.different is None else [list(pair) for pair in self.different]
        stored = {"format": FORMAT, "version": VERSION, "form": self.form, "cameras": self.has_cameras}
        stored |= {"names": self.names, "times": self.times, "contents": self.contents, "different": pairs}
        (folder / MANIFEST).write_text(json.dumps(stored, ensure_ascii=False, indent=1), encoding="utf-8")


def content_digest(data: bytes) -> str:
    """Hash of a file's content."""
    return hashlib.sha256(data).hexdigest()[:_DIGEST_LETTERS]


def read_manifest(folder: Path) -> Manifest | None:
    """Read a folder's manifest; None if it has none.

    Raises:
        DatasetError: If it can't be read, or isn't a manifest of this version; the message names the key.
    """
    path = folder / MANIFEST
    if not path.is_file():
        return None
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DatasetError(f"{path} can't be read: {error}") from error
    if not isinstance(stored, dict) or stored.get("format") != FORMAT or stored.get("version") != VERSION:
        raise DatasetError(f"{path} is no manifest of crops, of version {VERSION}: 'format' must be {FORMAT!r}")
    form = _checked(path, stored, "form", "a text", str)
    has_cameras = _checked(path, stored, "cameras", "true or false", bool)
    names = _texts(path, stored, "names")
    times = _checked(path, stored, "times", "an object of numbers", dict)
    for time in times.values():
        if isinstance(time, bool) or not isinstance(time, int | float) or not math.isfinite(time):
            raise _odd(path, "times", "an object of numbers", time)
    seconds = {f: float(t) for f, t in times.items()}
    # Optional: a manifest may be written by hand.
    contents = _texts(path, {"contents": {}, **stored}, "contents")
    return Manifest(form, has_cameras, names, seconds, contents, _pairs(path, stored))


def _texts(path: Path, stored: dict[str, Any], key: str) -> dict[str, str]:
    texts: dict[str, str] = _checked(path, stored, key, "an object of texts", dict)
    if not all(isinstance(text, str) for text in texts.values()):
        raise _odd(path, key, "an object of texts", texts)
    return texts


def _pairs(path: Path, stored: dict[str, Any]) -> tuple[tuple[str, str], ...] | None:
    pairs = stored.get("different")
    if pairs is None:
        return None
    rule = "null or a list of pairs of labels"
    for pair in _checked(path, stored, "different", rule, list):
        if not (isinstance(pair, list) and len(pair) == 2 and all(isinstance(label, str) for label in pair)):  # noqa: PLR2004
            raise _odd(path, "different", rule, pair)
    return tuple((first, second) for first, second in pairs)


def _checked(path: Path, stored: dict[str, Any], key: str, rule: str, kind: type) -> Any:
    value = stored.get(key)
    if not isinstance(value, kind):
        raise _odd(path, key, rule, value)
    return value


def _odd(path: Path, key: str, rule: str, value: object) -> DatasetError:
    return DatasetError(f"{path}: '{key}' must be {rule}, got {value!r:.80}")
