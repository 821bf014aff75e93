"""Sequences in MOTChallenge's form, as the tests write them."""

from __future__ import annotations

import cv2
import numpy as np

from benchmarks.harness.data.layout import find_clips
from ultralytics_reid.evaluation.frames import FrameBoxes
from ultralytics_reid.evaluation.mot_files import Truth

SHAPE = (120, 160)
NONE = "none"
ONE = np.ones(1, np.float32)


def info(name, length, fps=25, extra=""):
    sizes = f"imWidth={SHAPE[1]}\nimHeight={SHAPE[0]}\nimExt=.png\n"
    return f"[Sequence]\nname={name}\nimDir=img1\nframeRate={fps}\nseqLength={length}\n{sizes}{extra}"


def write(folder, name, length=8, *, images=False):
    """A sequence of people side by side that walk to the right, and detections a little off."""
    place = folder / name
    (place / "gt").mkdir(parents=True)
    (place / "det").mkdir()
    (place / "seqinfo.ini").write_text(info(name, length))
    people = [(n, i, 10 + 40 * i + n, 20) for n in range(1, length + 1) for i in range(3)]
    rows = [f"{n},{i + 1},{x},{y},20,50,1,1,1.0" for n, i, x, y in people]
    found = [f"{n},-1,{x + 0.5},{y},20,50,{0.9 - 0.1 * i}" for n, i, x, y in people]
    (place / "gt" / "gt.txt").write_text("\n".join(rows) + "\n")
    (place / "det" / "det.txt").write_text("\n".join(found) + "\n")
    if images:
        (place / "img1").mkdir()
        noise = np.random.default_rng(0).integers(0, 255, (*SHAPE, 3), np.uint8)
        for n in range(1, length + 1):
            cv2.imwrite(str(place / "img1" / f"{n:06}.png"), np.roll(noise, n, axis=1))
    return place


def found(data, split="train", public=None, names=(), partial=False):
    return find_clips(data, split, public, names, partial)


def wander(rng, length=20, people=6):
    """Ground truth with distractors and rows that don't count, and a tracker's output that is wrong in many ways."""
    start, speed = rng.uniform(0, 300, (people, 2)), rng.normal(0, 4, (people, 2))
    kinds = rng.choice([1, 1, 1, 2, 6, 7, 8, 12, 3], people)
    rows, frames = [], []
    for n in range(1, length + 1):
        seen = np.flatnonzero(rng.random(people) < 0.9)
        places = start[seen] + speed[seen] * n
        rows += [
            [n, i + 1, *p, 30, 60, int(rng.random() < 0.9), kinds[i], 1] for i, p in zip(seen, places, strict=True)
        ]
        hit = rng.random(len(seen)) < 0.85
        boxes = np.concatenate([places[hit] + rng.normal(0, 4, (hit.sum(), 2)), rng.uniform(0, 300, (2, 2))])
        ids = np.concatenate([seen[hit] + 10 * (n > length // 2) * (seen[hit] % 2), [80, 81]])
        frames.append(
            FrameBoxes(ids.astype(np.int64), np.hstack([boxes, boxes + np.array([30, 60])]).astype(np.float32))
        )
    return Truth(np.array(rows, float), True), frames
