"""What the demo tracks: a scene that it generates, or a source of the user's."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import ReIDError
from .ground_truth import SceneTruth
from .options import DETECTOR, DETECTOR_OVERLAP, DETECTOR_SIZE, DemoOptions

SCENE_SECONDS, SCENE_FPS, SCENE_SIZE = 75.0, 10.0, (960, 540)
SCENE = "scene.mp4"


@dataclass(frozen=True)
class Material:
    """A source, and what finds people in it.

    Attributes:
        source: What `YOLO.track` takes.
        model: The YOLO model.
        options: More of what `YOLO.track` takes.
        truth: Who is where; None where nobody knows.
        frames: How many frames there are; None where that isn't known.
        repeats: Whether it can be read twice; a camera can't.
    """

    source: str
    model: str
    options: dict[str, Any]
    truth: SceneTruth | None
    frames: int | None
    repeats: bool


def material(options: DemoOptions, folder: Path) -> Material:
    """Find the source, or generate a scene.

    Args:
        options: What was asked for.
        folder: Where a scene's video is written.

    Raises:
        ReIDError: If there is no such source, or no such model, or it can't be read.
    """
    own = {"imgsz": DETECTOR_SIZE, "iou": DETECTOR_OVERLAP} if options.model is None else {}
    how = {"classes": list(options.classes) or None, **own, **_given(imgsz=options.imgsz)}
    model = str(DETECTOR) if options.model is None else _model(options.model)
    if options.source is not None:
        frames, repeats = _length(options.source, options.seconds)
        return Material(options.source, model, how, None, frames, repeats)
    truth = _render(options, folder / SCENE)
    return Material(str(folder / SCENE), model, how, truth, len(truth.frames), repeats=True)


def progress(rows: Iterable[Any], label: str, total: int | None) -> Iterable[Any]:
    """Show a progress bar on stderr while rows pass through; they end with it."""
    from ultralytics.utils import TQDM

    bar: Iterable[Any] = TQDM(rows, desc=label, total=total, unit="frame", file=sys.stderr)
    return bar


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _model(model: str) -> str:
    from ultralytics.utils.downloads import GITHUB_ASSETS_NAMES

    # A name that Ultralytics knows it fetches, where there is a network.
    if not Path(model).exists() and model not in GITHUB_ASSETS_NAMES:
        raise ReIDError(f"--model {model}: there is no such file, and it is no name of a model of Ultralytics'")
    return model


def _length(source: str, seconds: float | None) -> tuple[int | None, bool]:
    """How many frames a source has, None if that isn't known, and whether it can be read twice."""
    from ultralytics.data.utils import IMG_FORMATS, VID_FORMATS

    if source.isdecimal() or "://" in source:
        return None, False
    path = Path(source)
    if not path.exists():
        raise ReIDError(f"--source {source}: there is no such file, and it is neither a camera's number nor a URL")
    if path.is_dir():
        images = sum(p.suffix[1:].lower() in IMG_FORMATS for p in path.iterdir())
        if not images:
            raise ReIDError(f"--source {source}: there are no images in this folder")
        return images, True
    if path.suffix[1:].lower() not in VID_FORMATS:
        kinds = ", ".join(sorted(VID_FORMATS))
        raise ReIDError(f"--source {source}: must be a folder of images or a video ({kinds})")
    return _video_length(path, seconds), True


def _video_length(path: Path, seconds: float | None) -> int | None:
    import cv2

    video = cv2.VideoCapture(str(path))
    try:
        if not video.isOpened() or not video.grab():
            raise ReIDError(f"--source {path}: not a video that can be read")
        count, fps = video.get(cv2.CAP_PROP_FRAME_COUNT), video.get(cv2.CAP_PROP_FPS)
        most = seconds * fps if seconds is not None and fps > 0 else float("inf")
        return round(min(count, most)) if count > 0 else None
    finally:
        video.release()


def scene_options(options: DemoOptions) -> Any:
    """The scene's, an `ultralytics_reid.scenes.SceneOptions`."""
    from ..scenes import SceneOptions

    seconds = options.seconds or SCENE_SECONDS
    scene = SceneOptions(people=options.people, seconds=seconds, fps=SCENE_FPS, seed=options.seed, size=SCENE_SIZE)
    # People take their time: whom a tracker has only seen in passing it can hardly know again, whichever it is.
    return replace(scene, stops=0.8, pillars=1)


def _render(options: DemoOptions, path: Path) -> SceneTruth:
    """Write a generated scene's video, and tell who is where in it."""
    import cv2

    from ..scenes import Scene

    scene = Scene(scene_options(options))
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), SCENE_FPS, SCENE_SIZE)
    if not video.isOpened():
        raise ReIDError(f"{path}: OpenCV can't write a video there")

    def views() -> Iterator[Any]:
        for view in progress(scene.views(), "rendering a scene", len(scene)):
            video.write(scene.render(view))
            yield view

    try:
        return SceneTruth.of(views(), SCENE_FPS)
    finally:
        video.release()
