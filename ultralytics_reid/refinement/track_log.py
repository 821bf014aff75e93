"""The track log: what a tracker showed in each frame, with embeddings of clean crops, appended to a file."""

from __future__ import annotations

import logging
import os
import tempfile
import weakref
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np

from .._whole_writes import append_whole
from ..errors import TrackLogError
from .log_format import MAGIC, Header, LoggedFrame, bodies, pack_frame, pack_header, unpack_frame, unpack_header
from .tracks import Tracks

_LOGGER = logging.getLogger("ultralytics")
_OWNER_ONLY = 0o600


class TrackLog:
    """A log of tracks, for `refine`: frames, ids, boxes and embeddings, no images.

    Records are appended to a file frame by frame, so that memory stays level, and a program that is killed loses no
    frame before the last one. Writing begins with the first frame, and replaces a log that is there.

    Args:
        path: The file, usually `*.reid`; None for a temporary one, which goes with this object.

    Attributes:
        path: The file; None before a temporary one is begun.
        number: Which one it is of a tracker's, or of several streams', from 1.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        self.path = self._first = None if path is None else Path(path)
        self.number = 1
        self._file: BinaryIO | None = None
        self._header: Header | None = None

    def append(self, frame: LoggedFrame, header: Header) -> None:
        """Write a frame.

        Args:
            frame: Its boxes.
            header: What is known of the video now.

        Raises:
            TrackLogError: If the embedder is another than before, or the file can't be written or is no track log.
                The log has no part of the frame then.
        """
        header = _joined(self._header, header, str(self.path or "the track log"))
        data = pack_frame(frame) if header == self._header else pack_header(header) + pack_frame(frame)
        try:
            file = self._file or self._begin()
            append_whole(file.fileno(), data if self.begun else MAGIC + data)
        except OSError as error:
            raise TrackLogError(f"the track log {self.path} can't be written: {error}") from error
        self._header = header

    def _begin(self) -> BinaryIO:
        if self.path is None:
            handle, name = tempfile.mkstemp(suffix=".reid")
            os.close(handle)
            self.path = Path(name)
            weakref.finalize(self, self.path.unlink, missing_ok=True)
        elif self.path.exists() and self.path.stat().st_size:
            _need_magic(self.path)
        self._file = _opened(self.path)
        return self._file

    def close(self) -> None:
        """Close the file; the log can be read as before, and a frame that is appended begins it anew."""
        if self._file is not None:
            self._file.close()
        self._file = self._header = None

    def numbered(self, number: int) -> TrackLog:
        """Return the log of another stream or video: `tracks-2.reid` beside `tracks.reid`; temporary if this one is."""
        log = TrackLog(self._first)
        log.number = number
        if self._first is not None:
            log.path = self._first.with_stem(f"{self._first.stem}-{number}")
        return log

    @property
    def begun(self) -> bool:
        """Whether this object has written a frame."""
        return self._header is not None

    @property
    def embedder(self) -> str:
        """Fingerprint of the embedder of what this object has written; empty where it isn't known."""
        return "" if self._header is None else self._header.embedder

    def read(self) -> Tracks:
        """Read all whole records; a log that was cut or damaged is read up to there, with a warning.

        Raises:
            TrackLogError: If there is no log, or it is no track log, of another version, or of mixed embedders.
        """
        header, frames = None, []
        for record in self._records():
            if isinstance(record, Header):
                header = _joined(header, record, str(self.path))
            else:
                frames.append(record)
        if header is None:
            raise TrackLogError(f"{self.path} has no header: nothing was logged")
        return _tracks(frames, header)

    def _records(self) -> Iterator[Header | LoggedFrame]:
        if self.path is None:
            raise TrackLogError("nothing was logged yet")
        try:
            _need_magic(self.path)
            with self.path.open("rb") as file:
                file.seek(len(MAGIC))
                yield from self._decoded(file)
        except OSError as error:
            raise TrackLogError(f"the track log {self.path} can't be read: {error}") from error

    def _decoded(self, file: BinaryIO) -> Iterator[Header | LoggedFrame]:
        name, dim, count = str(self.path), None, 0
        for body in bodies(file):
            if body is None:
                _LOGGER.warning(f"{name} was cut or damaged after {count} frames; what is before is read")
            elif body[:1] == b"H":
                header = unpack_header(body, name)
                dim = header.dim
                yield header
            elif body[:1] == b"F" and dim is not None:
                count += 1
                yield unpack_frame(body, dim, name)
            else:
                raise TrackLogError(f"{name} has a record of an unknown kind")


def _opened(path: Path) -> BinaryIO:
    """Open a file that only its owner can read: embeddings are biometric data."""
    number = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_TRUNC, _OWNER_ONLY)
    path.chmod(_OWNER_ONLY)  # an earlier log may have had another mode
    # Without a buffer: what was written outlives the process.
    return os.fdopen(number, "wb", buffering=0)


def _need_magic(path: Path) -> None:
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise TrackLogError(f"{path} is no track log")


def _joined(known: Header | None, new: Header, name: str) -> Header:
    """What is known of the video after another header; `known` keeps what `new` doesn't say."""
    if known is None:
        return new
    if known.dim and new.dim and (known.dim, known.embedder) != (new.dim, new.embedder):
        was, now = (f"{h.embedder or 'unknown'} ({h.dim} dimensions)" for h in (known, new))
        raise TrackLogError(f"{name} has embeddings of {was}, and now of another embedder, {now}")
    if known.dim and not new.dim:
        new = replace(new, dim=known.dim, embedder=known.embedder)
    new = new if any(new.shape) else replace(new, shape=known.shape)
    return new if new.class_names else replace(new, class_names=known.class_names)


def _tracks(frames: list[LoggedFrame], header: Header) -> Tracks:
    counts = [len(f.ids) for f in frames]
    none = np.zeros((0, max(1, header.dim)), np.float16)
    embeddings = np.concatenate([none, *(f.embeddings for f in frames if len(f.embeddings))])
    ids, confidence, cls = (
        np.concatenate([np.zeros(0), *(getattr(f, name) for f in frames)]) for name in ("ids", "confidence", "cls")
    )
    tracks = Tracks.from_arrays(
        np.repeat([f.index for f in frames], counts),
        ids,
        np.concatenate([np.zeros((0, 4), np.float32), *(f.xyxy for f in frames)]),
        confidence,
        cls,
        embeddings=embeddings,
        clean=np.concatenate([np.zeros(0, bool), *(f.embedded for f in frames)]),
        fps=header.fps,
        time=np.repeat([f.time for f in frames], counts),
        shape=header.shape if any(header.shape) else None,
        class_names=header.class_names,
    )
    return replace(tracks, frames=max((f.index for f in frames), default=0))
