"""The demo's contact sheet: crops of each identity over time, a column for each tracker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from ..drawing.colors import BAD, FAINT, GOOD, INK, LINE, PAPER, color_of
from ..drawing.text import fit, font
from ..evaluation.frames import FrameBoxes, iou
from .ground_truth import MIN_ABSENCE_SECONDS

COLUMNS, ROWS = 7, 16
# Maximum number of crops kept for an identity; minimum number of frames for a row.
_MAX_CROPS, _MIN_FRAMES = 64, 10
_CROP, _CELL, _SIDE, _MARGIN, _HEAD, _FOOT = (76, 140), (92, 192), 132, 28, 76, 24
_KEY = "away: out of view, lost: in view, other: another person came back"
# Lengths of absences that fit below a crop.
_MAX_LENGTHS = 2
_COLUMN = _SIDE + COLUMNS * _CELL[0]


@dataclass
class TimedCrop:
    """The best crop of an identity within an interval.

    Attributes:
        seconds: Time of the crop.
        quality: Crop quality, in [0, 1]: confidence times the fraction not overlapped by other boxes.
        image: `(H, W, 3)` uint8 BGR.
    """

    seconds: float
    quality: float
    image: Any


@dataclass(frozen=True)
class Absence:
    """A time without a box of an identity.

    Attributes:
        start: Its last box before, seconds.
        end: Its first box after.
        seconds: Length of the absence, as the report has it.
        is_return: Whether the person was away; False where ground truth knows that it was in view.
        is_other: Whether ground truth knows that another person came back under the id.
    """

    start: float
    end: float
    seconds: float
    is_return: bool = True
    is_other: bool = False


@dataclass
class IdentityCrops:
    """Crops of one identity in bounded memory: the interval between crops doubles when there are too many."""

    step: float = 0.5
    frames: int = 0
    first: float = float("inf")
    last: float = float("-inf")
    crops: list[TimedCrop] = field(default_factory=list)
    absences: list[Absence] = field(default_factory=list)

    def add(self, crop: TimedCrop) -> None:
        """Keep a crop if it is better than the last one within the step, and record an absence before it."""
        if crop.seconds - self.last > MIN_ABSENCE_SECONDS and self.frames:
            self.absences.append(Absence(self.last, crop.seconds, crop.seconds - self.last))
        last = self.crops[-1] if self.crops else None
        if last is None or crop.seconds - last.seconds >= self.step or self.away(last, crop) is not None:
            self.crops.append(crop)
        elif crop.quality > last.quality:
            self.crops[-1] = replace(crop, seconds=last.seconds)
        self.first = min(self.first, crop.seconds)
        self.frames, self.last = self.frames + 1, crop.seconds
        if len(self.crops) > _MAX_CROPS:
            self._thin()

    def away(self, a: TimedCrop, b: TimedCrop) -> float | None:
        """Length of the absences between two crops, seconds; None if there were none."""
        absences = self.absences_between(a, b)
        return sum(absence.seconds for absence in absences) if absences else None

    def absences_between(self, a: TimedCrop, b: TimedCrop) -> list[Absence]:
        """Select the absences between two crops."""
        return [absence for absence in self.absences if a.seconds <= absence.start and absence.end <= b.seconds]

    def agree_with(self, returns: Sequence[tuple[float, float | None]], *, complete: bool) -> None:
        """Take the lengths of absences from the report, in place of those without a box under this id.

        Args:
            returns: When this identity returned, and after how many seconds; None where another person came back.
            complete: Whether these are all returns, as with ground truth.
        """
        for n, absence in enumerate(self.absences):
            found = [seconds for time, seconds in returns if absence.start < time <= absence.end]
            if not found:
                self.absences[n] = replace(absence, is_return=not complete)
            elif found[-1] is None:
                self.absences[n] = replace(absence, is_other=True)
            else:
                self.absences[n] = replace(absence, seconds=found[-1])

    def _thin(self) -> None:
        self.step *= 2
        kept = self.crops[:1]
        for a, b in pairwise(self.crops):
            if b.seconds - kept[-1].seconds >= self.step or self.away(a, b) is not None:
                kept.append(b)
        self.crops = kept[-_MAX_CROPS:]

    def choose(self, count: int) -> list[TimedCrop]:
        """Choose up to `count` crops, by time: the first, the first after each absence, and others spread evenly."""
        firsts = self.crops[:1] + [b for a, b in pairwise(self.crops) if self.away(a, b) is not None]
        others = [c for c in self.crops if not any(c is f for f in firsts)]
        firsts = _spread_evenly(firsts, count)
        return sorted(firsts + _spread_evenly(others, count - len(firsts)), key=lambda c: c.seconds)


def _spread_evenly(crops: Sequence[TimedCrop], count: int) -> list[TimedCrop]:
    """Select at most `count` crops at even steps."""
    if len(crops) <= count:
        return list(crops)
    return [crops[i] for i in np.linspace(0, len(crops) - 1, count).astype(int)] if count else []


class TrackerCrops:
    """Crops of all identities in a tracker's output."""

    def __init__(self) -> None:
        self.identities: dict[int, IdentityCrops] = {}

    def add(self, result: Any, frame: FrameBoxes, seconds: float) -> None:
        """Add the crops of a result of `YOLO.track`, with its boxes and ids."""
        boxes = result.boxes if result.obb is None else result.obb
        overlap = iou(frame.xyxy, frame.xyxy) - np.eye(len(frame.xyxy))
        for n, (left, top, right, bottom) in enumerate(frame.xyxy.clip(0).astype(int)):
            image = result.orig_img[top:bottom, left:right]
            if image.size:
                quality = float(boxes.conf[n]) * (1 - float(overlap[n].max(initial=0)))
                crop = TimedCrop(seconds, quality, image.copy())
                self.identities.setdefault(int(frame.ids[n]), IdentityCrops()).add(crop)

    def most_frequent(self) -> list[tuple[int, IdentityCrops]]:
        """Select the identities with the most frames; those with few only if there are no others."""
        rows = sorted(self.identities.items(), key=lambda item: -item[1].frames)[:ROWS]
        return [item for item in rows if item[1].frames >= _MIN_FRAMES] or rows


def save_contact_sheet(path: Path, trackers: dict[str, TrackerCrops]) -> None:
    """Draw the identities of each tracker in a column.

    Args:
        path: The `.png` to write.
        trackers: Crops by the tracker's title.
    """
    rows = max(len(t.most_frequent()) for t in trackers.values())
    height = 2 * _MARGIN + _HEAD + rows * _CELL[1] + _FOOT
    sheet = Image.new("RGB", (_MARGIN + len(trackers) * (_COLUMN + _MARGIN), height), PAPER)
    for n, (title, crops) in enumerate(trackers.items()):
        _draw_column(sheet, _MARGIN + n * (_COLUMN + _MARGIN), title, crops)
    sheet.save(path)


def _draw_column(sheet: Image.Image, left: int, title: str, crops: TrackerCrops) -> None:
    pen, rows = ImageDraw.Draw(sheet), crops.most_frequent()
    pen.text((left, _MARGIN), title, fill=INK, font=font(24, bold=True))
    text = f"{len(crops.identities)} ids, by first appearance; {_KEY}"
    pen.text((left, _MARGIN + 32), text, fill=FAINT, font=font(15))
    top = _MARGIN + _HEAD
    for n, (identity, identity_crops) in enumerate(sorted(rows, key=lambda item: item[1].first)):
        _draw_row(pen, sheet, (left, top + n * _CELL[1]), identity, identity_crops)
    if more := len(crops.identities) - len(rows):
        pen.text((left, top + len(rows) * _CELL[1]), f"and {more} more with fewer frames", fill=FAINT, font=font(15))


def _draw_row(
    pen: ImageDraw.ImageDraw, sheet: Image.Image, at: tuple[int, int], identity: int, identity_crops: IdentityCrops
) -> None:
    left, top = at
    color = color_of(identity)
    pen.line((left, top - 10, left + _COLUMN, top - 10), fill=LINE)
    pen.rectangle((left, top, left + 6, top + _CROP[1]), fill=color)
    pen.text((left + 18, top), f"id {identity}", fill=color, font=font(22, bold=True))
    absences = len(identity_crops.absences)
    text = f"{identity_crops.frames} frames\n{absences} {'absence' if absences == 1 else 'absences'}"
    pen.multiline_text((left + 18, top + 36), text, fill=FAINT, font=font(13), spacing=5)
    last: TimedCrop | None = None
    for n, crop in enumerate(identity_crops.choose(COLUMNS)):
        before = identity_crops.absences_between(last, crop) if last else []
        _draw_crop(pen, sheet, (left + _SIDE + n * _CELL[0], top), crop, before)
        last = crop


def _draw_crop(
    pen: ImageDraw.ImageDraw, sheet: Image.Image, at: tuple[int, int], crop: TimedCrop, absences: Sequence[Absence]
) -> None:
    left, top = at
    sheet.paste(fit(Image.fromarray(crop.image[..., ::-1]), *_CROP), (left, top))
    pen.text((left, top + _CROP[1] + 3), f"{crop.seconds:.1f} s", fill=INK, font=font(13))
    if absences:
        text, ink = absence_text(absences)
        pen.line((left - 8, top, left - 8, top + _CROP[1] + 36), fill=ink, width=3)
        pen.text((left, top + _CROP[1] + 20), text, fill=ink, font=font(13))


def absence_text(absences: Sequence[Absence]) -> tuple[str, str]:
    """Say what happened between two crops, and in which color.

    Returns:
        How long the person was away, each time; if another person came back under the id, how long that was unseen; if
        the person was in view meanwhile, how long its id was lost.
    """
    kinds = [
        ("other", BAD, [a.seconds for a in absences if a.is_other]),
        ("away", GOOD, [a.seconds for a in absences if a.is_return and not a.is_other]),
        ("lost", FAINT, [a.seconds for a in absences]),
    ]
    word, ink, lengths = next(kind for kind in kinds if kind[2])
    if len(lengths) > _MAX_LENGTHS:
        return f"{len(lengths)} x {word}", ink
    return f"{' + '.join(f'{seconds:.0f}' for seconds in lengths)} s {word}", ink
