"""Generated people: boxes and embeddings of who walks where, when, and whose crop is how good."""

from dataclasses import dataclass, field, fields

import numpy as np
from ultralytics.engine.results import Boxes
from ultralytics.utils import YAML, IterableSimpleNamespace
from ultralytics.utils.checks import check_yaml

from ultralytics_reid import ReIDBOTSORT, tracker_yaml
from ultralytics_reid.tuning import Tuning

SHAPE = (480, 640)


def args_of(yaml, **overrides):
    keys = YAML.load(yaml) | {"gmc_method": "none"} | overrides
    return IterableSimpleNamespace(**keys)


def stock_args(**overrides):
    return args_of(check_yaml("botsort.yaml"), **overrides)


def our_args(**overrides):
    return args_of(tracker_yaml(), **overrides)


_CONSTANTS = {f.name for f in fields(Tuning)}


def make_tracker(*, fps=10, **overrides):
    """A tracker with other keys of the YAML, or other constants (`Tuning`), than the shipped ones."""
    tuning = Tuning(**{k: v for k, v in overrides.items() if k in _CONSTANTS})
    tracker = ReIDBOTSORT(our_args(**{k: v for k, v in overrides.items() if k not in _CONSTANTS}), tuning)
    tracker.fps = fps
    return tracker


def at(value, frame):
    """A value that may be a function of the frame."""
    return value(frame) if callable(value) else value


@dataclass
class Person:
    """Walks along a line while visible.

    Attributes:
        visible: Frames in which there is a box, as `(first, last)` pairs.
        start, step: Center in frame 0, and its move a frame, pixels.
        look, cls: Number of a direction of `Scene.looks`, and class; each may be a function of the frame.
    """

    visible: list
    start: tuple
    step: tuple = (0.0, 0.0)
    look: int = 0
    cls: int = 0
    height: float = 100.0

    def box(self, frame):
        if not any(a <= frame <= b for a, b in self.visible):
            return None
        x, y = np.add(self.start, np.multiply(self.step, frame))
        w, h = 0.4 * self.height, self.height
        return [x - w / 2, y - h / 2, x + w / 2, y + h / 2]


@dataclass
class Scene:
    """People, and embeddings of a given dimension: one direction a look, and noise."""

    people: list
    length: int
    noise: float = 0.4
    dim: int = 64
    seed: int = 0
    looks: dict = field(default_factory=dict)

    def frames(self):
        """Yields `(detections, embeddings, people)`, the last two row by row as the first."""
        rng = np.random.default_rng(self.seed)
        common = rng.normal(size=self.dim)  # embedders give everybody something in common
        for n in range(self.length):
            seen = [(p, box) for p in self.people if (box := p.box(n)) is not None]
            rows = [[*box, rng.uniform(0.7, 0.95), at(p.cls, n)] for p, box in seen]
            feats = [common + self._look(at(p.look, n)) + self.noise * rng.normal(size=self.dim) for p, _ in seen]
            yield boxes(rows), np.array(feats, np.float32).reshape(-1, self.dim), [p for p, _ in seen]

    def _look(self, look):
        if look not in self.looks:
            self.looks[look] = np.random.default_rng(1000 + look).normal(size=self.dim)
        return self.looks[look]


def boxes(rows):
    return Boxes(np.array(rows, np.float32).reshape(-1, 6), SHAPE)


def image():
    return np.zeros((*SHAPE, 3), np.uint8)


def run(tracker, scene):
    """Ids by frame: for each a dict of the index of the person in `scene.people` and the id shown."""
    out = []
    for detections, feats, people in scene.frames():
        rows = tracker.update(detections, image(), feats=feats)
        out.append({scene.people.index(people[int(r[-1])]): int(r[-4]) for r in rows})
    return out


def ids_of(out, person, first=0, last=None):
    """Ids that a person was shown with, in order, without repetitions."""
    found = [frame[person] for frame in out[first:last] if person in frame]
    return [i for n, i in enumerate(found) if n == 0 or found[n - 1] != i]


def crowd(*, others=3, length=200):
    """Some who stay, so that there is something to calibrate on."""
    return [Person([(0, length)], (80 + 120 * n, 380), look=10 + n) for n in range(others)]


def crowded(seed, looks, miss):
    rng = np.random.default_rng(seed)
    people = []
    for n in range(16):
        spans = [(s := int(rng.integers(0, 180)), s + int(rng.integers(2, 60))) for _ in range(3)]
        step = tuple(rng.normal(0, 3, 2))
        start = rng.uniform(80, 400, 2) - np.multiply(step, 100)
        people.append(Person(spans, tuple(start), step, look=n % looks, cls=int(n % 5 == 0)))
    for detections, feats, _ in Scene(people, 200, noise=0.6, seed=seed).frames():
        seen = rng.random(len(detections)) > miss
        yield detections[seen], feats[seen]


def returning(gap=60, *, look=0, cls=0, back_cls=None, elsewhere=None):
    """Somebody who walks for 60 frames and comes back after a gap; and some others."""
    first = Person([(0, 60)], (60, 120), (3, 0), look=look, cls=cls)
    back = 61 + gap
    start = elsewhere or (60, 120)
    second = Person([(back, back + 60)], start, (3, 0), look=look, cls=cls if back_cls is None else back_cls)
    second.start = (start[0] - 3 * back, start[1])
    return Scene([first, second, *crowd(length=back + 60)], back + 60)
