"""Draw a panel of the video: boxes and ids on the image, a heading above, a timeline of ids below."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from .._typing import Floats, ImageArray
from ..drawing.colors import BAD, FAINT, GOOD, INK, LINE, PAPER, bgr, color_of
from ..drawing.text import paste, render_text

_TITLE, _LETTERS, _LABEL = 26, 19, 17
HEAD = 76
_ROW, _BAR, _SIDE, _CAPTION, _EDGE, _GAP = 14, 10, 34, 30, 12, 8


@dataclass(frozen=True)
class BoxLabel:
    """A box to draw, with its label.

    Attributes:
        identity: Id of the box.
        xyxy: `(4,)` float32, pixels of the panel's image.
        note: Text beside the id; may be empty.
        good: Whether the note reports a success (True) or an error (False); None for neither.
    """

    identity: int
    xyxy: Floats
    note: str = ""
    good: bool | None = None


def draw_boxes(image: ImageArray, labels: Sequence[BoxLabel]) -> None:
    """Draw boxes, and labels that avoid each other, those with notes first."""
    for label in labels:
        (left, top), (right, bottom) = label.xyxy[:2].astype(int).tolist(), label.xyxy[2:].astype(int).tolist()
        cv2.rectangle(image, (left, top), (right, bottom), bgr(color_of(label.identity)), 2)
        if label.good is not None:
            _corners(image, (left, top, right, bottom), bgr(GOOD if label.good else BAD))
    taken: list[tuple[int, int, int, int]] = []
    for label in sorted(labels, key=lambda t: (t.good is None, t.identity)):
        patch = _render_label(label)
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


def _render_label(label: BoxLabel) -> ImageArray:
    chip = render_text(str(label.identity), _LABEL, PAPER, color_of(label.identity), bold=True, pad=5)
    if not label.note:
        return chip
    sign = "✓" if label.good else "✗"
    news = render_text(f"{sign} {label.note}", _LABEL, GOOD if label.good else BAD, PAPER, bold=True, pad=5)
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


def heading(width: int, title: str, text: str, right: str) -> ImageArray:
    """Draw the heading of a panel: title, summary, and time."""
    strip = np.full((HEAD, width, 3), 255, np.uint8)
    paste(strip, render_text(title, _TITLE, INK, PAPER, bold=True), 12, 4)
    paste(strip, render_text(text, _LETTERS, INK, PAPER), 12, 44)
    clock = render_text(right, _LETTERS, FAINT, PAPER)
    paste(strip, clock, width - clock.shape[1] - 12, 10)
    return strip


class Timeline:
    """Timeline of the ids given to each person: a row for each person, a color for each id.

    Args:
        width: Width, pixels.
        people: Persons, by row.
        frames: Number of frames of the whole video.
        max_gap: Maximum number of missing frames that is drawn without a gap.
    """

    def __init__(self, width: int, people: Sequence[int], frames: int, max_gap: int) -> None:
        self._row = {person: n for n, person in enumerate(people)}
        self._max_gap = max_gap
        self._scale = (width - _SIDE - _EDGE) / max(1, frames)
        self._last: dict[int, tuple[int, int]] = {}
        self._canvas = np.full((_CAPTION + _ROW * len(people) + _GAP, width, 3), 255, np.uint8)
        paste(self._canvas, render_text("row: person, color: id, gap: out of view", 15, FAINT, PAPER), _SIDE, 6)
        for n in range(len(people)):
            middle = _CAPTION + n * _ROW + _BAR // 2
            paste(self._canvas, render_text(person_name(n), 12, FAINT, PAPER, bold=True), _EDGE, middle - 8)
            cv2.line(self._canvas, (_SIDE, middle), (width - _EDGE, middle), bgr(LINE), 1)

    def add(self, frame: int, on: dict[int, int]) -> None:
        """Draw the ids of a frame: `{person: id}`."""
        for person, identity in on.items():
            before, at = self._last.get(person, (None, frame))
            start = at + 1 if before == identity and frame - at <= self._max_gap else frame
            top, left = _CAPTION + self._row[person] * _ROW, self._x(start)
            self._canvas[top : top + _BAR, left : max(left + 1, self._x(frame + 1))] = bgr(color_of(identity))
            self._last[person] = identity, frame

    def render(self, frame: int, marks: Iterable[tuple[int, int, bool]]) -> ImageArray:
        """Render the timeline so far, `(H, W, 3)` uint8 BGR.

        Args:
            frame: Index of the current frame.
            marks: `(frame, person, recognized)` for each return, drawn as ✓ or ✗ before it.
        """
        shown: ImageArray = self._canvas.copy()
        for at, person, good in marks:
            sign = render_text("✓" if good else "✗", 13, GOOD if good else BAD, PAPER, bold=True)
            paste(shown, sign[3:-2], self._x(at) - sign.shape[1] - 1, _CAPTION + self._row[person] * _ROW - 1)
        cv2.line(shown, (self._x(frame + 1), _CAPTION - 4), (self._x(frame + 1), shown.shape[0]), bgr(INK), 1)
        return shown

    def _x(self, frame: int) -> int:
        return _SIDE + int(frame * self._scale)


def person_name(row: int) -> str:
    """Name of a person of a generated scene: A to Z, then A1, B1 and so on."""
    return chr(ord("A") + row % 26) + (str(row // 26) if row >= 26 else "")  # noqa: PLR2004
