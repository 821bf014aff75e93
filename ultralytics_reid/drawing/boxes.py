"""Draw boxes on an image, with ids and notes that avoid each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import TypeAlias

import cv2
import numpy as np

from .._typing import Floats, ImageArray
from .colors import BAD, GOOD, INK, PAPER, bgr, color_of
from .text import paste, render_text

# Height of a label's letters, pixels.
_LABEL = 17
# Before a note: of a success, an error, and of what isn't known to be either.
_SIGNS = {True: "✓", False: "✗", None: "↩"}

# Left, top, right, bottom, pixels.
_Area: TypeAlias = tuple[int, int, int, int]
# Height and width first, pixels.
_Shape: TypeAlias = tuple[int, ...]


@dataclass(frozen=True)
class BoxLabel:
    """A box to draw, with its label.

    Attributes:
        identity: Id of the box.
        xyxy: `(4,)` float32, pixels of the panel's image.
        note: Text beside the id; may be empty.
        good: Whether the note reports a success (True) or an error (False), by ground truth; None where it isn't known.
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
        if label.note:
            color = color_of(label.identity) if label.good is None else _ink(label)
            _corners(image, (left, top, right, bottom), bgr(color))
    taken: list[_Area] = []
    for label in sorted(labels, key=lambda t: (not t.note, t.identity)):
        size = round(_LABEL * scale)
        chip, note = _render_chip(label, size), _render_note(label, size)
        area, at_left = _least_overlapping(image.shape, (chip.shape, note.shape), label.xyxy, taken)
        taken.append(area)
        paste(image, np.concatenate([note, chip] if at_left else [chip, note], axis=1), *area[:2])


def _corners(image: ImageArray, box: _Area, color: tuple[int, int, int]) -> None:
    left, top, right, bottom = box
    reach = max(6, min(right - left, bottom - top) // 4)
    for x, dx in ((left, reach), (right, -reach)):
        for y, dy in ((top, reach), (bottom, -reach)):
            cv2.line(image, (x, y), (x + dx, y), color, 5)
            cv2.line(image, (x, y), (x, y + dy), color, 5)


def _render_chip(label: BoxLabel, size: int) -> ImageArray:
    text = f"{label.identity} {label.name}".rstrip()
    return render_text(text, size, PAPER, color_of(label.identity), bold=True, pad=5)


def _render_note(label: BoxLabel, size: int) -> ImageArray:
    """Render a note; of no width where there is none."""
    if not label.note:
        return np.zeros((_render_chip(label, size).shape[0], 0, 3), np.uint8)
    return render_text(f"{_SIGNS[label.good]} {label.note}", size, _ink(label), PAPER, bold=True, pad=5)


def _ink(label: BoxLabel) -> str:
    return INK if label.good is None else GOOD if label.good else BAD


def _least_overlapping(
    room: _Shape, label: tuple[_Shape, _Shape], xyxy: Floats, taken: Sequence[_Area]
) -> tuple[_Area, bool]:
    """Choose the place of a label that overlaps the others least: above the box, below it, beside it, or higher.

    The chip with the id stays at its box: a note that doesn't fit at its right stands at its left.

    Args:
        room: Height and width of the image, pixels.
        label: Height and width of the chip, and of the note beside it, whose width may be 0.
        xyxy: `(4,)` the box.
        taken: Areas of other labels.

    Returns:
        The label's area, and whether the note is left of the id.
    """
    left, top, right, bottom = xyxy.astype(int).tolist()
    (height, chip, *_), (_, note, *_) = label
    places = [(left, top - height), (right - chip, top - height), (left, bottom), (left, top)]
    places += [(left, top - n * height) for n in (2, 3)] + [(right, top), (left - chip, top)]
    found = []
    for (x, y), at_left in product(places, (False, True) if note else (False,)):
        wanted = _inside(x, room[1] - chip) - (note if at_left else 0)
        start, above = _inside(wanted, room[1] - chip - note), _inside(y, room[0] - height)
        area = start, above, start + chip + note, above + height
        found.append((start != wanted, sum(_overlap(area, other) for other in taken), area, at_left))
    *_, area, at_left = min(found, key=lambda place: place[:2])
    return area, at_left


def _inside(at: int, most: int) -> int:
    """A coordinate between 0 and `most`; 0 where there is no room."""
    return max(0, min(at, most))


def _overlap(a: _Area, b: _Area) -> int:
    """Overlap of two rectangles, pixels."""
    wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    return max(0, wide) * max(0, high)
