"""Sequences with ground truth: where boxes were, and which person each box belonged to."""

from __future__ import annotations

import csv
from configparser import ConfigParser
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ultralytics_reid.evaluation.frames import Frame

__all__ = ["Detections", "Frame", "Sequence", "load_cache", "load_sequence"]

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Sequence:
    """A sequence's ground truth.

    Attributes:
        name: Folder name.
        fps: Frames a second.
        frames: Ground truth by frame; the ids are MOTChallenge tracks.
        person: Individual behind each track; a track that isn't listed is its own person.
        video: The video's path, None where there is none.
        names: What `reentry.csv` calls each person.
    """

    name: str
    fps: float
    frames: tuple[Frame, ...]
    person: dict[int, int]
    video: Path | None
    names: dict[int, str] = field(default_factory=dict)

    def person_of(self, track: int) -> int:
        """The individual behind a ground-truth track."""
        return self.person.get(track, track)

    def by_person(self) -> tuple[Frame, ...]:
        """The ground truth with a person's tracks joined under one id."""
        return tuple(Frame(np.array([self.person_of(int(i)) for i in f.ids], np.int64), f.xyxy) for f in self.frames)


@dataclass(frozen=True)
class Detections:
    """What a tracker is fed in one frame.

    Attributes:
        xyxy: `(N, 4)` float32, pixels.
        conf: `(N,)` float32 in [0, 1].
        cls: `(N,)` float32.
        feats: `(N, D)` float32 embeddings, None where there are none.
    """

    xyxy: Array
    conf: Array
    cls: Array
    feats: Array | None


def load_sequence(folder: Path) -> Sequence:
    """Read a MOTChallenge-style folder: `seqinfo.ini`, `gt/gt.txt`, and `reentry.csv` and a video where present.

    Args:
        folder: The sequence's folder.

    Raises:
        FileNotFoundError: If `seqinfo.ini` or `gt/gt.txt` is missing.
    """
    info = ConfigParser()
    if not info.read(folder / "seqinfo.ini"):
        raise FileNotFoundError(f"{folder / 'seqinfo.ini'} is missing")
    section = info["Sequence"]
    rows = np.loadtxt(folder / "gt" / "gt.txt", delimiter=",", ndmin=2)
    rows = rows[rows[:, 6] > 0]
    frames = tuple(_frame(rows[rows[:, 0] == f]) for f in range(1, int(section["seqLength"]) + 1))
    video = next((p for p in sorted(folder.iterdir()) if p.suffix in {".avi", ".mp4"}), None)
    person, names = _persons(folder / "reentry.csv")
    return Sequence(section["name"], float(section["frameRate"]), frames, person, video, names)


def _frame(rows: npt.NDArray[np.float64]) -> Frame:
    xyxy = np.concatenate([rows[:, 2:4], rows[:, 2:4] + rows[:, 4:6]], axis=1)
    return Frame(rows[:, 1].astype(np.int64), xyxy.astype(np.float32))


def _persons(path: Path) -> tuple[dict[int, int], dict[int, str]]:
    """The person behind each track, called by its first track in the file, and the persons' names."""
    if not path.exists():
        return {}, {}
    with path.open(newline="") as file:
        rows = [(int(r["gt_id"]), r["person"]) for r in csv.DictReader(file)]
    first: dict[str, int] = {}
    for track, name in rows:
        first.setdefault(name, track)
    return {track: first[name] for track, name in rows}, {track: name for name, track in first.items()}


def load_cache(path: Path) -> list[Detections]:
    """Read cached detections and embeddings (`detections` `(N, 7)`: frame, xyxy, conf, cls; `embeddings` `(N, D)`)."""
    with np.load(path) as cache:
        rows, feats, length = cache["detections"], cache["embeddings"].astype(np.float32), int(cache["frames"])
    return [_detections(rows, feats, rows[:, 0] == f) for f in range(1, length + 1)]


def _detections(rows: Array, feats: Array, mask: npt.NDArray[np.bool_]) -> Detections:
    r = rows[mask]
    return Detections(r[:, 1:5], r[:, 5], r[:, 6], feats[mask])
