"""Routes through a camera's view: enter at one side, pass two intermediate places, leave at a side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._typing import Doubles, Ints
from .cameras import Camera
from .hashed_random import between, uniform

# Distance from the image's edge at which a body with legs together is out of view, meters.
_OUTSIDE = 0.3
_STEP = 0.72  # step length, meters
_TURN_SECONDS = 0.3  # half the duration of a change of direction
_FRONT_FRACTION = 0.2  # of the routes across the view pass in front of the pillars
_BACK_FRACTION = 0.2  # of the routes across the view turn back
_CENTER = 0.55  # fraction of the half width used by routes along the optical axis


@dataclass(frozen=True)
class Poses:
    """Positions and gait of `R` people.

    Attributes:
        x: `(R,)` position to the right of the optical axis, meters.
        depth: `(R,)` distance from the camera, meters.
        heading: `(R,)` direction, radians: 0 is to the right, pi/2 away from the camera.
        phase: `(R,)` gait phase, radians; pi per step.
        stride: `(R,)` relative stride, 0 (standing) to 1.
    """

    x: Doubles
    depth: Doubles
    heading: Doubles
    phase: Doubles
    stride: Doubles


@dataclass(frozen=True)
class Routes:
    """Routes of `V` visits in five parts each: walk, stop, walk, stop, walk; a stop may take no time.

    Attributes:
        times: `(V, 6)` ends of the parts, seconds since the start of the visit.
        x: `(V, 6)` position at those times, meters.
        depth: `(V, 6)` depth at those times, meters.
        walked: `(V, 6)` gait phase at those times, radians.
        turns: `(V, 10)` start and end of each constant direction, seconds.
        heading: `(V, 10)` direction at those times, radians.
        stride: `(V, 10)` relative stride at those times, 0 to 1.
    """

    times: Doubles
    x: Doubles
    depth: Doubles
    walked: Doubles
    turns: Doubles
    heading: Doubles
    stride: Doubles

    @property
    def seconds(self) -> Doubles:
        """Duration of each visit, `(V,)` seconds."""
        return self.times[:, -1]

    def at(self, rows: Ints, seconds: Doubles) -> Poses:
        """Interpolate positions and gait.

        Args:
            rows: `(R,)` rows of the routes.
            seconds: `(R,)` seconds since the start of the visit.
        """
        place = _find_knots(self.times[rows], seconds)
        turn = _find_knots(self.turns[rows], seconds)
        x, depth, walked = (_interpolate(values[rows], *place) for values in (self.x, self.depth, self.walked))
        heading, stride = (_interpolate(values[rows], *turn) for values in (self.heading, self.stride))
        return Poses(x, depth, heading, walked, stride)


def _find_knots(knots: Doubles, seconds: Doubles) -> tuple[Ints, Doubles]:
    """Knot before each time, and the fraction of the interval to the next one, 0 to 1."""
    before = np.clip((knots <= seconds[:, None]).sum(axis=1) - 1, 0, knots.shape[1] - 2)
    rows = np.arange(len(knots))
    low, high = knots[rows, before], knots[rows, before + 1]
    return before, np.clip((seconds - low) / np.maximum(high - low, 1e-9), 0, 1)


def _interpolate(values: Doubles, before: Ints, share: Doubles) -> Doubles:
    rows = np.arange(len(values))
    low = values[rows, before]
    return low + (values[rows, before + 1] - low) * share


def make_routes(camera: Camera, stops: float, seed: int, people: Ints, visits: Ints) -> Routes:
    """Generate the routes of some visits, determined by person and visit.

    Args:
        camera: The camera.
        stops: Fraction of the intermediate places where people stop.
        seed: Random seed of the scene.
        people: `(V,)` ids.
        visits: `(V,)` number of each visit, counted by person.
    """
    key = (seed, "way", people, visits)
    lengthwise = uniform(*key, "along") < camera.lengthwise
    across, along = _across(camera, key), _along(camera, key)
    x, depth = (np.where(lengthwise[:, None], a, b) for a, b in zip(along, across, strict=True))
    return _timed(x, depth, stops, key)


_Key = tuple[int | str | Ints, ...]
_Points = tuple[Doubles, Doubles]


def _across(camera: Camera, key: _Key) -> _Points:
    """Places of routes across the view, `(V, 4)` x and depth."""
    front = (uniform(*key, "front") < _FRONT_FRACTION) & bool(camera.pillars)
    low = np.where(front, camera.near, camera.lane)
    high = np.where(front, min((p.depth for p in camera.pillars), default=camera.far) - 0.75, camera.far)
    first, last = (low + (high - low) * uniform(*key, f"depth{n}") for n in range(2))
    side = np.sign(uniform(*key, "side") - 0.5)
    back = uniform(*key, "back") < _BACK_FRACTION
    enter = side * (camera.half_width(first) + _OUTSIDE)
    leave = np.where(back, side, -side) * (camera.half_width(last) + _OUTSIDE)
    depth = np.stack([first, *_midway(first, last, low, high, key), last], axis=1)
    # Routes that turn back reach the middle first.
    one, two = between(0.2, 0.45, *key, "x1"), between(0.55, 0.8, *key, "x2")
    x1 = enter - side * 2 * one * camera.half_width(depth[:, 1])
    x2 = np.where(
        back,
        x1 - side * 0.6 * (two - 0.4) * camera.half_width(depth[:, 2]),
        enter - side * 2 * two * camera.half_width(depth[:, 2]),
    )
    return np.stack([enter, x1, x2, leave], axis=1), depth


def _midway(first: Doubles, last: Doubles, low: Doubles, high: Doubles, key: _Key) -> list[Doubles]:
    """Depths of the two intermediate places: near the straight line, inside the lane."""
    bends = [(high - low) * between(-0.2, 0.2, *key, f"bend{n}") for n in range(2)]
    return [np.clip(first + (last - first) * s + b, low, high) for s, b in zip((1 / 3, 2 / 3), bends, strict=True)]


def _along(camera: Camera, key: _Key) -> _Points:
    """Places of routes toward the camera or away from it, `(V, 4)` x and depth."""
    reach = camera.far - camera.lane
    ends = [camera.lane + reach * between(0, 0.2, *key, f"end{n}") for n in range(2)]
    ends += [camera.far - reach * between(0, 0.2, *key, f"end{n}") for n in range(2, 4)]
    depth = np.stack(ends, axis=1)
    comes = uniform(*key, "comes") < 0.5  # noqa: PLR2004
    depth = np.where(comes[:, None], depth[:, ::-1], depth)
    sides = [np.sign(uniform(*key, f"side{n}") - 0.5) for n in range(2)]
    # The keys' spelling decides the numbers: with another, every scene is another than those of the published figures.
    middle = [camera.half_width(depth[:, n]) * _CENTER * between(-1, 1, *key, f"centre{n}") for n in (1, 2)]
    edges = [s * (camera.half_width(depth[:, n]) + _OUTSIDE) for s, n in zip(sides, (0, 3), strict=True)]
    return np.stack([edges[0], *middle, edges[1]], axis=1), depth


def _timed(x: Doubles, depth: Doubles, stops: float, key: _Key) -> Routes:
    """Time the routes through four places, with stops at the two intermediate ones."""
    dx, dz = np.diff(x, axis=1), np.diff(depth, axis=1)
    length = np.hypot(dx, dz)
    speed = between(1.0, 1.5, key[0], "speed", key[2]) * between(0.92, 1.08, *key, "speed")
    stands = [(uniform(*key, f"stop{n}") < stops) * between(1.2, 4.5, *key, f"stand{n}") for n in range(2)]
    walks = length / speed[:, None]
    parts = np.stack([walks[:, 0], stands[0], walks[:, 1], stands[1], walks[:, 2]], axis=1)
    zero = np.zeros_like(length[:, :1])
    times = np.concatenate([zero, np.cumsum(parts, axis=1)], axis=1)
    # Whole steps: legs are together at both ends of a route, where people are just out of view.
    total = length.sum(axis=1, keepdims=True)
    walked = (
        np.pi
        * np.maximum(1, np.round(total / _STEP))
        * np.concatenate([zero, np.cumsum(length, axis=1)], axis=1)
        / total
    )
    twice = [0, 1, 1, 2, 2, 3]
    turns, heading, stride = _facing(times, parts, np.arctan2(dz, dx), key)
    return Routes(times, x[:, twice], depth[:, twice], walked[:, twice], turns, heading, stride)


def _facing(times: Doubles, parts: Doubles, direction: Doubles, key: _Key) -> tuple[Doubles, Doubles, Doubles]:
    """Times, directions and strides at the start and the end of each part, `(V, 10)` each."""
    walk = np.unwrap(direction, axis=1)
    standing = parts[:, 1::2] > 0
    standing_heading = [walk[:, n] + between(-1.8, 1.8, *key, f"look{n}") for n in range(2)]
    heading = np.stack([walk[:, 0], standing_heading[0], walk[:, 1], standing_heading[1], walk[:, 2]], axis=1)
    # Without a stop, the direction at the corner is halfway between the two.
    heading[:, 1::2] = np.where(standing, heading[:, 1::2], (walk[:, :-1] + walk[:, 1:]) / 2)
    stride = np.ones_like(heading)
    stride[:, 1::2] = ~standing
    ease = np.minimum(_TURN_SECONDS, parts / 2)
    turns = np.stack([times[:, :-1] + ease, times[:, 1:] - ease], axis=2).reshape(len(times), 2 * parts.shape[1])
    return turns, np.repeat(heading, 2, axis=1), np.repeat(stride, 2, axis=1)
