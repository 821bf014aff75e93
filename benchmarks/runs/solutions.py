"""Ultralytics' solutions on a generated scene whose people leave and come back, with stock BoT-SORT and this tracker.

The demo's detector and each tracker run once; all solutions are given what they returned, but for `TrackZone`, which
hides a part of the image, and `ObjectCropper`, which does not track. There is no pose or segmentation model: keypoints
and masks are made from the boxes.
"""

from __future__ import annotations

import json
import logging
import tempfile
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ultralytics import YOLO, solutions
from ultralytics.engine.results import Keypoints, Masks
from ultralytics.utils import LOGGER, YAML

from ultralytics_reid.demo import DETECTOR, DETECTOR_SIZE
from ultralytics_reid.evaluation.markdown import table
from ultralytics_reid.scenes import Scene, SceneOptions

from ..harness.contenders.host import OURS, HostContender
from ..harness.options import add_write, whole
from ..harness.progress import progress
from ..harness.report import present

TRACKERS = ("botsort.yaml", OURS)
WIDTH, HEIGHT = 640, 360
_LEFT, _RIGHT = 120, 520
LINE = [(WIDTH // 2, 0), (WIDTH // 2, HEIGHT)]
ZONE = [(_LEFT, 0), (_RIGHT, 0), (_RIGHT, HEIGHT), (_LEFT, HEIGHT)]
# Frames of one knee bend of the made keypoints.
_BEND = 20
_FRAME = count()


def _as_it_is(result: Any) -> Any:
    return result


@dataclass(frozen=True)
class Case:
    """How a solution is run, and what is read from it.

    Attributes:
        figure: What is read, in words.
        make: Makes the solution of the keywords that all have, and a folder.
        read: Reads the figure from the solution and its results, frame by frame.
        adapt: Adds to a frame's tracked result what the solution needs.
        alone: Whether it tracks, or detects, by itself.
    """

    figure: str
    make: Callable[[Any, dict[str, Any], Path], Any]
    read: Callable[[Any, list[Any]], float]
    adapt: Callable[[Any], Any] = _as_it_is
    alone: bool = False


class Tracked:
    """A model that tracks each frame once, for all solutions.

    Args:
        keys: The solutions' keywords.

    Attributes:
        result: Of the last frame.
    """

    def __init__(self, keys: Mapping[str, Any]) -> None:
        self._model = YOLO(keys["model"])
        self._keys = {key: keys[key] for key in ("imgsz", "iou", "tracker")}
        self.names = self._model.names
        self.result: Any = None

    @property
    def predictor(self) -> Any:
        """The host's, with the tracker."""
        return self._model.predictor

    def step(self, frame: Any) -> None:
        """Track a frame, `(H, W, 3)` uint8 BGR."""
        (self.result,) = self._model.track(frame, persist=True, verbose=False, **self._keys)


class View:
    """What a solution takes for its model.

    Args:
        tracked: The one that all share.
        adapt: Of the case.
    """

    def __init__(self, tracked: Tracked, adapt: Callable[[Any], Any]) -> None:
        self._tracked, self._adapt = tracked, adapt
        self.names = tracked.names

    @property
    def predictor(self) -> Any:
        """The host's, with the tracker."""
        return self._tracked.predictor

    def track(self, *_: Any, **__: Any) -> list[Any]:
        """Return the last frame's result."""
        return [self._adapt(copy(self._tracked.result))]


def scene_options(seconds: float = 60.0) -> SceneOptions:
    """Return the scene of this run: four people, each visible three times."""
    return SceneOptions(
        people=4,
        seconds=seconds,
        fps=10,
        seed=2,
        size=(WIDTH, HEIGHT),
        visits=3,
        away=(4.0, 6.0),
        look_alikes=0,
        pillars=0,
        stops=0,
    )


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--seconds", type=whole, default=60, metavar="S", help="of the scene (default: 60)")
    parser.add_argument("--only", nargs="+", choices=list(CASES), default=list(CASES), help="default: all")
    add_write(parser)


def run(args: Namespace) -> None:
    options = scene_options(args.seconds)
    scene = Scene(options)
    views = list(scene.views())
    frames = [scene.render(view) for view in views]
    rows = list(_rows(args.only, frames, options.fps))
    head = ["solution", "figure", "ids: botsort", "ids: reid_botsort", "botsort", "**reid_botsort**"]
    text = f"{options.people} people, {_visits(views)} visits, {options.seconds:.0f} s; ids shown for a second or more."
    present("solutions", [table(head, rows), text], write=args.write)


def _visits(views: list[Any]) -> int:
    """Number of stretches in which a person is visible."""
    there: set[int] = set()
    count = 0
    for view in views:
        now = {int(i) for i in view.ids}
        count, there = count + len(now - there), now
    return count


def _rows(names: list[str], frames: list[Any], fps: float) -> Iterator[list[str]]:
    measured = [measure(names, tracker, frames, fps) for tracker in progress(TRACKERS, "trackers", unit="tracker")]
    for name in names:
        values = [by_name[name] for by_name in measured]
        ids = [str(len(found)) for _, found in values]
        yield [f"`{name}`", CASES[name].figure, *ids, *(f"{value:g}" for value, _ in values)]


def measure(names: Iterable[str], tracker: str, frames: list[Any], fps: float) -> dict[str, tuple[float, set[int]]]:
    """Run solutions over a video.

    Args:
        names: Some of `CASES`.
        tracker: Name of a tracker YAML.
        frames: Images, `(H, W, 3)` uint8 BGR.
        fps: Frames a second.

    Returns:
        By name, the figure of the case, and the ids that were shown for a second or more.
    """
    LOGGER.setLevel(logging.ERROR)  # each solution says all its settings, and each frame without a track
    with tempfile.TemporaryDirectory() as made:
        keys = {"model": str(DETECTOR), "imgsz": DETECTOR_SIZE, "iou": 0.5, "show": False, "verbose": False}
        keys["tracker"] = str(_yaml(tracker, fps, Path(made)))
        tracked = Tracked(keys)
        running = {name: _Running(name, keys, Path(made), tracked) for name in names}
        for n, frame in enumerate(frames, 1):
            tracked.step(frame)
            for each in running.values():
                each.step(frame, n)
        return {name: (each.case.read(each.solution, each.results), each.ids(fps)) for name, each in running.items()}


class _Running:
    """A solution at work, with what it returned and showed so far."""

    def __init__(self, name: str, keys: dict[str, Any], folder: Path, tracked: Tracked) -> None:
        self.case, self.results, self._shown = CASES[name], list[Any](), Counter[int]()
        self.solution = self.case.make(getattr(solutions, name), keys, folder)
        self._numbered = name == "Analytics"
        if not self.case.alone:
            self.solution.model = View(tracked, self.case.adapt)

    def step(self, frame: Any, number: int) -> None:
        result = self.solution(frame.copy(), *([number] if self._numbered else []))
        result.plot_im = None
        self.results.append(result)
        self._shown.update(self.solution.track_ids)

    def ids(self, frames: float) -> set[int]:
        """Return the ids that were shown in so many frames."""
        return {identity for identity, shown in self._shown.items() if shown >= frames}


def _yaml(name: str, fps: float, folder: Path) -> Path:
    content = HostContender(name, name).config
    if "fps" in content:
        content["fps"] = fps
    path = folder / name
    YAML.save(path, content)
    return path


def _plain(kind: Any, keys: dict[str, Any], folder: Path) -> Any:  # noqa: ARG001
    return kind(**keys)


def _with(**more: Any) -> Callable[[Any, dict[str, Any], Path], Any]:
    return lambda kind, keys, folder: kind(**keys, **more)  # noqa: ARG005


def _parking(kind: Any, keys: dict[str, Any], folder: Path) -> Any:
    (folder / "places.json").write_text(json.dumps([{"points": ZONE}]))
    return kind(**keys, json_file=str(folder / "places.json"))


def _cropper(kind: Any, keys: dict[str, Any], folder: Path) -> Any:
    return kind(**keys, crop_dir=str(folder / "crops"))


def _alarm(kind: Any, keys: dict[str, Any], folder: Path) -> Any:  # noqa: ARG001
    """An alarm whose mails go nowhere."""
    made = kind(**keys, records=2)
    made.server, made.send_email = object(), lambda *_: None
    return made


def _selecting(kind: Any, keys: dict[str, Any], folder: Path) -> Any:  # noqa: ARG001
    """The first two who are visible at once are selected, as by two clicks."""
    made = kind(**keys)
    extract = made.extract_tracks
    done: list[bool] = []

    def extract_and_select(image: Any) -> None:
        extract(image)
        if len(made.track_ids) >= 2 and not done:
            done.append(True)
            made.selected_boxes = dict(zip(made.track_ids[:2], made.boxes[:2], strict=True))

    made.extract_tracks = extract_and_select
    return made


def _posed(result: Any) -> Any:
    """Add keypoints of hip, knee and ankle; everybody bends the knees all the time."""
    boxes = result.boxes.xyxy.cpu().numpy()
    straight = next(_FRAME) % _BEND < _BEND // 2
    points = np.array([_leg(box, straight=straight) for box in boxes], np.float32).reshape(-1, 3, 2)
    result.keypoints = Keypoints(torch.from_numpy(points), result.orig_shape)
    return result


def _leg(box: Any, *, straight: bool) -> list[tuple[float, float]]:
    left, top, right, bottom = box.tolist()
    x, height = (left + right) / 2, bottom - top
    knee = x if straight else x + height / 4
    return [(x, top + height / 2), (knee, top + 0.75 * height), (x, bottom)]


def _masked(result: Any) -> Any:
    """Add masks: a box is its mask."""
    masks = np.zeros((len(result.boxes), *result.orig_shape), np.uint8)
    for mask, (x0, y0, x1, y1) in zip(masks, result.boxes.xyxy.int().tolist(), strict=True):
        mask[max(y0, 0) : y1, max(x0, 0) : x1] = 1
    if len(masks):
        result.masks = Masks(torch.from_numpy(masks), result.orig_shape)
    return result


def _counted(solution: Any, results: list[Any]) -> float:  # noqa: ARG001
    return float(results[-1].in_count + results[-1].out_count)


def _sum(name: str) -> Callable[[Any, list[Any]], float]:
    return lambda _, results: float(sum(getattr(result, name) for result in results))


def _in_region(solution: Any, results: list[Any]) -> float:  # noqa: ARG001
    return float(sum(sum(result.region_counts.values()) for result in results))


def _speeds(solution: Any, results: list[Any]) -> float:  # noqa: ARG001
    return float(len({identity for result in results for identity in result.speed_dict}))


def _repetitions(solution: Any, results: list[Any]) -> float:  # noqa: ARG001
    return float(max((max(result.workout_count, default=0) for result in results), default=0))


def _distances(solution: Any, results: list[Any]) -> float:  # noqa: ARG001
    """Frames with a distance that is measured between boxes there are."""
    values = [result.pixels_distance for result in results]
    return float(sum(a != b for a, b in pairwise(values)))


def _mailed(solution: Any, results: list[Any]) -> float:  # noqa: ARG001
    return float(sum(b.email_sent and not a.email_sent for a, b in pairwise(results)))


_BOXES = "boxes, all frames"
CASES: Mapping[str, Case] = {
    "ObjectCounter": Case("counted at a line", _with(region=LINE), _counted),
    "Heatmap": Case("counted at a line", _with(region=LINE), _counted),
    "RegionCounter": Case("boxes in the region, all frames", _with(region=ZONE), _in_region),
    "QueueManager": Case("boxes in the queue, all frames", _with(region=ZONE), _sum("queue_count")),
    "SpeedEstimator": Case("ids with a speed", _with(fps=10.0, max_hist=5), _speeds),
    "AIGym": Case(
        "most repetitions of one id", _with(kpts=[0, 1, 2], up_angle=140.0, down_angle=100.0), _repetitions, _posed
    ),
    "DistanceCalculation": Case("frames whose distance is new", _selecting, _distances),
    "TrackZone": Case(_BOXES, _with(region=ZONE), _sum("total_tracks"), alone=True),
    "ParkingManagement": Case("frames with the place taken", _parking, _sum("filled_slots")),
    "InstanceSegmentation": Case(_BOXES, _plain, _sum("total_tracks"), _masked),
    "ObjectBlurrer": Case(_BOXES, _plain, _sum("total_tracks")),
    "VisionEye": Case(_BOXES, _plain, _sum("total_tracks")),
    "Analytics": Case(_BOXES, _plain, _sum("total_tracks")),
    "SecurityAlarm": Case("mails", _alarm, _mailed),
    "ObjectCropper": Case("crops (does not track)", _cropper, lambda solution, _: float(solution.crop_idx), alone=True),
}
