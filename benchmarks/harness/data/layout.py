"""Sequences of a data set, and the frames of each that are evaluated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ultralytics_reid._typing import Doubles
from ultralytics_reid.errors import DatasetError
from ultralytics_reid.evaluation.mot_files import FRAME, Truth, read_truth

from ..errors import ChoiceError
from .known import base_name, half, is_half, need_length, number, public_detector
from .reading import Found, Info, read_detections, read_info, read_motion

SPLITS = {"val-half": "train", "train": "train", "val": "val", "test": "test"}
DETECTORS = ("DPM", "FRCNN", "SDP")
ALL, PREFERRED = "all", "FRCNN"


@dataclass(frozen=True)
class Clip:
    """The frames of a sequence that are evaluated.

    Attributes:
        folder: The sequence's folder, which gives the sequence its name.
        info: What its `seqinfo.ini` says.
        start: The first frame, 0-based.
        length: How many frames.
        notes: What should be known about that choice.
    """

    folder: Path
    info: Info
    start: int
    length: int
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The folder's name, which result files get."""
        return self.folder.name

    def has_images(self) -> bool:
        """Whether there is a folder of images."""
        return (self.folder / self.info.images).is_dir()

    def images(self) -> list[Path]:
        """The images of these frames.

        Raises:
            DatasetError: If there are none, or they aren't numbered from 1 on without holes up to this clip's end.
        """
        folder = self.folder / self.info.images
        if not folder.is_dir():
            raise DatasetError(f"{folder} is missing, and the images are needed")
        return numbered(folder, self.info.suffix)[self.start : self.start + self.length]

    def has_truth(self) -> bool:
        """Whether there is ground truth."""
        return (self.folder / "gt" / "gt.txt").is_file()

    def truth(self) -> Truth:
        """The ground truth of these frames, numbered from 1."""
        truth = read_truth(self.folder / "gt" / "gt.txt", self.info.length)
        return Truth(self._window(truth.rows), truth.classes)

    def public(self) -> Path:
        """The file of detections that the sequence comes with."""
        return self.folder / "det" / "det.txt"

    def detections(self, path: Path) -> Found:
        """Detections of these frames from a file, numbered from 1.

        A file with all frames inside a validation half is taken as numbered by the half.
        """
        found = read_detections(path, self.info.length, self.info.shape)
        last = int(found.rows[:, FRAME].max(initial=0))
        if self.start and path != self.public() and 0 < last <= self.length:
            note = f"{path}: no frame above {self.length}, so it is taken as numbered by the half, not by the sequence"
            return Found(found.rows, (*found.notes, note))
        return Found(self._window(found.rows), found.notes)

    def motion(self) -> Doubles | None:
        """Camera motion `(length, 2, 3)` that the sequence comes with, as `gmc.txt`; None where it comes with none."""
        path = self.folder / "gmc.txt"
        if not path.is_file():
            return None
        warps = read_motion(path, (self.info.length, self.length))
        if len(warps) == self.length:
            return warps
        warps = warps[self.start : self.start + self.length].copy()
        warps[:1] = np.eye(2, 3)
        return np.asarray(warps)

    def _window(self, rows: Doubles) -> Doubles:
        shifted = rows[(rows[:, FRAME] > self.start) & (rows[:, FRAME] <= self.start + self.length)].copy()
        shifted[:, FRAME] -= self.start
        return np.asarray(shifted)


def numbered(folder: Path, suffix: str) -> list[Path]:
    """A folder's images in order.

    Raises:
        DatasetError: If there are none, or their names aren't 1, 2, 3, … with zeros before.
    """
    paths = sorted(p for p in folder.iterdir() if p.suffix.lower() == suffix.lower() and not p.name.startswith("."))
    if not paths:
        raise DatasetError(f"{folder} has no images of the kind *{suffix} (imExt)")
    for n, path in enumerate(paths, start=1):
        if not path.stem.isdecimal() or int(path.stem) != n:
            raise DatasetError(f"{folder}: frame {n} is missing: images are numbered from 1 on, next comes {path.name}")
    return paths


def find_clips(data: Path, split: str, public: str | None, names: Sequence[str], partial: bool) -> list[Clip]:
    """Choose sequences, and frames of them.

    Args:
        data: A data set's root, one of its splits' folders, or one sequence.
        split: One of `SPLITS`.
        public: Which of MOT17's three copies of a sequence to take, `ALL` of them, or None for any.
        names: Sequences by name, by name without the detector, or by number; none for all.
        partial: Whether a sequence of which only the first images are there is cut to those.

    Raises:
        ChoiceError: If a sequence that was asked for isn't there.
        DatasetError: If there is no sequence, or one's length, or the number of its images, is wrong.
    """
    folders = _one_detector(_folders(data, split), public)
    return [_clip(folder, split, partial) for folder in _chosen(folders, names)]


def _folders(data: Path, split: str) -> list[Path]:
    if not data.is_dir():
        raise DatasetError(f"{data} is no folder")
    data = data.resolve()
    if (data / "seqinfo.ini").is_file():
        return [data]
    place = data / SPLITS[split]
    inside = sorted(p for p in (place if place.is_dir() else data).iterdir() if p.is_dir())
    folders = [p for p in inside if (p / "seqinfo.ini").is_file() or (p / "gt").is_dir() or (p / "img1").is_dir()]
    if not folders:
        told = f"{data} holds no sequence: a folder with seqinfo.ini was looked for there and in {SPLITS[split]}/"
        others = [name for name, place in SPLITS.items() if any((data / place).glob("*/seqinfo.ini"))]
        raise DatasetError(told + (f", but there are some for --split {' or '.join(others)}" if others else ""))
    return folders


def _one_detector(folders: list[Path], public: str | None) -> list[Path]:
    """One of MOT17's three copies of each sequence; what comes once is taken as it is."""
    if public == ALL:
        return folders
    groups: dict[str, dict[str | None, Path]] = {}
    for folder in folders:
        groups.setdefault(base_name(folder.name), {})[public_detector(folder.name)] = folder
    return [_one(name, copies, public) for name, copies in groups.items()]


def _one(name: str, copies: dict[str | None, Path], public: str | None) -> Path:
    if None in copies:
        return copies[None]
    if public is None:
        return copies.get(PREFERRED) or copies[min(copies, key=str)]
    if public not in copies:
        raise ChoiceError(f"{name} is here with {', '.join(map(str, copies))}, but not with --public {public}")
    return copies[public]


def _chosen(folders: list[Path], names: Sequence[str]) -> list[Path]:
    if not names:
        return folders
    unknown = [name for name in names if not any(_matches(f.name, name) for f in folders)]
    if unknown:
        there = ", ".join(f.name for f in folders)
        raise ChoiceError(f"no sequence {', '.join(unknown)} here, but {there}")
    return [f for f in folders if any(_matches(f.name, name) for name in names)]


def _matches(folder: str, name: str) -> bool:
    return name in (folder, base_name(folder), number(folder))


def _clip(folder: Path, split: str, partial: bool) -> Clip:
    info = read_info(folder)
    need_length(folder.name, info.length)
    images = folder / info.images
    there = len(numbered(images, info.suffix)) if images.is_dir() else info.length
    if partial and there < info.length:
        return _cut(folder, info, there, split)
    if there != info.length:
        hint = "; --partial takes those that are there" if there < info.length else ""
        raise DatasetError(f"{images} has {there} images, but seqinfo.ini says seqLength={info.length}{hint}")
    return _of_split(folder, info, split)


def _cut(folder: Path, info: Info, there: int, split: str) -> Clip:
    """The first frames, as far as there are images."""
    if split == "val-half":
        told = f"{folder.name} has {there} of {info.length} images, no validation half: take --split train"
        raise DatasetError(told)
    return Clip(folder, info, 0, there, (f"{folder.name}: only the first {there} of {info.length} frames",))


def _of_split(folder: Path, info: Info, split: str) -> Clip:
    halved = is_half(folder.name, info.length)
    if split != "val-half":
        if halved:
            raise DatasetError(f"{folder.name} is its validation half already ({info.length} frames): --split val-half")
        return Clip(folder, info, 0, info.length)
    if halved:
        return Clip(folder, info, 0, info.length, (f"{folder.name}: is the validation half already, as it lies here",))
    start, length = half(info.length)
    told = f"{folder.name}: frames {start + 1} to {info.length}, the validation half, renumbered from 1"
    return Clip(folder, info, start, length, (told,))


def all_notes(clips: Sequence[Clip]) -> Iterator[str]:
    """Yield notes on the choice of frames."""
    for clip in clips:
        yield from clip.notes
