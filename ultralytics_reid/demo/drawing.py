"""One tracker's half of the video: boxes and ids on the image, a heading above, who had which id when below."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from .._typing import ImageArray
from ..drawing.colors import BAD, FAINT, GOOD, INK, LINE, PAPER, bgr, color_of
from ..drawing.text import put, words

_TITLE, _LETTERS, _LABEL = 26, 19, 17
HEAD = 76
_ROW, _BAR, _SIDE, _CAPTION, _EDGE, _GAP = 14, 10, 34, 30, 12, 8


@dataclass(frozen=True)
class Tag:
    """A box to draw.

    Attributes:
        identity: Its id.
        xyxy: `(4,)` pixels of the panel's image.
        note: What to say beside the id, if anything.
        good: Whether that is good news; None for neither.
    """

    identity: int
    xyxy: npt.NDArray[np.float32]
    note: str = ""
    good: bool | None = None


def draw_boxes(image: ImageArray, tags: Sequence[Tag]) -> None:
    """Draw boxes, and labels that keep out of each other's way, those with news first."""
    for tag in tags:
        (left, top), (right, bottom) = tag.xyxy[:2].astype(int).tolist(), tag.xyxy[2:].astype(int).tolist()
        cv2.rectangle(image, (left, top), (right, bottom), bgr(color_of(tag.identity)), 2)
        if tag.good is not None:
            _corners(image, (left, top, right, bottom), bgr(GOOD if tag.good else BAD))
    taken: list[tuple[int, int, int, int]] = []
    for tag in sorted(tags, key=lambda t: (t.good is None, t.identity)):
        patch = _label(tag)
        left, top = _free(image, patch, tag.xyxy, taken)
        taken.append((left, top, left + patch.shape[1], top + patch.shape[0]))
        put(image, patch, left, top)


def _corners(image: ImageArray, box: tuple[int, int, int, int], color: tuple[int, int, int]) -> None:
    left, top, right, bottom = box
    reach = max(6, min(right - left, bottom - top) // 4)
    for x, dx in ((left, reach), (right, -reach)):
        for y, dy in ((top, reach), (bottom, -reach)):
            cv2.line(image, (x, y), (x + dx, y), color, 5)
            cv2.line(image, (x, y), (x, y + dy), color, 5)


def _label(tag: Tag) -> ImageArray:
    chip = words(str(tag.identity), _LABEL, PAPER, color_of(tag.identity), bold=True, pad=5)
    if not tag.note:
        return chip
    sign = "✓" if tag.good else "✗"
    news = words(f"{sign} {tag.note}", _LABEL, GOOD if tag.good else BAD, PAPER, bold=True, pad=5)
    return np.concatenate([chip, news], axis=1)


def _free(
    image: ImageArray, patch: ImageArray, xyxy: npt.NDArray[np.float32], taken: Sequence[tuple[int, int, int, int]]
) -> tuple[int, int]:
    """Where a label covers least of the others: above the box, below, at its head, or further up."""
    height, width = patch.shape[:2]
    left, top, right, bottom = xyxy.astype(int).tolist()
    places = [(left, top - height), (right - width, top - height), (left, bottom), (left, top)]
    places += [(left, top - n * height) for n in (2, 3)] + [(right, top), (left - width, top)]
    inside = [
        (int(np.clip(x, 0, max(0, image.shape[1] - width))), int(np.clip(y, 0, max(0, image.shape[0] - height))))
        for x, y in places
    ]
    return min(inside, key=lambda at: sum(_common(at, (width, height), other) for other in taken))


def _common(at: tuple[int, int], size: tuple[int, int], other: tuple[int, int, int, int]) -> int:
    """Pixels that a patch and another place share."""
    wide = min(at[0] + size[0], other[2]) - max(at[0], other[0])
    high = min(at[1] + size[1], other[3]) - max(at[1], other[1])
    return max(0, wide) * max(0, high)


def heading(width: int, title: str, text: str, right: str) -> ImageArray:
    """What stands above an image: whose output it is, what came of it until now, and the time."""
    strip = np.full((HEAD, width, 3), 255, np.uint8)
    put(strip, words(title, _TITLE, INK, PAPER, bold=True), 12, 4)
    put(strip, words(text, _LETTERS, INK, PAPER), 12, 44)
    clock = words(right, _LETTERS, FAINT, PAPER)
    put(strip, clock, width - clock.shape[1] - 12, 10)
    return strip


class Timeline:
    """Who had which id when: a row a person, a color an id.

    Args:
        width: Pixels.
        people: Everybody, by row.
        frames: Frames of the whole video.
        bridged: Frames that may be missing between two of the same id without a gap being drawn.
    """

    def __init__(self, width: int, people: Sequence[int], frames: int, bridged: int) -> None:
        self._row = {person: n for n, person in enumerate(people)}
        self._bridged = bridged
        self._scale = (width - _SIDE - _EDGE) / max(1, frames)
        self._last: dict[int, tuple[int, int]] = {}
        self._canvas = np.full((_CAPTION + _ROW * len(people) + _GAP, width, 3), 255, np.uint8)
        put(self._canvas, words("a row a person, a color an id, a gap out of view", 15, FAINT, PAPER), _SIDE, 6)
        for n in range(len(people)):
            middle = _CAPTION + n * _ROW + _BAR // 2
            put(self._canvas, words(letter(n), 12, FAINT, PAPER, bold=True), _EDGE, middle - 8)
            cv2.line(self._canvas, (_SIDE, middle), (width - _EDGE, middle), bgr(LINE), 1)

    def add(self, frame: int, on: dict[int, int]) -> None:
        """Draw a frame: `{person: id}`."""
        for person, identity in on.items():
            before, at = self._last.get(person, (None, frame))
            start = at + 1 if before == identity and frame - at <= self._bridged else frame
            top, left = _CAPTION + self._row[person] * _ROW, self._x(start)
            self._canvas[top : top + _BAR, left : max(left + 1, self._x(frame + 1))] = bgr(color_of(identity))
            self._last[person] = identity, frame

    def image(self, frame: int, marks: Iterable[tuple[int, int, bool]]) -> ImageArray:
        """What is drawn until now.

        Args:
            frame: Where now is.
            marks: `(frame, person, good)` for every return, which gets a tick or a cross before it.
        """
        shown: ImageArray = self._canvas.copy()
        for at, person, good in marks:
            sign = words("✓" if good else "✗", 13, GOOD if good else BAD, PAPER, bold=True)
            put(shown, sign[3:-2], self._x(at) - sign.shape[1] - 1, _CAPTION + self._row[person] * _ROW - 1)
        cv2.line(shown, (self._x(frame + 1), _CAPTION - 4), (self._x(frame + 1), shown.shape[0]), bgr(INK), 1)
        return shown

    def _x(self, frame: int) -> int:
        return _SIDE + int(frame * self._scale)


def letter(row: int) -> str:
    """What a person of a generated scene is called: A to Z, then A1, B1 and so on."""
    return chr(ord("A") + row % 26) + (str(row // 26) if row >= 26 else "")  # noqa: PLR2004
