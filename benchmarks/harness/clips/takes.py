"""Clips as trackers get them in the revival run: visible people and detections; with holes, or with dark spells."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence as Rows
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ultralytics_reid._typing import Bools, Doubles, ImageArray
from ultralytics_reid.evaluation.frames import FrameBoxes, iou
from ultralytics_reid.evaluation.mot_files import CLASS, FLAG, frames_of
from ultralytics_reid.evaluation.returns import MATCH_IOU, matches
from ultralytics_reid.evaluation.revivals import FLICKER, VISIBLE

from ..data.inputs import prepare
from ..data.layout import Clip
from ..data.motion import camera_motion
from ..data.recipe import MOTION, Recipe
from ..data.sequences import Detections, load_sequence, read_video

# Holes: seconds seen before and after each, how many of a length in a clip, and how many at the same time.
MARGIN, OF_EACH, AT_ONCE = 2.0, 6, 2
_TRIES = 200
_PEDESTRIAN, _VISIBILITY = 1, 8


@dataclass(frozen=True)
class Take:
    """A clip as trackers get it.

    Attributes:
        fps: Frames a second.
        shape: The images' height and width, pixels.
        seen: By frame, the visible people, with persons as ids.
        detections: By frame, with embeddings.
        warps: `(F, 2, 3)` camera motion from the frame before to each frame, pixels.
        holes: `(person, first frame, frames)` of what was cut out.
    """

    fps: float
    shape: tuple[int, int]
    seen: tuple[FrameBoxes, ...]
    detections: tuple[Detections, ...]
    warps: Doubles
    holes: tuple[tuple[int, int, int], ...] = ()

    def __len__(self) -> int:
        return len(self.seen)

    def __iter__(self) -> Iterator[tuple[FrameBoxes, Detections]]:
        return zip(self.seen, self.detections, strict=True)


def filmed(folder: Path, cache: Rows[Detections], dark: Rows[tuple[int, int]] = ()) -> Take:
    """A clip with its video: detections and embeddings are given, the camera motion is found out from the images.

    Args:
        folder: The sequence's folder; persons come from `reentry.csv` where there is one.
        cache: Detections by frame.
        dark: `(first frame, frames)` for which the camera is covered: its images are black.
    """
    sequence = load_sequence(folder)
    shape, warps = camera_motion(_darkened(read_video(sequence), dark))
    return Take(sequence.fps, shape, sequence.by_person(), tuple(cache), warps)


def _darkened(video: Iterator[ImageArray], dark: Rows[tuple[int, int]]) -> Iterator[ImageArray]:
    for n, image in enumerate(video):
        yield np.zeros_like(image) if any(first <= n < first + length for first, length in dark) else image


def of_sequence(clip: Clip, recipe: Recipe, seed: int) -> Take:
    """A MOTChallenge sequence: detections, embeddings and camera motion as the mot17 run has them.

    Args:
        clip: The frames.
        recipe: Where inputs come from.
        seed: Of simulated embeddings.

    Raises:
        DatasetError: If files are missing or wrong.
    """
    inputs = prepare(clip, replace(recipe, motion=(MOTION,)), seed)
    rows = clip.truth().rows
    rows = rows[(rows[:, FLAG] > 0) & (rows[:, CLASS] == _PEDESTRIAN) & (rows[:, _VISIBILITY] >= VISIBLE)]
    seen = frames_of(rows, clip.length)
    return Take(clip.info.fps, clip.info.shape, seen, tuple(inputs.detections), inputs.warps[MOTION])


def _chosen(frame: FrameBoxes, rows: Bools) -> FrameBoxes:
    return FrameBoxes(frame.ids[rows], frame.xyxy[rows])


def dark_spells(length: int, fps: float, seconds: Rows[float]) -> list[tuple[int, int]]:
    """When a camera is covered, `(first frame, frames)`: evenly over a clip, the shortest first.

    Spells that would leave less than their own length between them are left out, the longest first.

    Args:
        length: Of the clip, frames.
        fps: Frames a second.
        seconds: How long each spell is.
    """
    spells = sorted(max(1, round(s * fps)) for s in seconds)
    while spells and sum(spells) + (len(spells) + 1) * max(spells[-1], round(MARGIN * fps)) > length:
        spells.pop()
    free = (length - sum(spells)) // (len(spells) + 1)
    starts = np.cumsum([free + (spells[n - 1] if n else 0) for n in range(len(spells))])
    return list(zip(starts.tolist(), spells, strict=True))


def covered(take: Take, dark: Rows[tuple[int, int]], *, blind: bool = True) -> Take:
    """Remove all people and detections for a while, as if the camera were covered.

    Args:
        take: The whole one.
        dark: `(first frame, frames)` of each spell.
        blind: Whether the camera motion is lost too, from the first dark frame to the first one after it; False if
            the take's was found out from black images already.
    """
    hidden = np.zeros(len(take) + 1, bool)
    warps = take.warps.copy()
    for first, length in dark:
        hidden[first : first + length] = True
        if blind:
            warps[first : first + length + 1] = np.eye(2, 3)
    seen = tuple(
        _chosen(f, np.zeros(len(f.ids), bool)) if dim else f for f, dim in zip(take.seen, hidden, strict=False)
    )
    found = tuple(
        d.select(np.zeros(len(d.xyxy), bool)) if dim else d for d, dim in zip(take.detections, hidden, strict=False)
    )
    return replace(take, seen=seen, detections=found, warps=warps)


def holed(take: Take, seconds: Rows[float], seed: int = 0) -> Take:
    """Remove a person's detections for a while, as if the person had left and returned.

    Of each length there are up to `OF_EACH` holes, at places that the seed chooses among those where the person is seen
    for `MARGIN` before and after; at no time are more than `AT_ONCE` people missing.

    Args:
        take: The whole one.
        seconds: Lengths of holes; those for which there is no room are left out.
        seed: Chooses persons and times.
    """
    rng = np.random.default_rng(seed)
    margin, spans, holes = round(MARGIN * take.fps), seen_spans(take), list[tuple[int, int, int]]()
    for length in sorted((max(1, round(s * take.fps)) for s in seconds), reverse=True):
        wide = [s for s in spans if s[2] - s[1] >= length + 2 * margin]
        holes += _placed(rng, wide, holes, length, margin)
    return _cut(take, tuple(sorted(holes, key=lambda h: (h[1], h[0]))))


def _placed(
    rng: np.random.Generator,
    spans: list[tuple[int, int, int]],
    holes: list[tuple[int, int, int]],
    length: int,
    margin: int,
) -> list[tuple[int, int, int]]:
    """Holes of one length that fit beside others."""
    found: list[tuple[int, int, int]] = []
    for _ in range(_TRIES if spans else 0):
        person, first, stop = spans[int(rng.integers(len(spans)))]
        hole = person, int(rng.integers(first + margin, stop - margin - length + 1)), length
        if len(found) < OF_EACH and _fits(hole, [*holes, *found], margin):
            found.append(hole)
    return found


def _fits(hole: tuple[int, int, int], others: list[tuple[int, int, int]], margin: int) -> bool:
    person, first, length = hole
    near = [p for p, start, n in others if start - margin < first + length and first < start + n + margin]
    return person not in near and len(near) < AT_ONCE


def seen_spans(take: Take) -> list[tuple[int, int, int]]:
    """Find stretches in which a person is visible, despite flicker: `(person, first frame, frame after the last)`."""
    spans: dict[int, list[list[int]]] = {}
    for n, frame in enumerate(take.seen):
        for person in map(int, frame.ids):
            mine = spans.setdefault(person, [])
            if mine and n - mine[-1][1] < FLICKER * take.fps:
                mine[-1][1] = n + 1
            else:
                mine.append([n, n + 1])
    return [(person, first, stop) for person, mine in spans.items() for first, stop in mine]


def _cut(take: Take, holes: tuple[tuple[int, int, int], ...]) -> Take:
    seen, found = list(take.seen), list(take.detections)
    for person, first, length in holes:
        for n in range(first, first + length):
            found[n] = found[n].select(~shows(person, seen[n], found[n]))
            seen[n] = _chosen(seen[n], seen[n].ids != person)
    return replace(take, seen=tuple(seen), detections=tuple(found), holes=holes)


def shows(person: int, seen: FrameBoxes, detections: Detections) -> Bools:
    """`(N,)`, which detections are a person's: those on the person that aren't matched to another."""
    rows = FrameBoxes(np.arange(len(detections.xyxy)), detections.xyxy)
    others = [row for other, row in matches(seen, rows) if other != person]
    mine = iou(seen.xyxy[seen.ids == person], detections.xyxy) >= MATCH_IOU
    mine[:, others] = False
    return np.asarray(mine.any(axis=0), bool)
