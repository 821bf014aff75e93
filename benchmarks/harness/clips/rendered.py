"""Generated scenes as a user would see them: images, the package's own detector, and its own features."""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ultralytics_reid import scenes
from ultralytics_reid.demo import DETECTOR, DETECTOR_SIZE
from ultralytics_reid.demo.options import DETECTOR_OVERLAP
from ultralytics_reid.evaluation.frames import FrameBoxes
from ultralytics_reid.evaluation.revivals import VISIBLE

from ..data import backbone, inputs
from ..data.cache import Arrays, Cache, of_file
from ..data.embedding import embedding_facts
from ..data.inputs import Inputs, by_frame, prepare
from ..data.layout import find_clips
from ..data.recipe import AUTO, MOTION, Detector, Recipe
from ..data.sequences import Detections, with_feats
from ..packages import versions
from .takes import Take

if TYPE_CHECKING:
    from ultralytics_reid.scenes import SceneOptions

# Scenes of seeds from here on taught the detector.
TAUGHT = 1000
NAME = "rendered"
_CODE = (*sorted(Path(inspect.getfile(scenes)).parent.glob("*.py")), Path(inputs.__file__), Path(backbone.__file__))


def rendered(options: SceneOptions, features: Path, camera: int = 0) -> Take:
    """A camera of a generated scene: detections, embeddings and camera motion are found in its images.

    The images are not kept, only what was found in them.

    Args:
        options: The scene's.
        features: Keeps what was found.
        camera: Which one.
    """
    key = _facts(options) | ({"camera": camera} if camera else {})
    name = f"seed{options.seed}" + (f"-camera{camera}" if camera else "")
    arrays = Cache(features).arrays(NAME, name, key, lambda: _found(options, camera))
    shape = options.size[1], options.size[0]
    return Take(
        options.fps, shape, tuple(_seen(options, camera)), tuple(_detections(arrays, options.frames)), arrays["warps"]
    )


def _recipe(folder: Path) -> Recipe:
    """As `model: auto` would have it beside this detector."""
    detector = Detector(DETECTOR, imgsz=DETECTOR_SIZE, iou=DETECTOR_OVERLAP, device="cpu")
    return Recipe(Cache(folder), given=False, detector=detector, embedder=AUTO, device="cpu", motion=(MOTION,))


def _facts(options: SceneOptions) -> dict[str, Any]:
    code = {"scene": asdict(options), "code": [of_file(path) for path in _CODE], "motion": MOTION}
    return {**code, **embedding_facts(_recipe(Path())), **versions("numpy", "opencv-python")}


def _found(options: SceneOptions, camera: int) -> Arrays:
    with tempfile.TemporaryDirectory() as name:
        return _packed(_inputs(options, camera, Path(name)))


def _inputs(options: SceneOptions, camera: int, work: Path) -> Inputs:
    """Render a MOTChallenge sequence, and prepare it as any recording."""
    from ultralytics_reid.scenes.writers import write_sequence

    folder = work / f"{NAME}-seed{options.seed}"
    write_sequence(scenes.Scene(options), folder, camera)
    (clip,) = find_clips(folder, "train", None, (), partial=False)
    return prepare(clip, _recipe(work / "cache"))


def _packed(made: Inputs) -> Arrays:
    found = made.detections
    arrays: Arrays = {"frame": np.repeat(np.arange(1, len(found) + 1), [len(d.xyxy) for d in found])}
    arrays |= {name: np.concatenate([getattr(d, name) for d in found]) for name in ("xyxy", "conf", "cls", "feats")}
    return {**arrays, "warps": made.warps[MOTION]}


def _detections(arrays: Arrays, length: int) -> list[Detections]:
    return with_feats(by_frame(arrays, length), arrays["feats"])


def _seen(options: SceneOptions, camera: int) -> Iterator[FrameBoxes]:
    for view in scenes.Scene(options).views(camera):
        clear = view.visible >= VISIBLE
        yield FrameBoxes(view.ids[clear], view.xyxy[clear])
