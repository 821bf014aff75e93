"""Keep the images of a stream, which can't be read twice, until its ids are final."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2

from .._typing import ImageArray, as_pixels
from ..drawing.video import open_video
from ..errors import ReIDError

# The file is read image by image, and any rate will do.
_FPS = 30.0


class Spool:
    """A temporary video beside the outputs, which only its owner can read, and which is removed at the end.

    Args:
        folder: Folder to put it in.

    Raises:
        ReIDError: If the folder can't be written to.
    """

    def __init__(self, folder: Path) -> None:
        try:
            self._folder = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=folder))
        except OSError as error:
            raise ReIDError(f"{folder} can't be written to: {error.strerror}") from error
        self._path = self._folder / "stream.mp4"
        self._video: Any = None
        self._size = (0, 0)

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()
        shutil.rmtree(self._folder)

    def add(self, image: ImageArray) -> None:
        """Keep an image, `(H, W, 3)` uint8 BGR; one of another size than the first is scaled.

        Raises:
            ReIDError: If OpenCV can't write it.
        """
        if self._video is None:
            # Encoders want even numbers.
            self._size = image.shape[1] // 2 * 2, image.shape[0] // 2 * 2
            self._video = open_video(self._path, _FPS, self._size)
        if (image.shape[1], image.shape[0]) != self._size:
            image = as_pixels(cv2.resize(image, self._size))
        self._video.write(image)

    def images(self) -> Iterator[ImageArray]:
        """Read the images, `(H, W, 3)` uint8 BGR."""
        self._end()
        video = cv2.VideoCapture(str(self._path))
        try:
            while (read := video.read())[0]:
                yield as_pixels(read[1])
        finally:
            video.release()

    def _end(self) -> None:
        if self._video is not None:
            self._video.release()
            self._video = None
