"""Names of cameras, from the host's sources."""

from __future__ import annotations

import inspect
import threading
import weakref
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

# Shorter than what a gallery takes, as it keeps files by these names.
_LONGEST = 160
# What a camera is called whose source has no name.
SOME_CAMERA = "camera"


def camera_names(predictor: Any, given: tuple[str, ...]) -> list[str]:
    """Names of the cameras that the host reads now, one a stream, or the one whose video is read.

    A file is called by its name without the suffix, images by their folder, a URL by host and path: user names,
    passwords and queries, which may have passwords too, are left out. Two files that would be called alike get their
    folders before the name; a name that is still given twice is numbered.

    Args:
        predictor: The host's, with `dataset`, and `results` where that is a video or a folder.
        given: Names that the user gave, as many as there are streams or more; empty for none.
    """
    if given:
        return list(given)
    data = predictor.dataset
    if data.mode == "stream":
        return _told_apart(_streams(predictor))
    path = str(predictor.results[0].path) if predictor.results else ""
    return [_printable(Path(path).parent.name) if data.mode == "image" else _name(path)]


class LoopNames:
    """Names of the process' loops of frames that were given none: no two loops have one name in one gallery."""

    def __init__(self) -> None:
        self._taken: weakref.WeakKeyDictionary[Any, tuple[str, str]] = weakref.WeakKeyDictionary()
        self._lock = threading.Lock()

    def take(self, predictor: Any, gallery: str) -> str:
        """Name a loop: `camera`, or `camera #2` and so on while others have the lower numbers.

        Args:
            predictor: The loop's; the name is free again when it is deleted.
            gallery: The gallery, as the tracker YAML has it.
        """
        gallery = gallery if _is_url(gallery) else str(Path(gallery).resolve())
        with self._lock:
            if self._taken.get(predictor, ("", ""))[0] != gallery:
                taken = {name for place, name in self._taken.values() if place == gallery}
                numbered = (_numbered(SOME_CAMERA, n) for n in range(1, len(taken) + 2))
                self._taken[predictor] = gallery, next(name for name in numbered if name not in taken)
            return self._taken[predictor][1]

    def release(self, predictor: Any) -> None:
        """Free a loop's name, as the loop is over."""
        with self._lock:
            self._taken.pop(predictor, None)


LOOPS = LoopNames()


def _streams(predictor: Any) -> list[str]:
    """What the streams' sources are; the host keeps only a form of them in which a password can't be told."""
    cleaned = [str(s) for s in getattr(predictor.dataset, "sources", [""])]
    given = _asked_for(predictor)
    if given is not None and Path(given).is_file() and Path(given).suffix == ".streams":
        given_all = Path(given).read_text(encoding="utf-8-sig").rsplit()
    else:
        given_all = [] if given is None else [given]
    if len(given_all) == len(cleaned):
        return given_all
    return [f"stream-{n + 1}" if "_//" in s or "___" in s else s for n, s in enumerate(cleaned)]


def _asked_for(predictor: Any) -> str | None:
    """The source as the user wrote it: the host hands it on from function to function, and keeps it nowhere."""
    frame = inspect.currentframe()
    while frame is not None:
        local = frame.f_locals
        if frame.f_code.co_name == "stream_inference" and local.get("self") is predictor:
            source = local.get("source")
            return None if source is None else str(source)
        frame = frame.f_back
    return None


def _told_apart(sources: list[str]) -> list[str]:
    names = [_name(s) for s in sources]
    twice = {name for name, times in Counter(names).items() if times > 1}
    names = [
        n if n not in twice or _is_url(s) else _printable(f"{Path(s).parent.name}/{n}")
        for s, n in zip(sources, names, strict=True)
    ]
    return [_numbered(n, names[:place].count(n) + 1) for place, n in enumerate(names)]


def _numbered(name: str, number: int) -> str:
    return name if number == 1 else f"{name} #{number}"


def _is_url(source: str) -> bool:
    return "://" in source


def _name(source: str) -> str:
    return _printable(_place(source) if _is_url(source) else Path(source).stem)


def _place(url: str) -> str:
    """Host, port and path; nothing that may be a secret."""
    try:
        parts = urlsplit(url)
        return f"{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}{parts.path if parts.netloc else ''}"
    except ValueError:  # a port that is no number, as where a password has a slash
        return ""


def _printable(name: str) -> str:
    return "".join(c for c in name if c.isprintable())[:_LONGEST] or SOME_CAMERA
