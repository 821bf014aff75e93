"""The demo's contact sheet: a row an identity, what it looked like when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .scores import iou
from .video import COLOURS

COLUMNS = 10
# An absence of as many seconds is worth a mark.
AWAY_SECONDS = 2.0
_KEPT = 64
_CROP, _CELL, _SIDE, _MARGIN = (76, 140), (92, 192), 132, 20
_INK, _FAINT, _LINE, _BACK, _PAPER = "#1f2933", "#7b8794", "#e4e7eb", "#1a7f37", "#ffffff"


@dataclass
class Shot:
    """The best crop of an identity within some time.

    Attributes:
        seconds: When it was taken.
        worth: How clear it is, from 0 to 1: confidence, less what other boxes overlap.
        picture: `(H, W, 3)` uint8 BGR.
    """

    seconds: float
    worth: float
    picture: Any


@dataclass
class Album:
    """One identity's shots; when there are too many, every two neighbours become one."""

    step: float = 0.5
    frames: int = 0
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
            self.shots[-1] = Shot(self.shots[-1].seconds, shot.worth, shot.picture)
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


class Gallery:
    """Albums of all identities of a video, in bounded memory an identity.

    Args:
        rows: Identities on the sheet at most; those seen most are chosen.
    """

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._albums: dict[int, Album] = {}

    def add(self, result: Any, seconds: float) -> None:
        """Take the crops of a tracking result, as `YOLO.track` gave it."""
        boxes = result.boxes
        if boxes.id is None:
            return
        xyxy = boxes.xyxy.cpu().numpy()
        overlap = iou(xyxy, xyxy) - np.eye(len(xyxy))
        for n, (left, top, right, bottom) in enumerate(xyxy.clip(0).astype(int)):
            picture = result.orig_img[top:bottom, left:right]
            if picture.size:
                worth = float(boxes.conf[n]) * (1 - float(overlap[n].max(initial=0)))
                self._albums.setdefault(int(boxes.id[n]), Album()).add(Shot(seconds, worth, picture.copy()))

    def save(self, path: Path) -> None:
        """Draw the sheet.

        Args:
            path: The `.png` to write.
        """
        chosen = sorted(self._albums.items(), key=lambda item: -item[1].frames)[: self._rows]
        sheet = Image.new(
            "RGB", (2 * _MARGIN + _SIDE + COLUMNS * _CELL[0], 2 * _MARGIN + len(chosen) * _CELL[1]), _PAPER
        )
        for n, (identity, album) in enumerate(chosen):
            _draw_row(ImageDraw.Draw(sheet), sheet, (_MARGIN, _MARGIN + n * _CELL[1]), identity, album)
        sheet.save(path)


def _draw_row(pen: ImageDraw.ImageDraw, sheet: Image.Image, at: tuple[int, int], who: int, album: Album) -> None:
    left, top = at
    colour = COLOURS[who % len(COLOURS)]
    pen.line((left, top - 10, sheet.width - _MARGIN, top - 10), fill=_LINE)
    pen.rectangle((left, top, left + 6, top + _CROP[1]), fill=colour)
    pen.text((left + 18, top), f"id {who}", fill=colour, font=_font(24))
    times = len(album.absences)
    seen = [f"{album.frames} frames", f"back {times} time{'s' * (times > 1)}" if times else "never away"]
    pen.multiline_text((left + 18, top + 36), "\n".join(seen), fill=_FAINT, font=_font(14), spacing=5)
    last: Shot | None = None
    for n, shot in enumerate(album.choose(COLUMNS)):
        away = album.away(last, shot) if last else None
        _draw_shot(pen, sheet, (left + _SIDE + n * _CELL[0], top), shot, away)
        last = shot


def _draw_shot(
    pen: ImageDraw.ImageDraw, sheet: Image.Image, at: tuple[int, int], shot: Shot, away: float | None
) -> None:
    left, top = at
    crop = Image.fromarray(shot.picture[..., ::-1])
    ratio = min(_CROP[0] / crop.width, _CROP[1] / crop.height)
    size = max(1, round(crop.width * ratio)), max(1, round(crop.height * ratio))
    sheet.paste(crop.resize(size, Image.Resampling.LANCZOS), (left, top))
    pen.text((left, top + _CROP[1] + 3), f"{shot.seconds:.1f} s", fill=_INK, font=_font(14))
    if away is not None:
        pen.line((left - 8, top, left - 8, top + _CROP[1] + 36), fill=_BACK, width=3)
        pen.text((left, top + _CROP[1] + 20), f"{away:.0f} s away", fill=_BACK, font=_font(14))


def _font(size: int) -> Any:
    return ImageFont.load_default(size)
