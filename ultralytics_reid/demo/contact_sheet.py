"""The demo's contact sheet: a column a tracker, a row an identity, what it looked like when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from ..drawing.colors import FAINT, GOOD, INK, LINE, PAPER, color_of
from ..drawing.text import fitted, font
from ..evaluation.frames import Frame, iou

COLUMNS, ROWS = 7, 16
# An absence of as many seconds is worth a mark.
AWAY_SECONDS = 2.0
_KEPT, _GLIMPSE = 64, 10
_CROP, _CELL, _SIDE, _MARGIN, _HEAD, _FOOT = (76, 140), (92, 192), 132, 28, 76, 24
_COLUMN = _SIDE + COLUMNS * _CELL[0]


@dataclass
class Shot:
    """The best crop of an identity within some time.

    Attributes:
        seconds: When it was taken.
        worth: How clear it is, from 0 to 1: confidence, less what other boxes overlap.
        image: `(H, W, 3)` uint8 BGR.
    """

    seconds: float
    worth: float
    image: Any


@dataclass
class Album:
    """One identity's shots; when there are too many, every two neighbors become one."""

    step: float = 0.5
    frames: int = 0
    first: float = float("inf")
    last: float = float("-inf")
    shots: list[Shot] = field(default_factory=list)
    absences: list[tuple[float, float]] = field(default_factory=list)

    def add(self, shot: Shot) -> None:
        """Keep a shot if it is better than the last within the step; note an absence before it."""
        if shot.seconds - self.last >= AWAY_SECONDS and self.frames:
            self.absences.append((self.last, shot.seconds))
        fresh = not self.shots or shot.seconds - self.shots[-1].seconds >= self.step or self._back(self.shots[-1], shot)
        if fresh:
            self.shots.append(shot)
        elif shot.worth > self.shots[-1].worth:
            self.shots[-1] = Shot(self.shots[-1].seconds, shot.worth, shot.image)
        self.first = min(self.first, shot.seconds)
        self.frames, self.last = self.frames + 1, shot.seconds
        if len(self.shots) > _KEPT:
            self._thin()

    def _back(self, a: Shot, b: Shot) -> bool:
        return self.away(a, b) is not None

    def away(self, a: Shot, b: Shot) -> float | None:
        """How long the identity was out of sight between two shots, seconds; None if it wasn't."""
        gaps = [end - start for start, end in self.absences if a.seconds <= start and end <= b.seconds]
        return sum(gaps) if gaps else None

    def _thin(self) -> None:
        self.step *= 2
        kept = self.shots[:1]
        for a, b in pairwise(self.shots):
            if b.seconds - kept[-1].seconds >= self.step or self._back(a, b):
                kept.append(b)
        self.shots = kept[-_KEPT:]

    def choose(self, count: int) -> list[Shot]:
        """The first shot, the first after every absence, and others spread evenly, by time; `count` at most."""
        firsts = self.shots[:1] + [b for a, b in pairwise(self.shots) if self._back(a, b)]
        others = [s for s in self.shots if not any(s is f for f in firsts)]
        firsts = _spread(firsts, count)
        return sorted(firsts + _spread(others, count - len(firsts)), key=lambda s: s.seconds)


def _spread(shots: Sequence[Shot], count: int) -> list[Shot]:
    """At most `count` of them, evenly."""
    if len(shots) <= count:
        return list(shots)
    return [shots[i] for i in np.linspace(0, len(shots) - 1, count).astype(int)] if count else []


class Albums:
    """Albums of all identities that one tracker made of a video, in bounded memory an identity."""

    def __init__(self) -> None:
        self.albums: dict[int, Album] = {}

    def add(self, result: Any, frame: Frame, seconds: float) -> None:
        """Take the crops of a tracking result, as `YOLO.track` gave it, with its boxes and ids."""
        boxes = result.boxes if result.obb is None else result.obb
        overlap = iou(frame.xyxy, frame.xyxy) - np.eye(len(frame.xyxy))
        for n, (left, top, right, bottom) in enumerate(frame.xyxy.clip(0).astype(int)):
            image = result.orig_img[top:bottom, left:right]
            if image.size:
                worth = float(boxes.conf[n]) * (1 - float(overlap[n].max(initial=0)))
                self.albums.setdefault(int(frame.ids[n]), Album()).add(Shot(seconds, worth, image.copy()))

    def most_seen(self) -> list[tuple[int, Album]]:
        """The identities for the sheet; a few frames are no sight of anybody, unless there is nothing else."""
        albums = sorted(self.albums.items(), key=lambda item: -item[1].frames)[:ROWS]
        return [item for item in albums if item[1].frames >= _GLIMPSE] or albums


def save_sheet(path: Path, galleries: dict[str, Albums]) -> None:
    """Draw all identities, each tracker's in a column.

    Args:
        path: The `.png` to write.
        galleries: Each tracker's, by what it is called.
    """
    rows = max(len(g.most_seen()) for g in galleries.values())
    height = 2 * _MARGIN + _HEAD + rows * _CELL[1] + _FOOT
    sheet = Image.new("RGB", (_MARGIN + len(galleries) * (_COLUMN + _MARGIN), height), PAPER)
    for n, (title, gallery) in enumerate(galleries.items()):
        _draw_column(sheet, _MARGIN + n * (_COLUMN + _MARGIN), title, gallery)
    sheet.save(path)


def _draw_column(sheet: Image.Image, left: int, title: str, gallery: Albums) -> None:
    pen, albums = ImageDraw.Draw(sheet), gallery.most_seen()
    pen.text((left, _MARGIN), title, fill=INK, font=font(24, bold=True))
    text = f"{len(gallery.albums)} ids, by when they first appear"
    pen.text((left, _MARGIN + 32), text, fill=FAINT, font=font(15))
    top = _MARGIN + _HEAD
    for n, (identity, album) in enumerate(sorted(albums, key=lambda item: item[1].first)):
        _draw_row(pen, sheet, (left, top + n * _CELL[1]), identity, album)
    if more := len(gallery.albums) - len(albums):
        pen.text((left, top + len(albums) * _CELL[1]), f"and {more} more, seen less", fill=FAINT, font=font(15))


def _draw_row(pen: ImageDraw.ImageDraw, sheet: Image.Image, at: tuple[int, int], who: int, album: Album) -> None:
    left, top = at
    color = color_of(who)
    pen.line((left, top - 10, left + _COLUMN, top - 10), fill=LINE)
    pen.rectangle((left, top, left + 6, top + _CROP[1]), fill=color)
    pen.text((left + 18, top), f"id {who}", fill=color, font=font(22, bold=True))
    times = len(album.absences)
    seen = [f"{album.frames} frames", f"back {times} time{'s' * (times > 1)}" if times else "never back"]
    pen.multiline_text((left + 18, top + 36), "\n".join(seen), fill=FAINT, font=font(13), spacing=5)
    last: Shot | None = None
    for n, shot in enumerate(album.choose(COLUMNS)):
        away = album.away(last, shot) if last else None
        _draw_shot(pen, sheet, (left + _SIDE + n * _CELL[0], top), shot, away)
        last = shot


def _draw_shot(
    pen: ImageDraw.ImageDraw, sheet: Image.Image, at: tuple[int, int], shot: Shot, away: float | None
) -> None:
    left, top = at
    sheet.paste(fitted(Image.fromarray(shot.image[..., ::-1]), *_CROP), (left, top))
    pen.text((left, top + _CROP[1] + 3), f"{shot.seconds:.1f} s", fill=INK, font=font(13))
    if away is not None:
        pen.line((left - 8, top, left - 8, top + _CROP[1] + 36), fill=GOOD, width=3)
        pen.text((left, top + _CROP[1] + 20), f"{away:.0f} s away", fill=GOOD, font=font(13))
