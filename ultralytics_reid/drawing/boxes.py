"""Draw boxes on an image, with ids and notes that avoid each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from .._typing import Floats, ImageArray
from .colors import BAD, GOOD, PAPER, bgr, color_of
from .text import paste, render_text

# Height of a label's letters, pixels.
_LABEL = 17


@dataclass(frozen=True)
class BoxLabel:
    """A box to draw, with its label.

    Attributes:
        identity: Id of the box.
        xyxy: `(4,)` float32, pixels of the panel's image.
        note: Text beside the id; may be empty.
        good: Whether the note reports a success (True) or an error (False); None for neither.
        name: Text after the id; may be empty.
    """

    identity: int
    xyxy: Floats
    note: str = ""
    good: bool | None = None
    name: str = ""


def draw_boxes(image: ImageArray, labels: Sequence[BoxLabel], scale: float = 1.0) -> None:
    """Draw boxes, and labels that avoid each other, those with notes first.

    Args:
        image: `(H, W, 3)` uint8 BGR, changed in place.
        labels: What to draw.
        scale: Size of letters and lines; 1 suits images of 720 lines and less.
    """
    for label in labels:
        (left, top), (right, bottom) = label.xyxy[:2].astype(int).tolist(), label.xyxy[2:].astype(int).tolist()
        cv2.rectangle(image, (left, top), (right, bottom), bgr(color_of(label.identity)), round(2 * scale))
        if label.good is not None:
            _corners(image, (left, top, right, bottom), bgr(GOOD if label.good else BAD))
    taken: list[tuple[int, int, int, int]] = []
    for label in sorted(labels, key=lambda t: (t.good is None, t.identity)):
        patch = _render_label(label, round(_LABEL * scale))
        left, top = _least_overlapping(image, patch, label.xyxy, taken)
        taken.append((left, top, left + patch.shape[1], top + patch.shape[0]))
        paste(image, patch, left, top)


def _corners(image: ImageArray, box: tuple[int, int, int, int], color: tuple[int, int, int]) -> None:
    left, top, right, bottom = box
    reach = max(6, min(right - left, bottom - top) // 4)
    for x, dx in ((left, reach), (right, -reach)):
        for y, dy in ((top, reach), (bottom, -reach)):
            cv2.line(image, (x, y), (x + dx, y), color, 5)
            cv2.line(image, (x, y), (x, y + dy), color, 5)


def _render_label(label: BoxLabel, size: int) -> ImageArray:
    chip = render_text(
        f"{label.identity} {label.name}".rstrip(), size, PAPER, color_of(label.identity), bold=True, pad=5
    )
    if not label.note:
        return chip
    sign = "✓" if label.good else "✗"
    news = render_text(f"{sign} {label.note}", size, GOOD if label.good else BAD, PAPER, bold=True, pad=5)
    return np.concatenate([chip, news], axis=1)


def _least_overlapping(
    image: ImageArray, patch: ImageArray, xyxy: Floats, taken: Sequence[tuple[int, int, int, int]]
) -> tuple[int, int]:
    """Choose the place of a label that overlaps the others least: above the box, below it, beside it, or higher."""
    height, width = patch.shape[:2]
    left, top, right, bottom = xyxy.astype(int).tolist()
    places = [(left, top - height), (right - width, top - height), (left, bottom), (left, top)]
    places += [(left, top - n * height) for n in (2, 3)] + [(right, top), (left - width, top)]
    inside = [
        (int(np.clip(x, 0, max(0, image.shape[1] - width))), int(np.clip(y, 0, max(0, image.shape[0] - height))))
        for x, y in places
    ]
    return min(inside, key=lambda at: sum(_overlap(at, (width, height), other) for other in taken))


def _overlap(at: tuple[int, int], size: tuple[int, int], other: tuple[int, int, int, int]) -> int:
    """Overlap of two rectangles, pixels."""
    wide = min(at[0] + size[0], other[2]) - max(at[0], other[0])
    high = min(at[1] + size[1], other[3]) - max(at[1], other[1])
    return max(0, wide) * max(0, high)
