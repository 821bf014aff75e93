"""Sources of the demo: a generated scene, or a source of the user."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ReIDError
from .ground_truth import SceneGroundTruth
from .options import DETECTOR, DETECTOR_OVERLAP, DETECTOR_SIZE, DemoOptions

if TYPE_CHECKING:
    from ..scenes import Scene

SCENE_SECONDS, SCENE_FPS, SCENE_SIZE = 75.0, 10.0, (960, 540)
SCENE = "scene.mp4"


@dataclass(frozen=True)
class DemoSource:
    """A source with its detector.

    Attributes:
        uri: Source of `YOLO.track`: a path, camera number or URL.
        model: The YOLO model.
        options: Further arguments of `YOLO.track`.
        truth: Ground truth of a generated scene; None for other sources.
        frames: Number of frames; None if unknown.
        is_repeatable: Whether the source can be read twice; a camera can't.
    """

    uri: str
    model: str
    options: dict[str, Any]
    truth: SceneGroundTruth | None
    frames: int | None
    is_repeatable: bool


def open_source(options: DemoOptions, folder: Path) -> DemoSource:
    """Check the source, or render a scene.

    Args:
        options: Options of the run.
        folder: Folder for the scene's video.

    Raises:
        ReIDError: If the source or the model is missing, or can't be read.
    """
    own = {"imgsz": DETECTOR_SIZE, "iou": DETECTOR_OVERLAP} if options.model is None else {}
    arguments = {"classes": list(options.classes) or None, **own}
    if options.imgsz is not None:
        arguments["imgsz"] = options.imgsz
    model = str(DETECTOR) if options.model is None else _check_model(options.model)
    if options.source is not None:
        frames, is_repeatable = _source_length(options.source, options.seconds)
        return DemoSource(options.source, model, arguments, None, frames, is_repeatable)
    from ..scenes import Scene

    truth = render(Scene(scene_options(options)), folder / SCENE, "rendering a scene")
    return DemoSource(str(folder / SCENE), model, arguments, truth, len(truth.frames), is_repeatable=True)


def progress(rows: Iterable[Any], label: str, total: int | None) -> Iterable[Any]:
    """Iterate with a progress bar on stderr."""
    from ultralytics.utils import TQDM

    bar: Iterable[Any] = TQDM(rows, desc=label, total=total, unit="frame", file=sys.stderr)
    return bar


def _check_model(model: str) -> str:
    from ultralytics.utils.downloads import GITHUB_ASSETS_NAMES

    # Ultralytics downloads the models it knows by name.
    if not Path(model).exists() and model not in GITHUB_ASSETS_NAMES:
        raise ReIDError(f"--model {model}: there is no such file, and it is no model name known to Ultralytics")
    return model


def _source_length(source: str, seconds: float | None) -> tuple[int | None, bool]:
    """Number of frames, None if unknown, and whether the source can be read twice."""
    from ultralytics.data.utils import IMG_FORMATS, VID_FORMATS

    if source.isdecimal() or "://" in source:
        return None, False
    path = Path(source)
    if not path.exists():
        raise ReIDError(f"--source {source}: there is no such file, and it is neither a camera number nor a URL")
    if path.is_dir():
        count = sum(p.suffix[1:].lower() in IMG_FORMATS for p in path.iterdir())
        if not count:
            raise ReIDError(f"--source {source}: there are no images in this folder")
        return count, True
    if path.suffix[1:].lower() not in VID_FORMATS:
        kinds = ", ".join(sorted(VID_FORMATS))
        raise ReIDError(f"--source {source}: must be a folder of images or a video ({kinds})")
    return _video_length(path, seconds), True


def _video_length(path: Path, seconds: float | None) -> int | None:
    import cv2

    video = cv2.VideoCapture(str(path))
    try:
        if not video.isOpened() or not video.grab():
            raise ReIDError(f"--source {path}: not a readable video")
        count, fps = video.get(cv2.CAP_PROP_FRAME_COUNT), video.get(cv2.CAP_PROP_FPS)
        limit = seconds * fps if seconds is not None and fps > 0 else float("inf")
        return round(min(count, limit)) if count > 0 else None
    finally:
        video.release()


def scene_options(options: DemoOptions) -> Any:
    """Build the scene's `ultralytics_reid.scenes.SceneOptions`."""
    from ..scenes import SceneOptions

    seconds = options.seconds or SCENE_SECONDS
    scene = SceneOptions(people=options.people, seconds=seconds, fps=SCENE_FPS, seed=options.seed, size=SCENE_SIZE)
    # Frequent stops: no tracker can recognize people after only a few frames of them.
    return replace(scene, stops=0.8, pillars=1)


def render(scene: Scene, path: Path, label: str, camera: int = 0) -> SceneGroundTruth:
    """Write the video of a generated scene's camera, and return its ground truth.

    Args:
        scene: The scene.
        path: The `.mp4` to write.
        label: Of the progress bar.
        camera: Index of the camera.

    Raises:
        ReIDError: If OpenCV can't write it.
    """
    import cv2

    fps = scene.options.fps
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), fps, scene.options.size)
    if not video.isOpened():
        raise ReIDError(f"{path}: OpenCV can't write a video there")

    def views() -> Iterator[Any]:
        for view in progress(scene.views(camera), label, len(scene)):
            video.write(scene.render(view))
            yield view

    try:
        return SceneGroundTruth.of(views(), fps)
    finally:
        video.release()
