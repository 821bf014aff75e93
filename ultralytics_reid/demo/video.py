"""The demo's video: the trackers' panels side by side."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import cv2
import numpy as np

from .._typing import ImageArray
from ..errors import ReIDError
from ..evaluation.frames import Frame
from .annotations import Comment
from .drawing import Tag, draw_boxes, heading

# A panel is as wide at most, and at least, pixels.
_MOST, _LEAST = 960, 640
_GAP = 8


@dataclass(frozen=True)
class Panel:
    """One tracker's part of the video.

    Attributes:
        title: Whose it is.
        comment: What is said of it.
        frames: Its boxes until now; the list that grows with the video.
    """

    title: str
    comment: Comment
    frames: list[Frame]

    def draw(self, result: Any, width: int, seconds: float) -> ImageArray:
        """Draw a frame, which is the last in `frames`.

        Args:
            result: The host's result.
            width: Pixels.
            seconds: Its time.
        """
        scale = width / result.orig_shape[1]
        image = _resized(result.orig_img, scale)
        tags = self.comment.tags(result, self.frames, seconds)
        draw_boxes(image, [Tag(t.identity, t.xyxy * scale, t.note, t.good) for t in tags])
        strip = self.comment.strip()
        parts = [heading(width, self.title, self.comment.summary(), f"{seconds:.1f} s"), image]
        return np.concatenate(parts if strip is None else [*parts, strip])


def panel_width(width: int) -> int:
    """How wide a panel is for a video of some width, pixels."""
    return min(_MOST, max(_LEAST, width)) // 2 * 2


def _resized(image: ImageArray, scale: float) -> ImageArray:
    if scale == 1:
        return np.array(image)
    size = round(image.shape[1] * scale), round(image.shape[0] * scale)
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR))


class Film:
    """Writes panels, side by side, as a video.

    Args:
        path: The `.mp4` to write.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._video: Any = None

    def __enter__(self) -> Film:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._video is not None:
            self._video.release()

    def add(self, panels: list[ImageArray], fps: float) -> None:
        """Write a frame.

        Args:
            panels: Each `(H, W, 3)` uint8 BGR, all of one height, and of the first frame's size.
            fps: Frames a second; the first frame's count.

        Raises:
            ReIDError: If OpenCV can't write it.
        """
        height = panels[0].shape[0] + panels[0].shape[0] % 2
        gap = np.full((height, _GAP, 3), 255, np.uint8)
        sheet = np.concatenate([part for panel in panels for part in (gap, _padded(panel, height))][1:], axis=1)
        if self._video is None:
            size = (sheet.shape[1], sheet.shape[0])
            self._video = cv2.VideoWriter(str(self._path), cv2.VideoWriter.fourcc(*"mp4v"), fps, size)
            if not self._video.isOpened():
                raise ReIDError(f"{self._path}: OpenCV can't write a video there")
        self._video.write(sheet)


def _padded(panel: ImageArray, height: int) -> ImageArray:
    more = np.full((height - panel.shape[0], *panel.shape[1:]), 255, np.uint8)
    return np.concatenate([panel, more])
