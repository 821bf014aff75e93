"""Reading one sequence's files strictly: what is wrong is named, with file and line, before anything is computed."""

from __future__ import annotations

from collections.abc import Collection
from configparser import ConfigParser, Error, SectionProxy
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ultralytics_reid._typing import Bools, Doubles
from ultralytics_reid.errors import DatasetError
from ultralytics_reid.evaluation.mot_files import (
    FRAME,
    HEIGHT,
    LEFT,
    MAX_COLUMNS,
    TOP,
    WIDTH,
    Rows,
    need_boxes,
    read_rows,
    read_text,
)

SCORE = 6


@dataclass(frozen=True)
class Info:
    """Content of a `seqinfo.ini`.

    Attributes:
        name: The sequence's own name.
        fps: Frames a second.
        length: How many frames it has.
        shape: The images' height and width, pixels.
        images: The folder of images, below the sequence's.
        suffix: Of the images' names, with the dot.
    """

    name: str
    fps: float
    length: int
    shape: tuple[int, int]
    images: str
    suffix: str


def read_info(folder: Path) -> Info:
    """Read a sequence's `seqinfo.ini`.

    Args:
        folder: The sequence's folder.

    Raises:
        DatasetError: If the file or one of its keys is missing, or a number is none or not positive.
    """
    path = folder / "seqinfo.ini"
    parser = ConfigParser(interpolation=None)
    try:
        parser.read_string(read_text(path))
        section = parser["Sequence"]
    except (Error, KeyError) as error:
        raise DatasetError(f"{path}: a section [Sequence] of key=value lines is needed ({error})") from error
    length, height, width = (_whole(path, section, k) for k in ("seqLength", "imHeight", "imWidth"))
    fps = _number(path, section, "frameRate")
    name, ext = section.get("name", folder.name), section.get("imExt", ".jpg")
    return Info(name, fps, length, (height, width), section.get("imDir", "img1"), f".{ext.lstrip('.')}")


def _whole(path: Path, section: SectionProxy, key: str) -> int:
    value = _number(path, section, key)
    if value != int(value):
        raise DatasetError(f"{path}: {key} must be a whole number, got {section[key]}")
    return int(value)


def _number(path: Path, section: SectionProxy, key: str) -> float:
    try:
        value = float(section[key])
    except KeyError:
        raise DatasetError(f"{path}: {key} is missing") from None
    except ValueError:
        raise DatasetError(f"{path}: {key} must be a number, got {section[key]!r}") from None
    if not (np.isfinite(value) and value > 0):
        raise DatasetError(f"{path}: {key} must be above 0, got {section[key]}")
    return value


@dataclass(frozen=True)
class Found:
    """A file of detections.

    Attributes:
        rows: `(N, 6)` float64: frame from 1, left, top, width, height (pixels), score.
        notes: What was strange about them but can be lived with.
    """

    rows: Doubles
    notes: tuple[str, ...]


def read_detections(path: Path, length: int | None, shape: tuple[int, int] | None) -> Found:
    """Read detections in MOTChallenge's format: `frame, -1, left, top, width, height, score, ...`.

    Boxes may reach over the image's edge. Those wholly outside of it are dropped, and scores outside of [0, 1] are
    clipped, which `notes` tells.

    Args:
        path: Of 7 to 10 columns, of which those after the score say nothing.
        length: The sequence's frames, None where it isn't known.
        shape: The images' height and width, pixels; None where it isn't known, and no box is dropped.

    Raises:
        DatasetError: If a line can't be read, or a frame or size can't be.
    """
    rows = read_rows(path, range(7, MAX_COLUMNS + 1))
    need_boxes(rows, length)
    inside, notes = _inside(rows, shape)
    if not len(rows.values):
        return Found(np.empty((0, 6)), (f"{path} has no line: no detections at all",))
    score = rows.values[:, SCORE]
    if score.max() <= 0 and score.min() == score.max():
        raise DatasetError(
            f"{path}: all {len(score)} scores are {score[0]:g}, which are none: trackers need scores in [0, 1]"
        )
    off = (score < 0) | (score > 1)
    if off.any():
        worst = f"{score.min():g} to {score.max():g}"
        notes += (f"{path}: {off.sum()} of {len(off)} scores are outside of [0, 1] ({worst}): clipped",)
    values = rows.values[:, [FRAME, LEFT, TOP, WIDTH, HEIGHT, SCORE]]
    values[:, 5] = np.clip(values[:, 5], 0, 1)
    return Found(values[inside], notes)


def _inside(rows: Rows, shape: tuple[int, int] | None) -> tuple[Bools, tuple[str, ...]]:
    if shape is None:
        return np.ones(len(rows.values), bool), ()
    left, top = rows.values[:, LEFT], rows.values[:, TOP]
    right, bottom = left + rows.values[:, WIDTH], top + rows.values[:, HEIGHT]
    inside = (right > 0) & (bottom > 0) & (left < shape[1]) & (top < shape[0])
    if inside.all():
        return inside, ()
    first = rows.lines[int(np.argmin(inside))]
    gone = f"{np.sum(~inside)} detections lie wholly outside of the {shape[1]}x{shape[0]} image: dropped"
    return inside, (f"{rows.path}:{first}: {gone}; this line is the first",)


def read_motion(path: Path, lengths: Collection[int]) -> Doubles:
    """Read camera motion, as BoT-SORT's release has it: frame from 0, then the affine rows, by white space.

    Args:
        path: The file.
        lengths: How many frames it may have.

    Returns:
        `(F, 2, 3)` float64, from the frame before to each frame, pixels.

    Raises:
        DatasetError: If it doesn't have one row of seven numbers for each frame, in order.
    """
    try:
        rows = np.loadtxt(read_text(path).splitlines(), ndmin=2)
    except ValueError as error:
        raise DatasetError(f"{path}: {error}") from None
    if rows.shape[1] != 7 or len(rows) not in lengths or rows[:, 0].tolist() != list(range(len(rows))):
        told = " or ".join(str(n) for n in sorted(set(lengths)))
        raise DatasetError(f"{path} must have one row for each of {told} frames, in order, from 0 on, of 7 numbers")
    return np.asarray(rows[:, 1:].reshape(-1, 2, 3))
