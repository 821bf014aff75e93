"""Write generated scenes as a video, or as a sequence in MOTChallenge format."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np

from .scene import Scene, View

_PERSON = 1  # class of pedestrians in MOTChallenge


def write_video(scene: Scene, path: Path, camera: int = 0) -> None:
    """Render one camera to a video.

    Args:
        scene: The scene.
        path: The `.mp4` to write; written atomically.
        camera: Index of the camera.

    Raises:
        OSError: If OpenCV can't write such a video there.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.stem}.part{path.suffix}")
    with _cleaned_up(part):
        sink = cv2.VideoWriter(str(part), cv2.VideoWriter.fourcc(*"mp4v"), scene.options.fps, scene.options.size)
        if not sink.isOpened():
            raise OSError(f"{path}: OpenCV can't write a video of this kind here; .mp4 is usual")
        for view in scene.views(camera):
            sink.write(scene.render(view))
        sink.release()
        part.replace(path)


def write_sequence(scene: Scene, folder: Path, camera: int = 0, *, images: bool = True) -> None:
    """Write one camera as a MOTChallenge sequence: `seqinfo.ini`, `gt/gt.txt`, `img1/`.

    The ids in `gt.txt` are persons, constant over absences. Its last column is the visible fraction.

    Args:
        scene: The scene.
        folder: Folder of the sequence, named after it; must be empty or not exist.
        camera: Index of the camera.
        images: Whether to render `img1/`.

    Raises:
        FileExistsError: If the folder is not empty.
    """
    folder = Path(folder)
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty")
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    with _cleaned_up(part):
        (part / "gt").mkdir(parents=True)
        (part / "img1").mkdir()
        with (part / "gt" / "gt.txt").open("w") as file:
            for view in scene.views(camera):
                file.writelines(_rows(view))
                if images:
                    cv2.imwrite(str(part / "img1" / f"{view.index + 1:06d}.jpg"), scene.render(view))
        (part / "seqinfo.ini").write_text(_info(scene, folder.name))
        if folder.exists():
            folder.rmdir()
        part.replace(folder)


@contextmanager
def _cleaned_up(part: Path) -> Iterator[None]:
    """Remove a partial file or folder at the end."""
    try:
        yield
    finally:
        if part.is_dir():
            shutil.rmtree(part)
        part.unlink(missing_ok=True)


def _rows(view: View) -> Iterator[str]:
    """`frame,id,left,top,width,height,1,class,visibility`; frames count from 1, pixels from 0."""
    boxes = np.concatenate([view.xyxy[:, :2], view.xyxy[:, 2:] - view.xyxy[:, :2]], axis=1)
    for person, box, visible in zip(view.ids.tolist(), boxes.tolist(), view.visible.tolist(), strict=True):
        yield f"{view.index + 1},{person},{','.join(f'{v:.2f}' for v in box)},1,{_PERSON},{visible:.4f}\n"


def _info(scene: Scene, name: str) -> str:
    width, height = scene.options.size
    lines = {
        "name": name,
        "imDir": "img1",
        "frameRate": f"{scene.options.fps:g}",
        "seqLength": str(len(scene)),
        "imWidth": str(width),
        "imHeight": str(height),
        "imExt": ".jpg",
    }
    return "[Sequence]\n" + "".join(f"{key}={value}\n" for key, value in lines.items())
