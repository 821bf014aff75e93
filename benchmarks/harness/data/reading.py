"""Reading one sequence's files strictly: what is wrong is named, with file and line, before anything is computed."""

from __future__ import annotations

from collections.abc import Callable, Collection
from configparser import ConfigParser, Error, SectionProxy
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ultralytics_reid._typing import Bools, Doubles
from ultralytics_reid.evaluation.frames import FrameBoxes

from ..errors import DataError

FRAME, ID, LEFT, TOP, WIDTH, HEIGHT = range(6)
FLAG, CLASS = 6, 7
SCORE = 6
_TRUTH_COLUMNS = 9
_MOT15_COLUMNS = 10
_RESULT_COLUMNS = 6
_CLASSES = range(1, 14)


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
        DataError: If the file or one of its keys is missing, or a number is none or not positive.
    """
    path = folder / "seqinfo.ini"
    parser = ConfigParser(interpolation=None)
    try:
        parser.read_string(_text(path))
        section = parser["Sequence"]
    except (Error, KeyError) as error:
        raise DataError(f"{path}: a section [Sequence] of key=value lines is needed ({error})") from error
    length, height, width = (_whole(path, section, k) for k in ("seqLength", "imHeight", "imWidth"))
    fps = _number(path, section, "frameRate")
    name, ext = section.get("name", folder.name), section.get("imExt", ".jpg")
    return Info(name, fps, length, (height, width), section.get("imDir", "img1"), f".{ext.lstrip('.')}")


def _whole(path: Path, section: SectionProxy, key: str) -> int:
    value = _number(path, section, key)
    if value != int(value):
        raise DataError(f"{path}: {key} must be a whole number, got {section[key]}")
    return int(value)


def _number(path: Path, section: SectionProxy, key: str) -> float:
    try:
        value = float(section[key])
    except KeyError:
        raise DataError(f"{path}: {key} is missing") from None
    except ValueError:
        raise DataError(f"{path}: {key} must be a number, got {section[key]!r}") from None
    if not (np.isfinite(value) and value > 0):
        raise DataError(f"{path}: {key} must be above 0, got {section[key]}")
    return value


@dataclass(frozen=True)
class Rows:
    """A file's numbers.

    Attributes:
        path: The file.
        values: `(N, C)` float64.
        lines: Line of each row, from 1.
    """

    path: Path
    values: Doubles
    lines: list[int]

    def need(self, good: Bools, wrong: Callable[[Doubles], str]) -> None:
        """Raise `DataError` with the first row that isn't good: its file, line, and what `wrong` says of it."""
        if not good.all():
            first = int(np.argmin(good))
            raise DataError(f"{self.path}:{self.lines[first]}: {wrong(self.values[first])}")


@dataclass(frozen=True)
class Truth:
    """A sequence's ground truth.

    Attributes:
        rows: `(N, 9)` float64: frame from 1, id, left, top, width, height (pixels), flag, class, visibility.
        classes: Whether the file has classes; MOT15's hasn't, and every row's is 1.
    """

    rows: Doubles
    classes: bool


def read_truth(path: Path, length: int | None) -> Truth:
    """Read a `gt.txt`.

    Args:
        path: Of 8 or 9 columns as in MOT16 and later, or of 10 as in MOT15.
        length: The sequence's frames, None where it isn't known.

    Raises:
        DataError: If a line can't be read, or a frame, id, size or class can't be.
    """
    rows = _read_rows(path, (8, _TRUTH_COLUMNS, _MOT15_COLUMNS))
    if not len(rows.values):
        raise DataError(f"{path} has no line: empty ground truth can't be scored")
    _need_boxes(rows, length)
    values, classes = rows.values, rows.values.shape[1] != _MOT15_COLUMNS
    _need_ids(rows)
    if classes:
        known = np.isin(values[:, CLASS], list(_CLASSES))
        rows.need(known, lambda r: f"the class must be a whole number from 1 to 13, got {r[CLASS]:g}")
    _need_unique(rows)
    return Truth(_nine(values, classes), classes)


def read_result(path: Path) -> Doubles:
    """Read a tracker's output in MOTChallenge's format: `frame, id, left, top, width, height, ...`.

    Args:
        path: Of 6 to 10 columns, of which those after the height say nothing.

    Returns:
        `(N, 6)` float64: frame from 1, id, left, top, width, height (pixels).

    Raises:
        DataError: If a line can't be read, or a frame, id or size can't be.
    """
    rows = _read_rows(path, range(_RESULT_COLUMNS, _MOT15_COLUMNS + 1))
    _need_boxes(rows, None)
    _need_ids(rows)
    _need_unique(rows)
    return rows.values[:, :_RESULT_COLUMNS]


def frames_of(rows: Doubles, length: int) -> tuple[FrameBoxes, ...]:
    """Convert rows of ground truth or of a tracker's output to boxes by frame.

    Args:
        rows: `(N, 9)`, as `Truth` has them, or `(N, 6)`, as `read_result` gives them.
        length: How many frames.
    """
    return tuple(_as_frame(rows[rows[:, FRAME] == n]) for n in range(1, length + 1))


def _as_frame(rows: Doubles) -> FrameBoxes:
    left_top, size = rows[:, [LEFT, TOP]], rows[:, [WIDTH, HEIGHT]]
    return FrameBoxes(
        rows[:, ID].astype(np.int64), np.concatenate([left_top, left_top + size], axis=1).astype(np.float32)
    )


def _nine(values: Doubles, classes: bool) -> Doubles:
    rest = np.ones((len(values), _TRUTH_COLUMNS))
    kept = min(values.shape[1], _TRUTH_COLUMNS) if classes else CLASS
    rest[:, :kept] = values[:, :kept]
    return rest


def _need_ids(rows: Rows) -> None:
    ids = rows.values[:, ID]
    rows.need((ids >= 0) & (ids == np.floor(ids)), lambda r: f"the id must be a whole number from 0, got {r[ID]:g}")


def _need_unique(rows: Rows) -> None:
    """TrackEval refuses an id that is in a frame twice, but doesn't say where."""
    frame, ids = rows.values[:, FRAME], rows.values[:, ID]
    _, first, back = np.unique(frame * (ids.max(initial=0) + 1) + ids, return_index=True, return_inverse=True)
    earlier = first[back]
    twice = np.flatnonzero(earlier != np.arange(len(frame)))
    if len(twice):
        here, before = int(twice[0]), rows.lines[int(earlier[twice[0]])]
        told = f"id {ids[here]:g} is in frame {frame[here]:g} already, on line {before}"
        raise DataError(f"{rows.path}:{rows.lines[here]}: {told}")


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
        DataError: If a line can't be read, or a frame or size can't be.
    """
    rows = _read_rows(path, (7, 8, 9, 10))
    _need_boxes(rows, length)
    inside, notes = _inside(rows, shape)
    if not len(rows.values):
        return Found(np.empty((0, 6)), (f"{path} has no line: no detections at all",))
    score = rows.values[:, SCORE]
    if score.max() <= 0 and score.min() == score.max():
        raise DataError(
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


def _need_boxes(rows: Rows, length: int | None) -> None:
    frame, size = rows.values[:, FRAME], rows.values[:, [WIDTH, HEIGHT]]
    last, told = (np.inf, "on") if length is None else (length, f"to {length} (seqLength)")
    real = (frame >= 1) & (frame <= last) & (frame == np.floor(frame))
    rows.need(real, lambda r: f"the frame must be a whole number from 1 {told}, got {r[FRAME]:g}")
    rows.need(
        np.asarray((size > 0).all(axis=1)),
        lambda r: f"width and height must be above 0, got {r[WIDTH]:g} x {r[HEIGHT]:g}",
    )


def _read_rows(path: Path, columns: Collection[int]) -> Rows:
    numbered = [(n, line.strip().rstrip(",")) for n, line in enumerate(_text(path).splitlines(), start=1)]
    numbered = [(n, line) for n, line in numbered if line]
    lines, texts = [n for n, _ in numbered], [line for _, line in numbered]
    if not texts:
        return Rows(path, np.empty((0, min(columns))), [])
    _need_columns(path, numbered, columns)
    try:
        values = np.loadtxt(texts, delimiter=",", comments=None, ndmin=2)
    except ValueError:
        values = np.array([_numbers(path, n, line) for n, line in numbered])
    rows = Rows(path, np.asarray(values, np.float64), lines)
    rows.need(np.asarray(np.isfinite(rows.values).all(axis=1)), lambda _: "every number must be finite")
    return rows


def _need_columns(path: Path, numbered: list[tuple[int, str]], columns: Collection[int]) -> None:
    usual = numbered[0][1].count(",") + 1
    if usual not in columns:
        told = ", ".join(map(str, columns))
        raise DataError(f"{path}:{numbered[0][0]}: {usual} numbers with commas between, where {told} are known")
    for n, line in numbered:
        if line.count(",") + 1 != usual:
            raise DataError(f"{path}:{n}: {line.count(',') + 1} numbers, where the first line has {usual}: {line!r}")


def _numbers(path: Path, n: int, line: str) -> list[float]:
    try:
        return [float(text) for text in line.split(",")]
    except ValueError:
        raise DataError(f"{path}:{n}: not all of this are numbers: {line!r}") from None


def read_motion(path: Path, lengths: Collection[int]) -> Doubles:
    """Read camera motion, as BoT-SORT's release has it: frame from 0, then the affine rows, by white space.

    Args:
        path: The file.
        lengths: How many frames it may have.

    Returns:
        `(F, 2, 3)` float64, from the frame before to each frame, pixels.

    Raises:
        DataError: If it doesn't have one row of seven numbers for each frame, in order.
    """
    try:
        rows = np.loadtxt(_text(path).splitlines(), ndmin=2)
    except ValueError as error:
        raise DataError(f"{path}: {error}") from None
    if rows.shape[1] != 7 or len(rows) not in lengths or rows[:, 0].tolist() != list(range(len(rows))):
        told = " or ".join(str(n) for n in sorted(set(lengths)))
        raise DataError(f"{path} must have one row for each of {told} frames, in order, from 0 on, of 7 numbers")
    return np.asarray(rows[:, 1:].reshape(-1, 2, 3))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise DataError(f"{path} is missing") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} can't be read: {error}") from None
