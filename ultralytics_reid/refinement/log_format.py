"""The track log's records: length, CRC-32 and a body, which is a header in JSON or a frame's arrays.

A log is a magic line, then records of a little-endian uint32 length, a uint32 checksum of the body, and the body. Its
first byte says what it is: `H`, a header, or `F`, a frame. Nothing in it is code.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from .._typing import Bools, Floats, Ints
from ..errors import TrackLogError

MAGIC = b"ultralytics-reid track log\n"
VERSION = 1
_RECORD = struct.Struct("<II")
_FRAME = struct.Struct("<qdI")
# Longer ones are damage: 10,000 boxes with embeddings of 2048 dimensions are shorter.
_MAX_BYTES = 1 << 26
_BOX = np.dtype(
    [("id", "<i8"), ("xyxy", "<f4", 4), ("confidence", "<f4"), ("cls", "<i4"), ("shown", "?"), ("embedded", "?")]
)


@dataclass(frozen=True)
class Header:
    """What a log says of its video.

    Attributes:
        embedder: Fingerprint of the embedder; empty where it isn't known.
        dim: Dimensions of the embeddings; 0 as long as there is none.
        fps: Frames a second.
        shape: Height and width of the images, pixels; zeros where they aren't known.
        class_names: Names by class index, of those that are known.
        version: Of the format.
    """

    embedder: str
    dim: int
    fps: float
    shape: tuple[int, int]
    class_names: Mapping[int, str] = field(default_factory=dict)
    version: int = VERSION


@dataclass(frozen=True)
class LoggedFrame:
    """A frame's boxes.

    Attributes:
        index: The frame's number.
        time: Seconds.
        ids: `(N,)` int64; below 0 while a box is held back.
        xyxy: `(N, 4)` float32, pixels.
        confidence: `(N,)` float32.
        cls: `(N,)` int64.
        embedded: `(N,)` bool, which boxes have an embedding.
        embeddings: `(E, D)` those embeddings.
    """

    index: int
    time: float
    ids: Ints
    xyxy: Floats
    confidence: Floats
    cls: Ints
    embedded: Bools
    embeddings: npt.NDArray[np.floating]


def pack_header(header: Header) -> bytes:
    """Encode a header as a record."""
    return _record(b"H" + json.dumps(asdict(header)).encode())


def pack_frame(frame: LoggedFrame) -> bytes:
    """Encode a frame as a record; embeddings become float16."""
    boxes = np.zeros(len(frame.ids), _BOX)
    boxes["id"], boxes["xyxy"], boxes["confidence"] = frame.ids, frame.xyxy, frame.confidence
    boxes["cls"], boxes["shown"], boxes["embedded"] = frame.cls, frame.ids > 0, frame.embedded
    head = _FRAME.pack(frame.index, frame.time, len(boxes))
    return _record(b"F" + head + boxes.tobytes() + frame.embeddings.astype("<f2").tobytes())


def _record(body: bytes) -> bytes:
    return _RECORD.pack(len(body), zlib.crc32(body)) + body


def bodies(file: BinaryIO) -> Iterator[bytes | None]:
    """Yield the bodies of whole records; last None, if the log is cut or damaged after them."""
    while head := file.read(_RECORD.size):
        if len(head) < _RECORD.size:
            yield None
            return
        length, checksum = _RECORD.unpack(head)
        body = file.read(length) if length <= _MAX_BYTES else b""
        if len(body) < max(length, 1) or zlib.crc32(body) != checksum:
            yield None
            return
        yield body


def unpack_header(body: bytes, name: str) -> Header:
    """Decode a header.

    Args:
        body: A record's.
        name: What to call the log in errors.

    Raises:
        TrackLogError: If it is of another version, or none.
    """
    try:
        found = json.loads(body[1:])
        version = found["version"]
        if version != VERSION:
            raise TrackLogError(f"{name} has version {version} of the format; this package reads {VERSION}")
        height, width = found["shape"]
        names = {int(cls): str(name) for cls, name in found.get("class_names", {}).items()}
        embedder, dim, fps = str(found["embedder"]), int(found["dim"]), float(found["fps"])
        header = Header(embedder, dim, fps, (int(height), int(width)), names)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, TrackLogError):
            raise
        raise TrackLogError(f"{name} has a header that can't be read: {error}") from error
    if header.dim < 0 or not 0 < header.fps < np.inf:
        raise TrackLogError(f"{name} has a header that can't be: dim {header.dim}, fps {header.fps}")
    return header


def unpack_frame(body: bytes, dim: int, name: str) -> LoggedFrame:
    """Decode a frame.

    Args:
        body: A record's.
        dim: Dimensions of the embeddings.
        name: What to call the log in errors.

    Raises:
        TrackLogError: If its length is another than its header says.
    """
    try:
        index, time, count = _FRAME.unpack_from(body, 1)
        at = 1 + _FRAME.size
        boxes = np.frombuffer(body, _BOX, count, at)
        embedded = boxes["embedded"].astype(bool)
        rest = np.frombuffer(body, "<f2", offset=at + boxes.nbytes)
        embeddings = rest.reshape(int(embedded.sum()), dim)
    except (struct.error, ValueError) as error:
        raise TrackLogError(f"{name} has a frame that isn't as its header says: {error}") from error
    cls = boxes["cls"].astype(np.int64)
    return LoggedFrame(index, time, boxes["id"], boxes["xyxy"], boxes["confidence"], cls, embedded, embeddings)
