"""The demo's second part: two cameras of one generated place, tracked into one gallery."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from .._typing import Floats, ImageArray
from ..evaluation.frames import FrameBoxes, iou
from ..gallery.commands.terminal import progress
from ..gallery.gallery import Gallery
from ..gallery.views import Individual
from ..video_job.host import NO_STORES, write_tracker
from .annotations import IdentityOwners, LinkAnnotator
from .camera_report import GALLERY, QUERY, CameraReport, Query
from .ground_truth import SceneGroundTruth
from .options import DemoOptions
from .runner import Runner, in_step, of_result
from .source import SCENE_FPS, DemoSource, render
from .video import Panel, SideBySideVideo, panel_width

CAMERAS = ("west", "east")
VIDEO = "cameras.mp4"
SECONDS, SIZE = 60.0, (640, 360)
# Each frame waits for the gallery, so that the same scene gives the same ids on any machine.
SHARED: Mapping[str, object] = {**NO_STORES, "gallery_wait": 10.0, "store_crops": True, "camera_id": "auto"}


def track_cameras(options: DemoOptions, source: DemoSource, folder: Path) -> CameraReport:
    """Track two cameras of a generated place into one gallery.

    It writes a video of each camera, `cameras.mp4` with both, `gallery.db`, and `query.png`, an image to search for.
    After an interrupt (Ctrl-C) it finishes with the frames so far.

    Args:
        options: Options of the run.
        source: The first part's, with the detector and its arguments.
        folder: Folder to write to.

    Raises:
        ReIDError: If the tracker's YAML is unusable, or the folder can't be written to.
        KeyboardInterrupt: If it was interrupted before the first frame was tracked.
    """
    # The host splits its list of streams at spaces, which the output folder may have.
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        truth = _render(options, work)
        run = _CameraRun(options, source, work, folder / GALLERY, truth)
        run.track(folder / VIDEO)
        for camera in CAMERAS:
            shutil.move(work / f"{camera}.mp4", folder / f"{camera}.mp4")
    return run.report(folder / QUERY)


def _render(options: DemoOptions, folder: Path) -> list[SceneGroundTruth]:
    from ..scenes import Scene, SceneOptions

    scene = Scene(
        SceneOptions(
            people=options.people,
            seconds=options.seconds or SECONDS,
            fps=SCENE_FPS,
            seed=options.seed,
            size=SIZE,
            cameras=len(CAMERAS),
            look_alikes=0.0,
            away=(3.0, 10.0),
            pillars=0,
            visits=None,
            stops=0.8,
        )
    )
    return [
        render(scene, folder / f"{camera}.mp4", f"rendering camera {camera}", n) for n, camera in enumerate(CAMERAS)
    ]


@dataclass(frozen=True)
class Portrait:
    """Where an identity is best to be seen.

    Attributes:
        quality: Confidence times the height of the box, pixels, times the fraction not overlapped by other boxes.
        image: `(H, W, 3)` uint8 BGR, the whole frame.
        xyxy: `(4,)` float32, its box, pixels.
    """

    quality: float
    image: ImageArray
    xyxy: Floats


class _CameraRun:
    """Both cameras in lockstep, with what they showed."""

    def __init__(
        self, options: DemoOptions, source: DemoSource, work: Path, gallery: Path, truth: list[SceneGroundTruth]
    ) -> None:
        (work / "cameras.streams").write_text("\n".join(str(work / f"{camera}.mp4") for camera in CAMERAS))
        self._gallery = gallery
        write_tracker(work / "cameras.yaml", options.tracker, {**SHARED, "gallery": str(gallery)})
        streams, yaml = str(work / "cameras.streams"), str(work / "cameras.yaml")
        self._runner = Runner(
            options.tracker, source.model, streams, tracker=yaml, stream_buffer=True, **source.options
        )
        self._model, self._truth = source.model, truth
        self._frames: list[list[FrameBoxes]] = [[] for _ in CAMERAS]
        self._portraits: dict[int, Portrait] = {}

    def track(self, path: Path) -> None:
        """Track and draw until the end or an interrupt."""
        with ExitStack() as stack:
            video = stack.enter_context(SideBySideVideo(path))
            stack.callback(self._runner.close)
            try:
                self._track(video)
            except KeyboardInterrupt:
                if not self._frames[-1]:
                    raise
        self._runner.finish()

    def _track(self, video: SideBySideVideo) -> None:
        owners, people = IdentityOwners(), list(dict.fromkeys(p for truth in self._truth for p in truth.people))
        width = panel_width(SIZE[0])
        panels = [
            Panel(camera, LinkAnnotator(camera, truth, people, owners, width), frames)
            for camera, truth, frames in zip(CAMERAS, self._truth, self._frames, strict=True)
        ]
        frames = in_step([self._runner] * len(CAMERAS))
        for n, results in enumerate(progress(frames, "tracking two cameras", len(self._truth[0].frames)), 1):
            for result, shown in zip(results, self._frames, strict=True):
                shown.append(of_result(result))
                self._keep_portraits(result, shown[-1])
            seconds = n / SCENE_FPS
            video.add([p.draw(r, width, seconds) for p, r in zip(panels, results, strict=True)], SCENE_FPS)

    def _keep_portraits(self, result: Any, frame: FrameBoxes) -> None:
        """Keep the best image of each identity."""
        overlap = iou(frame.xyxy, frame.xyxy) - np.eye(len(frame.xyxy))
        for n, identity in enumerate(frame.ids.tolist()):
            xyxy = frame.xyxy[n]
            quality = float(result.boxes.conf[n]) * float(xyxy[3] - xyxy[1]) * (1 - float(overlap[n].max(initial=0)))
            if identity not in self._portraits or self._portraits[identity].quality < quality:
                self._portraits[identity] = Portrait(quality, result.orig_img, xyxy)

    def report(self, query: Path) -> CameraReport:
        """Summarize the run, and write an image of an individual to search for, preferably of one on both cameras."""
        count = len(self._frames[-1])
        truth = tuple(t.until(count) for t in self._truth)
        frames = tuple(tuple(f[:count]) for f in self._frames)
        return CameraReport(CAMERAS, truth, frames, self._save_query(query))

    def _save_query(self, path: Path) -> Query | None:
        """Write the image; None where the gallery has no identity that was shown."""
        held = [one for one in _individuals(self._gallery) if one.identity_id in self._portraits]
        on_both = [one for one in held if len(one.cameras) == len(CAMERAS)]
        if not held:
            return None
        portraits = [(self._portraits[one.identity_id], one) for one in on_both or held]
        best, one = max(portraits, key=lambda pair: pair[0].quality)
        cv2.imwrite(str(path), best.image)
        return Query(tuple(np.round(best.xyxy).astype(int).tolist()), self._model, one.cameras[-1])


def _individuals(gallery: Path) -> list[Individual]:
    """Identities of a gallery; none where it was never made, as nothing was detected."""
    if not gallery.exists():
        return []
    with Gallery(gallery) as opened:
        return opened.individuals()
