"""Open videos to write."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2

from ..errors import ReIDError

# The first that OpenCV has an encoder for is taken.
_CODECS = ("avc1", "mp4v")


def open_video(path: Path, fps: float, size: tuple[int, int]) -> cv2.VideoWriter:
    """Open an `.mp4` to write: H.264, which browsers play, where OpenCV has an encoder; MPEG-4 Part 2 elsewhere.

    Args:
        path: The file.
        fps: Frames per second.
        size: Width and height, pixels.

    Raises:
        ReIDError: If OpenCV can't write it.
    """
    for codec in _CODECS:
        # The libraries print, past Python, that they look for encoders in vain.
        with _muted_stderr():
            video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), fps, size)
        if video.isOpened():
            return video
    raise ReIDError(f"{path}: OpenCV can't write a video there")


@contextmanager
def _muted_stderr() -> Iterator[None]:
    """Discard what is written to the file descriptor of stderr."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
