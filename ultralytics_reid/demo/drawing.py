"""Draw what surrounds the image in a panel of the video: a heading above, a timeline of ids below."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import cv2
import numpy as np

from .._typing import ImageArray
from ..drawing.colors import BAD, FAINT, GOOD, INK, LINE, PAPER, bgr, color_of
from ..drawing.text import paste, render_text

_TITLE, _LETTERS = 26, 19
HEAD = 76
_ROW, _BAR, _SIDE, _CAPTION, _EDGE, _GAP = 14, 10, 34, 30, 12, 8


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
