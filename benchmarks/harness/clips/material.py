"""Recordings of the revival run: as they are, with holes, and covered; scenes as boxes, or rendered."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from collections.abc import Sequence as Rows
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ultralytics_reid._typing import Doubles
from ultralytics_reid.evaluation.frames import FrameBoxes

from ..data.features import embedded
from ..data.layout import Clip
from ..data.recipe import SIMULATED, Recipe
from ..data.sequences import Detections, load_sequence
from ..errors import ChoiceError
from ..watch import Source
from .rendered import TAUGHT, rendered
from .synthetic import stream
from .takes import covered, dark_spells, filmed, holed, of_sequence

if TYPE_CHECKING:
    from ultralytics_reid.scenes import SceneOptions

WHOLE, HOLES, COVERED = "as it is", "holes", "camera covered"
# Of scenes, frames a second.
FPS = 8.0
DATA = {
    "pets": "PETS by person",
    "tud": "TUD-Stadtmitte",
    "mot17": "MOT17, simulated appearance",
    "scenes": "Scenes",
    "rendered": "Rendered scenes",
}


@dataclass(frozen=True)
class Recording:
    """Something to run trackers on.

    Attributes:
        data: What it is part of; one table each.
        part: Which part; one row a tracker each, over all its clips.
        name: Its own, for messages.
        make: Makes the source; can be handed to another process.
    """

    data: str
    part: str
    name: str
    make: Callable[[], Source]


@dataclass(frozen=True)
class Changes:
    """Changes to recordings.

    Attributes:
        holes: Seconds for which a person's detections are removed.
        covered: Seconds for which the camera is covered.
        seeds: How many times chance is given another go, for holes, simulated appearance and all scenes.
    """

    holes: tuple[float, ...]
    covered: tuple[float, ...]
    seeds: int

    def parts(self) -> list[str]:
        """List the parts of a data set."""
        return [WHOLE, *([HOLES] if self.holes else []), *([COVERED] if self.covered else [])]


@dataclass(frozen=True)
class CachedVideo:
    """A video with cached detections.

    Attributes:
        name: Its folder's.
        shared: The folder of videos, cached detections and models.
        embedder: One of `EMBEDDERS`.
        features: Keeps embeddings that have been computed.
    """

    name: str
    shared: Path
    embedder: str
    features: Path


def filmed_clips(data: str, found: CachedVideo, changes: Changes) -> list[Recording]:
    """PETS or TUD; chance has a say in holes only."""
    plans = [(part, seed) for part in changes.parts() for seed in range(changes.seeds if part == HOLES else 1)]
    makers = [partial(_film, found, part, changes, seed) for part, seed in plans]
    return [
        Recording(DATA[data], part, f"{found.name}, {part}", make)
        for (part, _), make in zip(plans, makers, strict=True)
    ]


def _film(found: CachedVideo, part: str, changes: Changes, seed: int) -> Source:
    folder = found.shared / "data" / found.name
    cache = embedded(found.name, found.embedder, found.shared, found.features)
    if part != COVERED:
        take = filmed(folder, cache)
        return holed(take, changes.holes, seed) if part == HOLES else take
    dark = dark_spells(len(cache), load_sequence(folder).fps, changes.covered)
    return covered(filmed(folder, cache, dark), dark, blind=False)


def mot_clips(data: str, found: Rows[Clip], recipe: Recipe, changes: Changes) -> list[Recording]:
    """MOTChallenge sequences; chance has a say in holes and in simulated appearance."""
    seeds = range(changes.seeds)
    plans = [
        (part, sequence, seed)
        for part in changes.parts()
        for sequence in found
        for seed in (seeds if part == HOLES or recipe.embedder == SIMULATED else range(1))
    ]
    return [Recording(data, p, f"{s.name}, {p}", partial(_mot, s, recipe, p, changes, seed)) for p, s, seed in plans]


def _mot(found: Clip, recipe: Recipe, part: str, changes: Changes, seed: int) -> Source:
    take = of_sequence(found, recipe, seed)
    if part == HOLES:
        return holed(take, changes.holes, seed)
    return covered(take, dark_spells(len(take), take.fps, changes.covered)) if part == COVERED else take


@dataclass(frozen=True)
class SceneSource:
    """A generated scene's camera, of which nothing is kept.

    Attributes:
        options: The scene's.
        camera: Which camera.
    """

    options: SceneOptions
    camera: int

    @property
    def warps(self) -> Doubles:
        """The camera stands still."""
        return np.broadcast_to(np.eye(2, 3), (len(self), 2, 3))

    @property
    def fps(self) -> float:
        """Frames a second."""
        return self.options.fps

    @property
    def shape(self) -> tuple[int, int]:
        """The images' height and width, pixels."""
        return self.options.size[1], self.options.size[0]

    def __len__(self) -> int:
        return self.options.frames

    def __iter__(self) -> Iterator[tuple[FrameBoxes, Detections]]:
        from ultralytics_reid.scenes import Scene

        o, scene = self.options, Scene(self.options)
        views, outfits = scene.views(camera=self.camera), lambda person: scene.clothing(person).outfit
        yield from stream(views, fps=o.fps, size=o.size, seed=o.seed, camera=self.camera, group_of=outfits)


def scene_clips(options: dict[str, SceneOptions], seeds: int) -> list[Recording]:
    """Generated scenes by what tables call them; every camera is a clip of its own."""
    made = [(part, replace(o, seed=o.seed + seed)) for part, o in options.items() for seed in range(seeds)]
    return [
        Recording(DATA["scenes"], part, f"{part}, camera {camera}", partial(SceneSource, o, camera))
        for part, o in made
        for camera in range(o.cameras)
    ]


def default_scenes(look_alikes: float) -> dict[str, SceneOptions]:
    """Scenes for every gap.

    Args:
        look_alikes: Share of the people that wear the same as another.
    """
    from ultralytics_reid.scenes import SceneOptions

    often = partial(SceneOptions, fps=FPS, visits=None, look_alikes=look_alikes)
    return {
        "away 1-30 s": often(people=14, seconds=300.0, away=(1.0, 30.0)),
        "away 1-10 min": often(people=120, seconds=1500.0, away=(60.0, 600.0)),
        "two cameras": often(people=40, seconds=300.0, away=(5.0, 120.0), cameras=2),
    }


def big_scene(people: int, hours: float, look_alikes: float) -> dict[str, SceneOptions]:
    """Make one long scene in which many people come twice each.

    Args:
        people: How many.
        hours: How long.
        look_alikes: Share of the people that wear the same as another.
    """
    from ultralytics_reid.scenes import SceneOptions

    longest = min(3600.0, 0.3 * 3600 * hours)
    away = (min(10.0, longest), longest)
    options = SceneOptions(people=people, seconds=3600 * hours, fps=FPS, away=away, visits=2, look_alikes=look_alikes)
    return {f"{people} people, {hours:g} h": options}


def rendered_clips(options: dict[str, SceneOptions], seeds: int, features: Path) -> list[Recording]:
    """Generated scenes with their images, by what tables call them.

    Args:
        options: The scenes', with their first seeds.
        seeds: How many of each.
        features: Keeps what was found in the images.

    Raises:
        ChoiceError: If a scene would be one that the detector has learned from.
    """
    made = [(part, replace(o, seed=o.seed + seed)) for part, o in options.items() for seed in range(seeds)]
    last = max((o.seed for _, o in made), default=0)
    if last >= TAUGHT:
        told = f"rendered scenes' seeds must be below {TAUGHT}, as others taught the detector, got {last}"
        raise ChoiceError(told)
    return [
        Recording(DATA["rendered"], part, f"{part}, seed {o.seed}", partial(rendered, o, features)) for part, o in made
    ]


def rendered_scenes() -> dict[str, SceneOptions]:
    """Scenes short enough to be rendered: as they are by default, and as the demo has them."""
    from ultralytics_reid.demo import DemoOptions
    from ultralytics_reid.demo.source import SCENE_SECONDS, scene_options
    from ultralytics_reid.scenes import SceneOptions

    calm = scene_options(DemoOptions())
    return {
        "people on the move": SceneOptions(people=calm.people, seconds=SCENE_SECONDS),
        "people taking their time": calm,
    }
