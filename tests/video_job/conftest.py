"""A short generated video, and the same as one folder of images."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest

import ultralytics_reid
from ultralytics_reid.scenes import Scene, SceneOptions

FRAMES, FPS, SIZE = 30, 10.0, (480, 270)


@pytest.fixture(scope="session")
def detector():
    """Finds people of generated scenes."""
    return str(Path(ultralytics_reid.__file__).parent / "demo" / "people.pt")


@pytest.fixture(scope="session")
def clip(tmp_path_factory):
    """A folder with `street.mp4`, three seconds of it."""
    folder = tmp_path_factory.mktemp("clip")
    scene = Scene(SceneOptions(people=3, seconds=FRAMES / FPS, fps=FPS, size=SIZE, seed=5))
    video = cv2.VideoWriter(str(folder / "street.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), FPS, SIZE)
    for view in scene.views(stop=FRAMES):
        video.write(scene.render(view))
    video.release()
    return folder
