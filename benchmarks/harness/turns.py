"""Time of `update()` of several trackers on real clips, the same frames in turn, and of streams in one process."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence as Rows
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from ultralytics_reid._typing import Doubles

from .contenders.given_motion import GivenMotion, standing
from .contenders.host import HostContender, as_boxes, black, make_tracker
from .data.embedding import simulated
from .data.inputs import boxes_of_file, by_frame
from .data.layout import find_clips
from .data.sequences import Detections, load_cache, load_sequence, with_feats
from .options import MOT17, PETS, cached_path, clip_folder
from .progress import progress

# What imports the host's tracking alone and what imports this package too, and their trackers.
_STARTS = {"botsort.yaml": "import ultralytics.trackers.track", "reid_botsort.yaml": "import ultralytics_reid"}
_START = """
import sys, time
start = time.process_time()
{imported}
imported = time.process_time()
import numpy as np
from ultralytics.engine.results import Boxes
from ultralytics.trackers import track
from ultralytics.utils import IterableSimpleNamespace, YAML
keys = YAML.load(track.check_yaml("{yaml}")) | {{"with_reid": True, "gmc_method": "none"}}
tracker = track.TRACKER_MAP[keys["tracker_type"]](args=IterableSimpleNamespace(**keys))
boxes = Boxes(np.array([[10, 10, 60, 160, 0.9, 0], [100, 10, 160, 160, 0.9, 0]], np.float32), (480, 640))
tracker.update(boxes, np.zeros((480, 640, 3), np.uint8), feats=np.eye(2, 512, dtype=np.float32))
print(imported - start, time.process_time() - start)
"""


@dataclass(frozen=True)
class Material:
    """A clip's input, the same for all trackers.

    Attributes:
        name: The clip's.
        fps: Frames a second.
        shape: Height and width, pixels.
        cache: Detections with embeddings, by frame.
        warps: Camera motion `(F, 2, 3)`.
    """

    name: str
    fps: float
    shape: tuple[int, int]
    cache: list[Detections]
    warps: Doubles


def materials(shared: Path, only: Rows[str] = ()) -> list[Material]:
    """PETS with OSNet's embeddings and a static camera, and MOT17's validation halves with simulated ones.

    Args:
        shared: The folder of clips.
        only: Names of those that are wanted; none for all.
    """
    found = []
    if not only or PETS in only:
        pets, cache = load_sequence(clip_folder(shared, PETS)), load_cache(cached_path(shared, PETS))
        found.append(Material(PETS, pets.fps, pets.shape, cache, standing(len(cache))))
    for clip in find_clips(shared / "data" / MOT17, "val-half", None, [], partial=False):
        if only and clip.name not in only:
            continue
        boxes = by_frame(boxes_of_file(clip, clip.public()), clip.length)
        feats = simulated(clip, clip.truth().rows, boxes, 0)["feats"]
        motion = clip.motion()
        warps = standing(clip.length) if motion is None else motion
        found.append(Material(clip.name, clip.info.fps, clip.info.shape, with_feats(boxes, feats), warps))
    return found


@dataclass(frozen=True)
class Times:
    """Milliseconds of each frame, `(F,)`: of the clock on the wall, and of the processor."""

    wall: Doubles
    cpu: Doubles

    @property
    def worst(self) -> float:
        """Processor time of the worst frame in a thousand, over the median."""
        return float(np.quantile(self.cpu, 0.999) / np.median(self.cpu))


class _Stream:
    """One tracker on one clip."""

    def __init__(self, contender: HostContender, material: Material) -> None:
        self._material = material
        self._tracker = make_tracker(contender, material.fps)
        self._tracker.gmc = GivenMotion(material.warps)
        self._image = black(material.shape)

    def update(self, n: int) -> tuple[float, float]:
        """Track a frame; returns wall and processor time, milliseconds."""
        detections = self._material.cache[n]
        self._tracker.gmc.at = n
        boxes = as_boxes(detections, self._material.shape)
        wall, cpu = time.perf_counter(), time.thread_time()
        self._tracker.update(boxes, self._image, feats=detections.feats)
        return 1000 * (time.perf_counter() - wall), 1000 * (time.thread_time() - cpu)


def in_turn(contenders: Rows[HostContender], material: Material, rounds: int) -> list[Times]:
    """Run trackers on a clip, frame by frame, each round with new ones; who is first changes with every frame.

    Args:
        contenders: The trackers.
        material: The clip.
        rounds: How many times; of a frame the least time counts, since other programs can only add to it.

    Returns:
        Times of each.
    """
    best = np.full((len(contenders), 2, len(material.cache)), np.inf)
    for _ in range(rounds):
        streams = [_Stream(contender, material) for contender in contenders]
        for n in progress(range(len(material.cache)), material.name):
            for k in range(len(streams)):
                which = (n + k) % len(streams)
                best[which, :, n] = np.minimum(best[which, :, n], streams[which].update(n))
    return [Times(*times) for times in best]


def frames_per_second(contender: HostContender, material: Material, streams: int) -> float:
    """Frames a second of processor time, all streams together, in one process and thread."""
    cameras = [_Stream(contender, material) for _ in range(streams)]
    total = sum(camera.update(n)[1] for n in range(len(material.cache)) for camera in cameras)
    return 1000 * streams * len(material.cache) / total


def first_frames(rounds: int) -> dict[str, tuple[float, float]]:
    """Seconds of processor time to import, and until the first frame, of stock and of this package: medians."""
    found: dict[str, list[list[float]]] = {yaml: [] for yaml in _STARTS}
    for _ in progress(range(rounds), "first frames"):
        for yaml, imported in _STARTS.items():
            found[yaml].append(_start(_START.format(imported=imported, yaml=yaml)))
    return {yaml: (median(a for a, _ in times), median(b for _, b in times)) for yaml, times in found.items()}


def _start(code: str) -> list[float]:
    # An installed package is compiled; a checkout must be allowed to keep what it compiled, or it would be measured.
    env = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    out: Any = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=env).stdout
    return [float(value) for value in out.split()[-2:]]
