"""A user's own ground truth, tracker output and detections: files in MOTChallenge's format, or folders of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ultralytics_reid._typing import Doubles
from ultralytics_reid.errors import DatasetError
from ultralytics_reid.evaluation.frames import FrameBoxes
from ultralytics_reid.evaluation.mot_files import FLAG, FRAME, frames_of, read_result, read_truth

from ..progress import tell
from .reading import read_detections
from .sequences import Detections


@dataclass(frozen=True)
class MotFiles:
    """Paths of one sequence's files.

    Attributes:
        name: What tables call it.
        truth: Ground truth, as `gt.txt`.
        output: The tracker's output.
        detections: The tracker's input, None where it isn't known.
    """

    name: str
    truth: Path
    output: Path
    detections: Path | None = None


@dataclass(frozen=True)
class MotFrames:
    """One sequence by frame, as long as the longest of its files.

    Attributes:
        truth: Ground truth, without rows whose flag is 0.
        output: The tracker's output.
        detections: The tracker's input, None where it isn't known.
    """

    truth: tuple[FrameBoxes, ...]
    output: tuple[FrameBoxes, ...]
    detections: tuple[Detections, ...] | None


def find_mot_files(truth: Path, output: Path, detections: Path | None) -> list[MotFiles]:
    """Pair files: as given, or by name where all paths are folders of `NAME.txt`.

    Args:
        truth: Ground truth.
        output: The tracker's output.
        detections: The tracker's input, None where it isn't known.

    Raises:
        DatasetError: If one is missing, if files and folders are mixed, or names differ between folders.
    """
    given = [path for path in (truth, output, detections) if path is not None]
    for path in given:
        if not path.exists():
            raise DatasetError(f"{path} is missing")
        if path.is_dir() != truth.is_dir():
            raise DatasetError(f"{truth} and {path} must both be files, or both folders")
    if not truth.is_dir():
        return [MotFiles(output.stem, *given)]
    return [MotFiles(Path(name).stem, *(folder / name for folder in given)) for name in _common_names(given)]


def _common_names(folders: list[Path]) -> list[str]:
    known = [{path.name for path in folder.glob("*.txt")} for folder in folders]
    everywhere = set.union(*known)
    if not everywhere:
        raise DatasetError(f"{folders[0]} has no .txt")
    for folder, names in zip(folders, known, strict=True):
        if missing := sorted(everywhere - names):
            raise DatasetError(f"{folder} lacks {', '.join(missing)}, which another folder has")
    return sorted(everywhere)


def read_mot_files(files: MotFiles) -> MotFrames:
    """Read one sequence.

    Raises:
        DatasetError: If a line can't be read, an id is in a frame twice, or no box of the ground truth counts.
    """
    truth, output = read_truth(files.truth, None).rows, read_result(files.output)
    truth = truth[truth[:, FLAG] > 0]
    if not len(truth):
        raise DatasetError(f"{files.truth}: the flag is 0 on every line, so nothing counts")
    found = None if files.detections is None else read_detections(files.detections, None, None)
    for note in () if found is None else found.notes:
        tell(note)
    parts = [truth, output] if found is None else [truth, output, found.rows]
    length = int(max(rows[:, FRAME].max(initial=0) for rows in parts))
    detections = None if found is None else tuple(_detections(found.rows, length))
    return MotFrames(frames_of(truth, length), frames_of(output, length), detections)


def _detections(rows: Doubles, length: int) -> Iterator[Detections]:
    for n in range(1, length + 1):
        left_top, size, score = np.split(rows[rows[:, FRAME] == n, 1:], [2, 4], axis=1)
        xyxy = np.concatenate([left_top, left_top + size], axis=1).astype(np.float32)
        conf = score[:, 0].astype(np.float32)
        yield Detections(xyxy, conf, np.zeros_like(conf), None)
