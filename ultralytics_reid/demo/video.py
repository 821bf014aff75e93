"""Write the demo's video: the panels of the trackers side by side."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

import cv2
import numpy as np

from .._typing import ImageArray, as_pixels
from ..drawing.boxes import draw_boxes
from ..drawing.text import paste
from ..drawing.video import open_video
from ..evaluation.frames import FrameBoxes
from .annotations import Annotator
from .drawing import heading

# Pixels.
_MAX_WIDTH, _MIN_WIDTH = 960, 640
_GAP = 8


@dataclass(frozen=True)
class Panel:
    """One tracker's part of the video.

    Attributes:
        title: Title of the tracker.
        annotator: Source of labels, heading and timeline.
        frames: Boxes so far; the list grows with the video.
    """

    title: str
    annotator: Annotator
    frames: list[FrameBoxes]

    def draw(self, result: Any, width: int, seconds: float) -> ImageArray:
        """Draw the last of `frames`.

        Args:
            result: The host's result.
            width: Width of the panel, pixels.
            seconds: Time of the frame.
        """
        scale = width / result.orig_shape[1]
        image = _resized(result.orig_img, scale)
        labels = self.annotator.labels(result, self.frames, seconds)
        draw_boxes(image, [replace(label, xyxy=label.xyxy * scale) for label in labels])
        timeline = self.annotator.timeline()
        parts = [heading(width, self.title, self.annotator.summary(), f"{seconds:.1f} s"), image]
        return np.concatenate(parts if timeline is None else [*parts, timeline])


def panel_width(width: int) -> int:
    """Width of a panel for a video of some width, pixels."""
    return min(_MAX_WIDTH, max(_MIN_WIDTH, width)) // 2 * 2


def _resized(image: ImageArray, scale: float) -> ImageArray:
    if scale == 1:
        return np.array(image)
    size = round(image.shape[1] * scale), round(image.shape[0] * scale)
    return as_pixels(cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR))


class SideBySideVideo:
    """Writer of a video of panels side by side.

    Args:
        path: The `.mp4` to write.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._video: Any = None

    def __enter__(self) -> SideBySideVideo:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._video is not None:
            self._video.release()

    def add(self, panels: list[ImageArray], fps: float) -> None:
        """Write a frame.

        Args:
            panels: `(H, W, 3)` uint8 BGR each, all of one height, and of the first frame's sizes.
            fps: Frames per second; the value of the first frame is used.

        Raises:
            ReIDError: If OpenCV can't write it.
        """
        height = panels[0].shape[0] + panels[0].shape[0] % 2
        width = sum(panel.shape[1] + _GAP for panel in panels) - _GAP
        sheet, left = np.full((height, width, 3), 255, np.uint8), 0
        for panel in panels:
            paste(sheet, panel, left, 0)
            left += panel.shape[1] + _GAP
        if self._video is None:
            size = (sheet.shape[1], sheet.shape[0])
            self._video = open_video(self._path, fps, size)
        self._video.write(sheet)
