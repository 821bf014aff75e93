"""Generated scene: ground truth by frame, and rendered images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt

from .._typing import Floats, ImageArray, Ints, as_pixels
from .background import Background, make_background
from .cameras import Camera, Pillar, make_camera
from .clothing import Clothing, ClothingGenerator
from .drawing import draw_figure
from .hashed_random import uniform
from .occlusion import visible_fractions
from .options import SceneOptions
from .pose import Figures, make_figures
from .routes import make_routes
from .schedule import make_schedules

# Number of frames generated at once. Chunks begin at multiples, so that the first requested frame changes nothing.
_CHUNK = 32
_SHADOW = 0.38  # darkening in the middle of a shadow
_NOISE_MARGIN = 64  # pixels by which the noise is larger than the image, for a random crop in each frame


@dataclass(frozen=True, eq=False)
class View:
    """Ground truth of one frame of one camera.

    Attributes:
        camera: Index of the camera.
        index: Index of the frame, from 0.
        time: Seconds since the start of the scene.
        ids: `(N,)` int64 persons, constant over absences and cameras.
        xyxy: `(N, 4)` float32 boxes of the whole bodies, pixels; may reach beyond the image.
        visible: `(N,)` float32 fraction of the body inside the image and not occluded, in [0, 1].
    """

    camera: int
    index: int
    time: float
    ids: Ints
    xyxy: Floats
    visible: Floats


class Scene:
    """A generated scene.

    Args:
        options: Options of the scene.

    Attributes:
        options: As given.
        cameras: Cameras with geometry and light.

    Raises:
        ConfigError: If `crowd` is too small for the number of people.

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
        self._clothing = ClothingGenerator(options.people, options.look_alikes, options.seed)
        self._schedules = make_schedules(options, self.cameras)
        self._backgrounds: dict[int, Background] = {}

    def __len__(self) -> int:
        return self.options.frames

    def clothing(self, person: int) -> Clothing:
        """Clothing of a person.

        Raises:
            KeyError: If there is no such id.
        """
        return self._clothing.clothing(person)

    def alike(self, a: int, b: int) -> bool:
        """Whether two ids have the same outfit, up to small differences.

        Raises:
            KeyError: If there is no such id.
        """
        return self._clothing.alike(a, b)

    def views(self, camera: int = 0, start: int = 0, stop: int | None = None) -> Iterator[View]:
        """Generate ground truth frame by frame.

        Args:
            camera: Index of the camera.
            start: First frame, from 0.
            stop: Frame to stop before; None for the end.

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
        """Frame, id and body of all people present in some frames, sorted by frame and id."""
        times = frames / self.options.fps
        visits = self._schedules[camera.number].during(float(times[0]), float(times[-1]))
        routes = make_routes(camera, self.options.stops, self.options.seed, visits.person, visits.number)
        present = (times[:, None] >= visits.start) & (times[:, None] <= visits.end)
        frame, row = np.nonzero(present)
        order = np.lexsort((visits.person[row], frame))
        frame, row = frame[order], row[order]
        poses = routes.at(row, times[frame] - visits.start[row])
        ids = visits.person[row]
        return frames[frame], ids, make_figures(camera, poses, self._clothing.bodies(ids))

    def _chunk(self, number: int, first: int) -> Iterator[View]:
        camera = self.cameras[number]
        frames = np.arange(first, min(first + _CHUNK, len(self)))
        frame, ids, figures = self._figures(camera, frames)
        boxes = figures.boxes()
        inside = (boxes[:, 2] > 0) & (boxes[:, 0] < camera.width)
        frame, ids, figures = frame[inside], ids[inside], figures[inside]
        xyxy = boxes[inside].astype(np.float32)
        visible = visible_fractions(camera, figures, frame).astype(np.float32)
        ends = np.searchsorted(frame, np.append(frames, frames[-1] + 1))
        for index, begin, end in zip(frames.tolist(), ends[:-1], ends[1:], strict=True):
            of = slice(begin, end)
            yield View(number, index, index / self.options.fps, ids[of], xyxy[of], visible[of])

    def render(self, view: View) -> ImageArray:
        """Render the image of a view.

        Args:
            view: A view of this scene; ids removed from it are not drawn.

        Returns:
            `(H, W, 3)` uint8 BGR.
        """
        camera = self._camera(view.camera)
        background = self._background(camera)
        _, ids, figures = self._figures(camera, np.array([view.index]))
        wanted = np.isin(ids, view.ids)
        ids, figures = ids[wanted], figures[wanted]
        image = background.image.copy()
        for row in range(len(ids)):
            _draw_shadow(image, figures, row)
        self._draw(camera, image, background, ids, figures)
        return self._expose(camera, image, view.index)

    def _draw(self, camera: Camera, image: ImageArray, background: Background, ids: Ints, figures: Figures) -> None:
        """Draw people and pillars, the farthest first."""
        pillars = list(zip(camera.pillars, background.pillars, strict=True))
        for row in np.argsort(-figures.depth, kind="stable").tolist():
            while pillars and pillars[0][0].depth > figures.depth[row]:
                _draw_pillar(image, *pillars.pop(0))
            draw_figure(image, figures, row, self.clothing(int(ids[row])))
        for pillar in pillars:
            _draw_pillar(image, *pillar)

    def _expose(self, camera: Camera, image: ImageArray, index: int) -> ImageArray:
        """Simulate lens blur, light and sensor noise."""
        image = cv2.LUT(cv2.GaussianBlur(image, (3, 3), 0.7), _tone(camera))
        if not self.options.noise:
            return image
        dy, dx = (uniform(self.options.seed, "noise", camera.number, index, np.arange(2)) * _NOISE_MARGIN).astype(int)
        noise = self._noise[dy : dy + camera.height, dx : dx + camera.width]
        return as_pixels(cv2.add(image, noise, dtype=cv2.CV_8U))

    @cached_property
    def _noise(self) -> npt.NDArray[np.int16]:
        width, height = self.options.size
        rng = np.random.default_rng((self.options.seed, 5))
        noise = rng.standard_normal((height + _NOISE_MARGIN, width + _NOISE_MARGIN, 3), np.float32)
        return np.round(noise * self.options.noise).astype(np.int16)

    def _background(self, camera: Camera) -> Background:
        if camera.number not in self._backgrounds:
            self._backgrounds[camera.number] = make_background(camera, self.options.seed)
        return self._backgrounds[camera.number]


def _tone(camera: Camera) -> ImageArray:
    """Tone curve of each channel, `(1, 256, 3)` uint8."""
    level = (np.arange(256)[:, None] / 255) ** camera.gamma
    return np.clip(255 * level * camera.gain, 0, 255).astype(np.uint8)[None]


def _draw_pillar(image: ImageArray, pillar: Pillar, drawn: ImageArray) -> None:
    left = max(0, pillar.left)
    image[: drawn.shape[0], left : left + drawn.shape[1]] = drawn


def _draw_shadow(image: ImageArray, figures: Figures, row: int) -> None:
    """Darken a soft ellipse on the ground."""
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
