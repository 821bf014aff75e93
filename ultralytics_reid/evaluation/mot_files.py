"""Read MOTChallenge's files strictly: what is wrong is named, with file and line, before anything is computed."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .._typing import Bools, Doubles
from ..errors import DatasetError
from .frames import FrameBoxes

FRAME, ID, LEFT, TOP, WIDTH, HEIGHT = range(6)
FLAG, CLASS, VISIBILITY = 6, 7, 8
MAX_COLUMNS = 10
_TRUTH_COLUMNS = 9
_RESULT_COLUMNS = 6
_CLASSES = range(1, 14)


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
        """Raise `DatasetError` with the first row that isn't good: its file, line, and what `wrong` says of it."""
        if not good.all():
            first = int(np.argmin(good))
            raise DatasetError(f"{self.path}:{self.lines[first]}: {wrong(self.values[first])}")


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
        DatasetError: If a line can't be read, or a frame, id, size or class can't be.
    """
    rows = read_rows(path, (8, _TRUTH_COLUMNS, MAX_COLUMNS))
    if not len(rows.values):
        raise DatasetError(f"{path} has no line: empty ground truth can't be scored")
    need_boxes(rows, length)
    values, classes = rows.values, rows.values.shape[1] != MAX_COLUMNS
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
        DatasetError: If a line can't be read, or a frame, id or size can't be.
    """
    rows = read_rows(path, range(_RESULT_COLUMNS, MAX_COLUMNS + 1))
    need_boxes(rows, None)
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
        raise DatasetError(f"{rows.path}:{rows.lines[here]}: {told}")


def need_boxes(rows: Rows, length: int | None) -> None:
    """Raise `DatasetError` with the first row whose frame isn't from 1 to `length`, or whose size isn't above 0."""
    frame, size = rows.values[:, FRAME], rows.values[:, [WIDTH, HEIGHT]]
    last, told = (np.inf, "on") if length is None else (length, f"to {length} (seqLength)")
    real = (frame >= 1) & (frame <= last) & (frame == np.floor(frame))
    rows.need(real, lambda r: f"the frame must be a whole number from 1 {told}, got {r[FRAME]:g}")
    rows.need(
        np.asarray((size > 0).all(axis=1)),
        lambda r: f"width and height must be above 0, got {r[WIDTH]:g} x {r[HEIGHT]:g}",
    )


def read_rows(path: Path, columns: Collection[int]) -> Rows:
    """Read a file of numbers with commas between, the same number in each line; `columns` are the numbers allowed.

    Raises:
        DatasetError: If it can't be read, or a line can't be; the message names the line.
    """
    numbered = [(n, line.strip().rstrip(",")) for n, line in enumerate(read_text(path).splitlines(), start=1)]
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
        raise DatasetError(f"{path}:{numbered[0][0]}: {usual} numbers with commas between, where {told} are known")
    for n, line in numbered:
        if line.count(",") + 1 != usual:
            raise DatasetError(f"{path}:{n}: {line.count(',') + 1} numbers, where the first line has {usual}: {line!r}")


def _numbers(path: Path, n: int, line: str) -> list[float]:
    try:
        return [float(text) for text in line.split(",")]
    except ValueError:
        raise DatasetError(f"{path}:{n}: not all of this are numbers: {line!r}") from None


def read_text(path: Path) -> str:
    """Read a text file, with or without a byte order mark.

    Raises:
        DatasetError: If it is missing, or can't be read as UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise DatasetError(f"{path} is missing") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path} can't be read: {error}") from None
