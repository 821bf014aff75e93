"""The annotated video: boxes with their final ids, in a color an id."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from .._typing import Doubles, ImageArray, as_floats, as_pixels
from ..drawing.boxes import BoxLabel, draw_boxes
from ..drawing.video import open_video
from ..errors import ReIDError
from ..gallery.export.atomic_file import atomic_write
from .options import SUFFIXES
from .tracked import CLASS, ID, X1, Y2, TrackedVideo

# How long the note of a return stays on the box.
_NOTE_SECONDS = 3.0
# Lines of an image for which letters have their usual size.
_USUAL_LINES = 720


class AnnotatedVideo:
    """Writer of the annotated video, image by image.

    Args:
        path: The `.mp4` to write.
        tracked: The tracked video, with final ids.
    """

    def __init__(self, path: Path, tracked: TrackedVideo) -> None:
        # Encoders want even numbers.
        self._size = tracked.size[0] // 2 * 2, tracked.size[1] // 2 * 2
        self._scale = max(1.0, min(self._size) / _USUAL_LINES)
        self._tracked = tracked
        self._names = tracked.has_classes
        self._returns = {track.identity: track.absences for track in tracked.identities if track.absences}
        self._path, self._written = path, 0
        self._video: Any = open_video(path, tracked.fps, self._size)

    def add(self, image: ImageArray, rows: Doubles, seconds: float) -> None:
        """Draw and write the next image.

        Args:
            image: `(H, W, 3)` uint8 BGR.
            rows: `(N, 8)` rows of this frame.
            seconds: Time of this frame.
        """
        drawn = np.array(image)
        draw_boxes(drawn, [self._label(row, seconds) for row in rows], self._scale)
        if (drawn.shape[1], drawn.shape[0]) != self._size:
            # Images of a folder may have different sizes, a video has one.
            drawn = as_pixels(cv2.resize(drawn, self._size))
        self._video.write(drawn)
        self._written += 1

    def _label(self, row: Doubles, seconds: float) -> BoxLabel:
        identity = int(row[ID])
        back = [b - a for a, b in self._returns.get(identity, ()) if b <= seconds < b + _NOTE_SECONDS]
        note = f"back after {back[-1]:.0f} s" if back else ""
        name = self._tracked.class_name(int(row[CLASS])) if self._names else ""
        return BoxLabel(identity, as_floats(row[X1 : Y2 + 1]), note, name=name)

    def close(self) -> None:
        """Finish the file."""
        self._video.release()

    def is_complete(self) -> bool:
        """Whether the finished file has all images: OpenCV doesn't say where the disk is full."""
        video = cv2.VideoCapture(str(self._path))
        try:
            return int(video.get(cv2.CAP_PROP_FRAME_COUNT)) == self._written
        finally:
            video.release()


@contextmanager
def annotated_video(path: Path | None, tracked: TrackedVideo) -> Iterator[AnnotatedVideo | None]:
    """Write the annotated video, complete or not at all.

    Args:
        path: The `.mp4` to write; None for none.
        tracked: The tracked video, with final ids.

    Raises:
        ReIDError: If it can't be written.
    """
    if path is None:
        yield None
        return
    with atomic_write(path, (SUFFIXES["video"],)) as part:
        video = AnnotatedVideo(part, tracked)
        try:
            yield video
        finally:
            video.close()
        if not video.is_complete():
            raise ReIDError(f"{path} can't be written: the video is incomplete; is the disk full?")
