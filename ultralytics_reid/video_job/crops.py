"""Choose and cut out a few crops of each identity, for the contact sheet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from .._typing import Doubles, ImageArray, Ints, as_ints
from ..evaluation.frames import iou
from .tracked import CONFIDENCE, FRAME, X1, Y2, IdentityTrack, TrackedVideo

# Crops of an identity; identities with crops, those with the most boxes.
MAX_CROPS, MAX_IDENTITIES = 8, 60
# Height and greatest width of a crop in the page, pixels; JPEG quality, percent.
_HEIGHT, _MAX_WIDTH, _QUALITY = 128, 128, 80


@dataclass(frozen=True)
class Crop:
    """A crop.

    Attributes:
        frame: Its frame in `TrackedVideo.rows`.
        jpeg: The image.
    """

    frame: int
    jpeg: bytes


@dataclass
class CropCollector:
    """Cut out crops while the images pass once more.

    Args:
        tracked: The tracked video, with final ids.

    Attributes:
        crops: Crops by identity, in the order of time.
    """

    tracked: TrackedVideo
    crops: dict[int, list[Crop]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        by_frame, self._boxes = self.tracked.by_frame(), dict[int, list[tuple[int, Doubles]]]()
        for track in sheet_identities(self.tracked):
            for row in track.rows[_choose(track, by_frame)]:
                self._boxes.setdefault(int(row[FRAME]), []).append((track.identity, row[X1 : Y2 + 1]))

    def add(self, image: ImageArray, frame: int) -> None:
        """Cut out what was chosen of a frame.

        Args:
            image: `(H, W, 3)` uint8 BGR.
            frame: Its number in `TrackedVideo.rows`.
        """
        for identity, xyxy in self._boxes.get(frame, ()):
            left, top, right, bottom = xyxy.clip(0).astype(int)
            crop = image[top:bottom, left:right]
            if crop.size:
                self.crops.setdefault(identity, []).append(Crop(frame, _encode(crop)))


def sheet_identities(tracked: TrackedVideo) -> list[IdentityTrack]:
    """Select the identities with the most boxes, by first appearance."""
    most = sorted(tracked.identities, key=lambda track: -len(track.rows))[:MAX_IDENTITIES]
    chosen = {track.identity for track in most}
    return [track for track in tracked.identities if track.identity in chosen]


def _choose(track: IdentityTrack, by_frame: Sequence[Doubles]) -> list[int]:
    """Choose rows of an identity: the best of each of a few equal parts, so that the sheet spans its whole time."""
    quality = np.array([_quality(row, by_frame[int(row[FRAME]) - 1]) for row in _sampled(track)])
    index = _sample(len(track.rows))
    parts = np.array_split(np.arange(len(index)), min(MAX_CROPS, len(index)))
    return [int(index[part[np.argmax(quality[part])]]) for part in parts]


def _sample(count: int) -> Ints:
    """Sample so many rows that each part has a choice, and long videos cost no more than short ones."""
    return as_ints(np.unique(np.linspace(0, count - 1, min(count, 16 * MAX_CROPS)).round().astype(np.int64)))


def _sampled(track: IdentityTrack) -> Doubles:
    return track.rows[_sample(len(track.rows))]


def _quality(row: Doubles, rows: Doubles) -> float:
    """Confidence times the fraction not overlapped by other boxes of the frame."""
    others = rows[(rows[:, X1 : Y2 + 1] != row[X1 : Y2 + 1]).any(axis=1), X1 : Y2 + 1].astype(np.float32)
    overlap = iou(row[None, X1 : Y2 + 1].astype(np.float32), others)
    return float(row[CONFIDENCE] * (1 - overlap.max(initial=0)))


def _encode(crop: ImageArray) -> bytes:
    scale = min(_HEIGHT / crop.shape[0], _MAX_WIDTH / crop.shape[1])
    size = max(1, round(crop.shape[1] * scale)), max(1, round(crop.shape[0] * scale))
    small = cv2.resize(crop, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    return bytes(cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1])
