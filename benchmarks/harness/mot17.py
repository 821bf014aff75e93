"""MOT17's validation half: detections and camera motion without pictures, scored by MOT17's own rule."""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Mapping
from collections.abc import Sequence as Rows
from configparser import ConfigParser
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .sequences import Array, Detections, Frame, Sequence, load_sequence

MOT17 = "mot17-val"
NAMES = ("MOT17-02", "MOT17-04", "MOT17-05", "MOT17-11")
COMBINED = "COMBINED"

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Clip:
    """A sequence without pictures.

    Attributes:
        scene: Every row of the ground truth, distractors, occluders and rows that don't count included; no video.
        detections: By frame, without embeddings; boxes may reach over the picture's edge.
        warps: `(F, 2, 3)` float64, the affine camera motion from the frame before to each frame, pixels.
        shape: The pictures' height and width, pixels.
    """

    scene: Sequence
    detections: list[Detections]
    warps: Doubles
    shape: tuple[int, int]


def load_clip(folder: Path) -> Clip:
    """Read a sequence's `seqinfo.ini`, `gt/gt.txt`, `det/det.txt` and `gmc.txt`.

    Args:
        folder: The sequence's folder, which gives it its name.

    Raises:
        FileNotFoundError: If one of the files is missing.
        ValueError: If `gmc.txt` doesn't have every frame.
    """
    counted = load_sequence(folder)
    length = len(counted.frames)
    truth = np.loadtxt(folder / "gt" / "gt.txt", delimiter=",", ndmin=2)
    found = np.loadtxt(folder / "det" / "det.txt", delimiter=",", ndmin=2)
    warps = np.loadtxt(folder / "gmc.txt", ndmin=2)
    if warps[:, 0].tolist() != list(range(length)):
        raise ValueError(f"{folder / 'gmc.txt'} must have one row for each of {length} frames, in order, from 0 on")
    frames = tuple(Frame(rows[:, 1].astype(np.int64), _xyxy(rows)) for rows in _by_frame(truth, length))
    scene = replace(counted, name=folder.name, frames=frames, video=None)
    detections = [_detections(rows) for rows in _by_frame(found, length)]
    return Clip(scene, detections, warps[:, 1:].reshape(-1, 2, 3), picture_shape(folder))


def picture_shape(folder: Path) -> tuple[int, int]:
    """The height and width of a sequence's pictures, pixels, from its `seqinfo.ini`."""
    info = ConfigParser()
    info.read(folder / "seqinfo.ini")
    return int(info["Sequence"]["imHeight"]), int(info["Sequence"]["imWidth"])


def _by_frame(rows: Doubles, length: int) -> list[Doubles]:
    return [rows[rows[:, 0] == f] for f in range(1, length + 1)]


def _xyxy(rows: Doubles) -> Array:
    return np.concatenate([rows[:, 2:4], rows[:, 2:4] + rows[:, 4:6]], axis=1).astype(np.float32)


def _detections(rows: Doubles) -> Detections:
    return Detections(_xyxy(rows), rows[:, 6].astype(np.float32), np.zeros(len(rows), np.float32), None)


def evaluate(folder: Path, outputs: Mapping[str, Rows[Frame]]) -> dict[str, dict[str, float]]:
    """Score a tracker by MOT17's rule, with TrackEval's own reader and its own treatment of distractors.

    Boxes that match distractors (persons on vehicles, static persons, distractors, reflections) are dropped; then
    pedestrians whose flag is set count.

    Args:
        folder: Holds the sequences' folders, each with `gt/gt.txt`.
        outputs: The tracker's boxes by frame, by sequence.

    Returns:
        HOTA, AssA, DetA, IDF1, MOTA (percent), IDSW and ids, by sequence, and for all of them together as `COMBINED`.
    """
    with tempfile.TemporaryDirectory() as results, contextlib.redirect_stdout(io.StringIO()):
        for name, frames in outputs.items():
            _write(Path(results) / "ours" / "data" / f"{name}.txt", frames)
        scores = _track_eval(folder, Path(results), {name: len(frames) for name, frames in outputs.items()})
    return {name.replace("COMBINED_SEQ", COMBINED): _figures(score["pedestrian"]) for name, score in scores.items()}


def _write(path: Path, frames: Rows[Frame]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        for n, frame in enumerate(frames, start=1):
            for i, (left, top, right, bottom) in zip(frame.ids, frame.xyxy.astype(np.float64), strict=True):
                file.write(f"{n},{i},{left},{top},{right - left},{bottom - top},1,-1,-1,-1\n")


def _track_eval(truth: Path, results: Path, lengths: dict[str, int]) -> dict[str, Any]:
    import trackeval

    where = {"GT_FOLDER": str(truth), "TRACKERS_FOLDER": str(results), "SKIP_SPLIT_FOL": True, "SEQ_INFO": lengths}
    dataset = trackeval.datasets.MotChallenge2DBox({**where, "TRACKERS_TO_EVAL": ["ours"], "PRINT_CONFIG": False})
    silent = ("PRINT_CONFIG", "PRINT_RESULTS", "TIME_PROGRESS", "OUTPUT_SUMMARY", "OUTPUT_DETAILED", "PLOT_CURVES")
    evaluator = trackeval.Evaluator({**dict.fromkeys(silent, False), "LOG_ON_ERROR": None})
    kinds = (trackeval.metrics.HOTA, trackeval.metrics.CLEAR, trackeval.metrics.Identity)
    scores, _ = evaluator.evaluate([dataset], [kind({"PRINT_CONFIG": False}) for kind in kinds])
    by_sequence: dict[str, Any] = scores["MotChallenge2DBox"]["ours"]
    return by_sequence


def _figures(score: dict[str, Any]) -> dict[str, float]:
    percent = {k: 100 * float(np.mean(score["HOTA"][k])) for k in ("HOTA", "AssA", "DetA")}
    percent |= {"IDF1": 100 * float(score["Identity"]["IDF1"]), "MOTA": 100 * float(score["CLEAR"]["MOTA"])}
    return percent | {"IDSW": float(score["CLEAR"]["IDSW"]), "ids": float(score["Count"]["IDs"])}
