"""Sequences with ground truth, and their cached detections and embeddings."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ultralytics_reid._typing import Bools, Floats, ImageArray
from ultralytics_reid.evaluation.frames import FrameBoxes
from ultralytics_reid.evaluation.mot_files import FLAG, frames_of, read_truth

from ..options import CAMPUS, clip_folder
from .reading import read_info

_VIDEOS = (".avi", ".mp4")
# Seconds without a person after which a new track begins, where the ground truth keeps a person's id.
_ABSENCE = 1.0


@dataclass(frozen=True)
class Sequence:
    """A sequence's ground truth.

    Attributes:
        name: As `seqinfo.ini` has it.
        fps: Frames a second.
        frames: Ground truth by frame; the ids are MOTChallenge tracks.
        person: Individual behind each track; a track that isn't listed is its own person.
        video: The video's path, None where there is none.
        names: What `reentry.csv` calls each person.
        shape: The images' height and width, pixels.
    """

    name: str
    fps: float
    frames: tuple[FrameBoxes, ...]
    person: dict[int, int]
    video: Path | None
    names: dict[int, str] = field(default_factory=dict)
    shape: tuple[int, int] = (0, 0)

    def person_of(self, track: int) -> int:
        """Return the individual behind a ground-truth track."""
        return self.person.get(track, track)

    def by_person(self) -> tuple[FrameBoxes, ...]:
        """Join the tracks of each person under one id."""
        return tuple(
            FrameBoxes(np.array([self.person_of(int(i)) for i in f.ids], np.int64), f.xyxy) for f in self.frames
        )


@dataclass(frozen=True)
class Detections:
    """A tracker's input of one frame.

    Attributes:
        xyxy: `(N, 4)` float32, pixels.
        conf: `(N,)` float32 in [0, 1].
        cls: `(N,)` float32.
        feats: `(N, D)` float32 embeddings, None where there are none.
    """

    xyxy: Floats
    conf: Floats
    cls: Floats
    feats: Floats | None

    def select(self, rows: Bools) -> Detections:
        """Select detections by a mask `(N,)`."""
        feats = None if self.feats is None else self.feats[rows]
        return Detections(self.xyxy[rows], self.conf[rows], self.cls[rows], feats)


def load_sequence(folder: Path) -> Sequence:
    """Read a MOTChallenge-style folder: `seqinfo.ini`, `gt/gt.txt`, and `reentry.csv` and a video where present.

    The video is the first in the folder, else one of the folder's name beside it.

    Args:
        folder: The sequence's folder.

    Raises:
        DatasetError: If `seqinfo.ini` or `gt/gt.txt` is missing or wrong.
    """
    info = read_info(folder)
    rows = read_truth(folder / "gt" / "gt.txt", info.length).rows
    frames = frames_of(rows[rows[:, FLAG] > 0], info.length)
    person, names = _persons(folder / "reentry.csv")
    return Sequence(info.name, info.fps, frames, person, _video(folder), names, info.shape)


def load_clip(shared: Path, clip: str) -> Sequence:
    """Read a clip of the shared folder by name.

    On EPFL campus4 a person keeps one id in the ground truth; there each return becomes a track of its own, as on PETS.

    Args:
        shared: The folder that holds data/.
        clip: Its name, as `clip_folder` takes it.

    Raises:
        DatasetError: If a file is missing or wrong.
    """
    sequence = load_sequence(clip_folder(shared, clip))
    return split_at_absences(sequence) if clip in CAMPUS else sequence


def split_at_absences(sequence: Sequence) -> Sequence:
    """Start a new track of the same person after each absence of a second or more.

    Args:
        sequence: Its tracks are people: `person` must be empty.
    """
    last: dict[int, tuple[int, int]] = {}
    person: dict[int, int] = {}
    free = 1 + max((int(f.ids.max()) for f in sequence.frames if len(f.ids)), default=0)
    frames = []
    for n, frame in enumerate(sequence.frames):
        tracks = []
        for who in map(int, frame.ids):
            before, track = last.get(who, (n, who))
            if n - before > _ABSENCE * sequence.fps:
                track, free = free, free + 1
            last[who], person[track] = (n, track), who
            tracks.append(track)
        frames.append(FrameBoxes(np.array(tracks, np.int64), frame.xyxy))
    return replace(sequence, frames=tuple(frames), person=person)


def _video(folder: Path) -> Path | None:
    beside = (folder.parent / f"{folder.name}{suffix}" for suffix in _VIDEOS)
    inside = sorted(p for p in folder.iterdir() if p.suffix in _VIDEOS)
    return next((p for p in (*inside, *beside) if p.exists()), None)


def read_video(sequence: Sequence) -> Iterator[ImageArray]:
    """Read the video's frames, `(H, W, 3)` uint8 BGR."""
    import cv2

    video = cv2.VideoCapture(str(sequence.video))
    while True:
        more, image = video.read()
        if not more:
            return
        yield image


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
    found = Detections(rows[:, 1:5], rows[:, 5], rows[:, 6], feats)
    return [found.select(rows[:, 0] == n) for n in range(1, length + 1)]


def with_feats(cache: list[Detections], rows: Floats) -> list[Detections]:
    """Give detections embeddings.

    Args:
        cache: By frame.
        rows: `(N, D)`, of all frames one after another.
    """
    ends = np.cumsum([len(d.xyxy) for d in cache])
    return [replace(d, feats=feats) for d, feats in zip(cache, np.split(rows, ends[:-1]), strict=True)]
