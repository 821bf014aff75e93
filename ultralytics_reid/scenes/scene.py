"""A generated scene: ground truth frame by frame, and images of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt

from .._typing import ImageArray, Ints
from .background import Backdrop, make_backdrop
from .cameras import Camera, Pillar, make_camera
from .clothing import Clothing, Wardrobe
from .drawing import draw_figure
from .hashed_random import uniform
from .occlusion import visible_shares
from .options import SceneOptions
from .pose import Figures, make_figures
from .routes import make_ways
from .schedule import make_schedules

# Frames that are made together. They begin at multiples of it, so that where somebody starts to look changes nothing.
_CHUNK = 32
_SHADOW = 0.38  # of the light is gone in the middle
_NOISE_ROOM = 64  # pixels by which the noise is larger than the image, to be cut out anew for each frame


@dataclass(frozen=True, eq=False)
class View:
    """Ground truth of one frame of one camera.

    Attributes:
        camera: Which one.
        index: Of the frame, from 0.
        time: Seconds since the scene's start.
        ids: `(N,)` int64, individuals: the same over all absences and cameras.
        xyxy: `(N, 4)` float32 pixels, the whole body; reaches over the image's edge where the body does.
        visible: `(N,)` float32 in [0, 1], share of the body that is in the image and not hidden by pillars or others.
    """

    camera: int
    index: int
    time: float
    ids: npt.NDArray[np.int64]
    xyxy: npt.NDArray[np.float32]
    visible: npt.NDArray[np.float32]


class Scene:
    """A generated scene.

    Args:
        options: What to generate.

    Attributes:
        options: As given.
        cameras: Where they stand and what light they have.

    Raises:
        ConfigError: If `crowd` leaves room for fewer people than there are.

    Example:
        ```python
        scene = Scene(SceneOptions(people=8, seconds=30, seed=3))
        for view in scene.views():
            image = scene.render(view)
        ```
    """

    def __init__(self, options: SceneOptions) -> None:
        self.options = options
        self.cameras: tuple[Camera, ...] = tuple(make_camera(options, n) for n in range(options.cameras))
        self._wardrobe = Wardrobe(options.people, options.look_alikes, options.seed)
        self._schedules = make_schedules(options, self.cameras)
        self._backdrops: dict[int, Backdrop] = {}

    def __len__(self) -> int:
        return self.options.frames

    def looks(self, who: int) -> Clothing:
        """What an id looks like.

        Raises:
            KeyError: If nobody has that id.
        """
        return self._wardrobe.looks(who)

    def alike(self, a: int, b: int) -> bool:
        """Whether two ids wear the same, but for something small.

        Raises:
            KeyError: If nobody has one of the ids.
        """
        return self._wardrobe.alike(a, b)

    def views(self, camera: int = 0, start: int = 0, stop: int | None = None) -> Iterator[View]:
        """Ground truth, frame by frame, made as it is asked for.

        Args:
            camera: Which one.
            start: First frame, from 0.
            stop: Frame to stop before; None: the end.

        Raises:
            IndexError: If there is no such camera, or `start` is negative.
        """
        if start < 0:
            raise IndexError(f"frames are 0 to {len(self) - 1}, got start {start}")
        stop = len(self) if stop is None else min(stop, len(self))
        self._camera(camera)
        return self._views(camera, start, stop)

    def _views(self, camera: int, start: int, stop: int) -> Iterator[View]:
        for chunk in range(start // _CHUNK, -(-stop // _CHUNK)):
            views = self._chunk(camera, chunk * _CHUNK)
            yield from (v for v in views if start <= v.index < stop)

    def _camera(self, number: int) -> Camera:
        if not 0 <= number < len(self.cameras):
            raise IndexError(f"cameras are 0 to {len(self.cameras) - 1}, got {number}")
        return self.cameras[number]

    def _figures(self, camera: Camera, frames: Ints) -> tuple[Ints, Ints, Figures]:
        """Frame, id and body of everybody in some frames; frames and ids ascend."""
        times = frames / self.options.fps
        visits = self._schedules[camera.number].during(float(times[0]), float(times[-1]))
        ways = make_ways(camera, self.options.stops, self.options.seed, visits.person, visits.number)
        present = (times[:, None] >= visits.start) & (times[:, None] <= visits.end)
        frame, row = np.nonzero(present)
        order = np.lexsort((visits.person[row], frame))
        frame, row = frame[order], row[order]
        poses = ways.at(row, times[frame] - visits.start[row])
        ids = visits.person[row]
        return frames[frame], ids, make_figures(camera, poses, self._wardrobe.bodies(ids))

    def _chunk(self, number: int, first: int) -> Iterator[View]:
        camera = self.cameras[number]
        frames = np.arange(first, min(first + _CHUNK, len(self)))
        frame, ids, figures = self._figures(camera, frames)
        boxes = figures.boxes()
        inside = (boxes[:, 2] > 0) & (boxes[:, 0] < camera.width)
        frame, ids, figures = frame[inside], ids[inside], figures[inside]
        xyxy = boxes[inside].astype(np.float32)
        visible = visible_shares(camera, figures, frame).astype(np.float32)
        ends = np.searchsorted(frame, np.append(frames, frames[-1] + 1))
        for index, begin, end in zip(frames.tolist(), ends[:-1], ends[1:], strict=True):
            of = slice(begin, end)
            yield View(number, index, index / self.options.fps, ids[of], xyxy[of], visible[of])

    def render(self, view: View) -> ImageArray:
        """Draw a view: those of its ids who are there at its frame.

        Args:
            view: Of this scene.

        Returns:
            `(H, W, 3)` uint8 BGR.
        """
        camera = self._camera(view.camera)
        backdrop = self._backdrop(camera)
        _, ids, figures = self._figures(camera, np.array([view.index]))
        wanted = np.isin(ids, view.ids)
        ids, figures = ids[wanted], figures[wanted]
        image = backdrop.image.copy()
        for row in range(len(ids)):
            _shadow(image, figures, row)
        self._draw(camera, image, backdrop, ids, figures)
        return self._seen(camera, image, view.index)

    def _draw(self, camera: Camera, image: ImageArray, backdrop: Backdrop, ids: Ints, figures: Figures) -> None:
        """Far things first."""
        pillars = list(zip(camera.pillars, backdrop.pillars, strict=True))
        for row in np.argsort(-figures.depth, kind="stable").tolist():
            while pillars and pillars[0][0].depth > figures.depth[row]:
                _stand(image, *pillars.pop(0))
            draw_figure(image, figures, row, self.looks(int(ids[row])))
        for pillar in pillars:
            _stand(image, *pillar)

    def _seen(self, camera: Camera, image: ImageArray, index: int) -> ImageArray:
        """What the camera makes of it: its lens, light, and sensor."""
        image = cv2.LUT(cv2.GaussianBlur(image, (3, 3), 0.7), _tone(camera))
        if not self.options.noise:
            return image
        dy, dx = (uniform(self.options.seed, "noise", camera.number, index, np.arange(2)) * _NOISE_ROOM).astype(int)
        noise = self._noise[dy : dy + camera.height, dx : dx + camera.width]
        return np.asarray(cv2.add(image, noise, dtype=cv2.CV_8U), np.uint8)

    @cached_property
    def _noise(self) -> npt.NDArray[np.int16]:
        width, height = self.options.size
        rng = np.random.default_rng((self.options.seed, 5))
        noise = rng.standard_normal((height + _NOISE_ROOM, width + _NOISE_ROOM, 3), np.float32)
        return np.round(noise * self.options.noise).astype(np.int16)

    def _backdrop(self, camera: Camera) -> Backdrop:
        if camera.number not in self._backdrops:
            self._backdrops[camera.number] = make_backdrop(camera, self.options.seed)
        return self._backdrops[camera.number]


def _tone(camera: Camera) -> ImageArray:
    """`(1, 256, 3)`: the tone curve of each channel."""
    level = (np.arange(256)[:, None] / 255) ** camera.gamma
    return np.clip(255 * level * camera.gain, 0, 255).astype(np.uint8)[None]


def _stand(image: ImageArray, pillar: Pillar, drawn: ImageArray) -> None:
    left = max(0, pillar.left)
    image[: drawn.shape[0], left : left + drawn.shape[1]] = drawn


def _shadow(image: ImageArray, figures: Figures, row: int) -> None:
    """A soft patch on the ground."""
    x, y = figures.foot[row]
    wide, tall = 0.5 * figures.scale[row], 0.5 * figures.scale[row] * figures.slope[row]
    box = np.round([x - wide, y - tall, x + wide, y + tall]).astype(int)
    height, width = image.shape[:2]
    left, top, right, bottom = np.clip(box, 0, [width, height, width, height]).tolist()
    if left >= right or top >= bottom:
        return
    ys, xs = (np.arange(top, bottom) - y) / tall, (np.arange(left, right) - x) / wide
    dark = _SHADOW * np.maximum(1 - (ys[:, None] ** 2 + xs[None] ** 2), 0)
    patch = image[top:bottom, left:right]
    patch[:] = (patch * (1 - dark[..., None])).astype(np.uint8)
