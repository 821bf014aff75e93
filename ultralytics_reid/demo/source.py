"""Sources of the demo: a generated scene, or a source of the user."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ReIDError
from ..gallery.commands.terminal import progress
from ..video_job.host import check_model, class_names, load_model
from ..video_job.options import class_indices
from ..video_job.source import open_source as video_source
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
        ReIDError: If the source or the model is missing, or can't be read, or the model has no such class.
    """
    own = {"imgsz": DETECTOR_SIZE, "iou": DETECTOR_OVERLAP} if options.model is None else {}
    model = str(DETECTOR) if options.model is None else check_model(options.model)
    given, uri = None, options.source
    if uri is not None:
        given = video_source(uri, f"--source {uri}", seconds=options.seconds)
    arguments = {"classes": class_indices(class_names(load_model(model), model), options.classes), **own}
    if options.imgsz is not None:
        arguments["imgsz"] = options.imgsz
    if given is not None:
        return DemoSource(given.uri, model, arguments, None, given.frames, given.is_repeatable)
    from ..scenes import Scene

    truth = render(Scene(scene_options(options)), folder / SCENE, "rendering a scene")
    return DemoSource(str(folder / SCENE), model, arguments, truth, len(truth.frames), is_repeatable=True)


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
