"""The host's camera motion by sparse optical flow, left out while the camera stands still."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from ultralytics.trackers.utils.gmc import GMC

from .._typing import Bools, Doubles, Floats, ImageArray
from ..tuning import KEYFRAME_FRAMES, MIN_STATIC_CORNERS, STATIC_CORNERS, STATIC_FRAMES, STATIC_SHIFT

NO_MOTION: Doubles = np.eye(2, 3)
NO_MOTION.flags.writeable = False
_METHOD = "sparseOptFlow"
_COLORS = 3
# Corners of a keyframe: across the image's shorter side at most, and their least quality, as the host's have it.
_SPREAD, _QUALITY = 12, 0.01


@dataclass
class _Keyframe:
    """An image that later ones are compared with.

    Attributes:
        image: Gray, scaled down.
        corners: `(N, 1, 2)` float32 where the background has some, pixels.
        age: Frames in a row that show the same view.
    """

    image: ImageArray
    corners: Floats
    age: int = 0

    def shows(self, image: ImageArray, boxes: Floats) -> bool:
        """Whether an image is of the same view: most corners in no box are where they were."""
        moved, found, _ = cv2.calcOpticalFlowPyrLK(self.image, image, self.corners, np.empty(0))
        shift = np.linalg.norm(moved - self.corners, axis=2).ravel()
        shift[found.ravel() == 0] = np.inf
        shift = shift[~_inside(self.corners[:, 0], boxes)]
        return len(shift) >= MIN_STATIC_CORNERS and bool(np.median(shift) <= STATIC_SHIFT)


class CameraMotion(GMC):
    """The host's camera motion, but for a camera that stands still, which is found out by far fewer corners.

    Flow of some hundred corners takes longer than all the rest of a tracker's work on a few people, and what it finds
    between two images of a static camera is noise, of which some adds up. An image is compared with a keyframe at a few
    corners of the background; once `STATIC_FRAMES` in a row fit, there is no motion until one doesn't. Motion too slow
    to be seen from frame to frame adds up against the keyframe, and is seen then. Methods other than `sparseOptFlow`
    are the host's.

    Args:
        method: See the host's.
    """

    def __init__(self, method: str | None = _METHOD) -> None:
        self._keyframe: _Keyframe | None = None
        self._pause = 0
        super().__init__(method)

    @property
    def static(self) -> bool:
        """Whether the camera stood still in the last frames."""
        return self._keyframe is not None and self._keyframe.age >= STATIC_FRAMES

    def apply(self, raw_frame: ImageArray, detections: npt.ArrayLike | None = None) -> Doubles:
        """See the host's: the `(2, 3)` warp from the last frame to this one; the identity while the camera is static.

        Args:
            raw_frame: `(H, W, C)` uint8.
            detections: `(N, 4)` or wider, xyxy boxes in pixels, which hide the background; None for none.
        """
        if self.method != _METHOD or self._waits():
            return np.asarray(super().apply(raw_frame, detections))
        boxes = np.zeros((0, 4), np.float32) if detections is None else np.asarray(detections, np.float32)
        image, before = self._scaled_down(raw_frame), self.static
        self._compare(image, boxes[:, :4] / self.downscale)
        if self.static:
            self.prevFrame, self.prevKeyPoints, self.initializedFirstFrame = image, None, True
            return NO_MOTION
        if before:  # the corners of the last frame weren't needed until now
            self.prevKeyPoints = cv2.goodFeaturesToTrack(self.prevFrame, mask=None, **self.feature_params)
        return np.asarray(self.apply_sparseoptflow(raw_frame))

    def reset_params(self) -> None:
        """See the host's: forget past frames."""
        self._keyframe, self._pause = None, 0
        super().reset_params()

    def _waits(self) -> bool:
        """Whether the next keyframe isn't due yet, as the last one didn't fit; a frame of the wait goes by."""
        if self._keyframe is not None or not self._pause:
            return False
        self._pause -= 1
        return True

    def _scaled_down(self, raw_frame: ImageArray) -> ImageArray:
        """The image as the host compares it."""
        height, width, channels = raw_frame.shape
        gray: Any = cv2.cvtColor(raw_frame, cv2.COLOR_BGR2GRAY) if channels == _COLORS else raw_frame
        size = (width // self.downscale, height // self.downscale)
        return np.asarray(cv2.resize(gray, size) if self.downscale > 1 else gray)

    def _compare(self, image: ImageArray, boxes: Floats) -> None:
        """Compare an image with the keyframe, which the first image that doesn't fit ends; the next waits a while."""
        key = self._keyframe
        if key is None:
            self._begin(image, boxes)
        elif not key.shows(image, boxes):
            self._keyframe, self._pause = None, STATIC_FRAMES
        else:
            key.age += 1
            if key.age % KEYFRAME_FRAMES == 0:  # light changes
                self._begin(image, boxes, key.age)

    def _begin(self, image: ImageArray, boxes: Floats, age: int = 0) -> None:
        """Take an image for the keyframe, if its background has corners enough to tell."""
        background = np.full(image.shape[:2], 255, np.uint8)
        for left, top, right, bottom in np.clip(boxes, 0, None).astype(int).tolist():
            background[top : bottom + 1, left : right + 1] = 0
        spread = max(1, min(image.shape[:2]) // _SPREAD)
        found: Any = cv2.goodFeaturesToTrack(image, STATIC_CORNERS, _QUALITY, spread, mask=background)
        enough = found is not None and len(found) >= MIN_STATIC_CORNERS
        self._keyframe = _Keyframe(image, np.asarray(found, np.float32), age) if enough else None
        self._pause = STATIC_FRAMES


def _inside(points: Floats, boxes: Floats) -> Bools:
    """Which points `(N, 2)` lie in any of the boxes `(B, 4)`."""
    x, y = points[:, :1], points[:, 1:]
    left, top, right, bottom = boxes.T
    return np.asarray(((x >= left) & (x <= right) & (y >= top) & (y <= bottom)).any(axis=1))
