"""The ways that people walk through a camera's view: in at one side, past two places, out at a side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._typing import Doubles, Ints
from .cameras import Camera
from .hashed_random import between, uniform

# Somebody this far outside the image's edge, legs together, is out of it. Meters.
_OUTSIDE = 0.3
_STEP = 0.72  # meters
_TURN_SECONDS = 0.3  # half of what a change of direction takes
_FRONT_SHARE = 0.2  # of those who walk across pass in front of the pillars
_BACK_SHARE = 0.2  # turn back to where they came from
_CENTER = 0.55  # of the half width, in which those who walk along the view do so


@dataclass(frozen=True)
class Poses:
    """Where people are on their ways, a row each.

    Attributes:
        x: Meters to the right of the camera's axis.
        depth: Meters from the camera.
        heading: Where they face, radians: 0 is to the right, pi/2 away from the camera.
        phase: Of walking, radians; pi a step.
        stride: How much they walk, 0 (standing) to 1.
    """

    x: Doubles
    depth: Doubles
    heading: Doubles
    phase: Doubles
    stride: Doubles


@dataclass(frozen=True)
class Ways:
    """Ways of V visits: five parts each (walk, stand, walk, stand, walk), of which standing may take no time.

    Attributes:
        times: `(V, 6)` seconds since the visit's start, at the ends of the parts.
        x: `(V, 6)` meters, there.
        depth: `(V, 6)` meters, there.
        walked: `(V, 6)` radians of walking, there.
        turns: `(V, 10)` seconds, begin and end of facing one way.
        heading: `(V, 10)` radians, there.
        stride: `(V, 10)` there, 0 to 1.
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
        """`(V,)`, how long each visit takes."""
        return self.times[:, -1]

    def at(self, rows: Ints, seconds: Doubles) -> Poses:
        """Where people are.

        Args:
            rows: `(R,)` which way.
            seconds: `(R,)` since the visit's start.
        """
        place = _between_knots(self.times[rows], seconds)
        turn = _between_knots(self.turns[rows], seconds)
        x, depth, walked = (_read(values[rows], *place) for values in (self.x, self.depth, self.walked))
        heading, stride = (_read(values[rows], *turn) for values in (self.heading, self.stride))
        return Poses(x, depth, heading, walked, stride)


def _between_knots(knots: Doubles, seconds: Doubles) -> tuple[Ints, Doubles]:
    """The knot before each time, and how far it is to the next one, 0 to 1."""
    before = np.clip((knots <= seconds[:, None]).sum(axis=1) - 1, 0, knots.shape[1] - 2)
    rows = np.arange(len(knots))
    low, high = knots[rows, before], knots[rows, before + 1]
    return before, np.clip((seconds - low) / np.maximum(high - low, 1e-9), 0, 1)


def _read(values: Doubles, before: Ints, share: Doubles) -> Doubles:
    rows = np.arange(len(values))
    low = values[rows, before]
    return low + (values[rows, before + 1] - low) * share


def make_ways(camera: Camera, stops: float, seed: int, people: Ints, visits: Ints) -> Ways:
    """The ways of some visits, the same whenever they are asked for.

    Args:
        camera: Where.
        stops: Share of the places at which somebody stands for a while.
        seed: The scene's.
        people: `(V,)` who.
        visits: `(V,)` their how manieth visit.
    """
    key = (seed, "way", people, visits)
    lengthwise = uniform(*key, "along") < camera.lengthwise
    across, along = _across(camera, key), _along(camera, key)
    x, depth = (np.where(lengthwise[:, None], a, b) for a, b in zip(along, across, strict=True))
    return _timed(x, depth, stops, key)


_Key = tuple[int | str | Ints, ...]
_Points = tuple[Doubles, Doubles]


def _across(camera: Camera, key: _Key) -> _Points:
    """`(V, 4)` x and depth of the places of those who cross the view."""
    front = (uniform(*key, "front") < _FRONT_SHARE) & bool(camera.pillars)
    low = np.where(front, camera.near, camera.lane)
    high = np.where(front, min((p.depth for p in camera.pillars), default=camera.far) - 0.75, camera.far)
    first, last = (low + (high - low) * uniform(*key, f"depth{n}") for n in range(2))
    side = np.sign(uniform(*key, "side") - 0.5)
    back = uniform(*key, "back") < _BACK_SHARE
    enter = side * (camera.half_width(first) + _OUTSIDE)
    leave = np.where(back, side, -side) * (camera.half_width(last) + _OUTSIDE)
    depth = np.stack([first, *_midway(first, last, low, high, key), last], axis=1)
    # Who turns back goes on to the middle or beyond first.
    one, two = between(0.2, 0.45, *key, "x1"), between(0.55, 0.8, *key, "x2")
    x1 = enter - side * 2 * one * camera.half_width(depth[:, 1])
    x2 = np.where(
        back,
        x1 - side * 0.6 * (two - 0.4) * camera.half_width(depth[:, 2]),
        enter - side * 2 * two * camera.half_width(depth[:, 2]),
    )
    return np.stack([enter, x1, x2, leave], axis=1), depth


def _midway(first: Doubles, last: Doubles, low: Doubles, high: Doubles, key: _Key) -> list[Doubles]:
    """Depths of the two places: near the straight line, inside the lane."""
    bends = [(high - low) * between(-0.2, 0.2, *key, f"bend{n}") for n in range(2)]
    return [np.clip(first + (last - first) * s + b, low, high) for s, b in zip((1 / 3, 2 / 3), bends, strict=True)]


def _along(camera: Camera, key: _Key) -> _Points:
    """`(V, 4)` x and depth of the places of those who come toward the camera, or go away from it."""
    reach = camera.far - camera.lane
    ends = [camera.lane + reach * between(0, 0.2, *key, f"end{n}") for n in range(2)]
    ends += [camera.far - reach * between(0, 0.2, *key, f"end{n}") for n in range(2, 4)]
    depth = np.stack(ends, axis=1)
    comes = uniform(*key, "comes") < 0.5  # noqa: PLR2004
    depth = np.where(comes[:, None], depth[:, ::-1], depth)
    sides = [np.sign(uniform(*key, f"side{n}") - 0.5) for n in range(2)]
    middle = [camera.half_width(depth[:, n]) * _CENTER * between(-1, 1, *key, f"center{n}") for n in (1, 2)]
    edges = [s * (camera.half_width(depth[:, n]) + _OUTSIDE) for s, n in zip(sides, (0, 3), strict=True)]
    return np.stack([edges[0], *middle, edges[1]], axis=1), depth


def _timed(x: Doubles, depth: Doubles, stops: float, key: _Key) -> Ways:
    """Walk through four places, standing for a while at the two in the middle."""
    dx, dz = np.diff(x, axis=1), np.diff(depth, axis=1)
    length = np.hypot(dx, dz)
    speed = between(1.0, 1.5, key[0], "speed", key[2]) * between(0.92, 1.08, *key, "speed")
    stands = [(uniform(*key, f"stop{n}") < stops) * between(1.2, 4.5, *key, f"stand{n}") for n in range(2)]
    walks = length / speed[:, None]
    parts = np.stack([walks[:, 0], stands[0], walks[:, 1], stands[1], walks[:, 2]], axis=1)
    zero = np.zeros_like(length[:, :1])
    times = np.concatenate([zero, np.cumsum(parts, axis=1)], axis=1)
    # Legs are together where a way begins and ends, so that people are out of the image there: whole steps.
    total = length.sum(axis=1, keepdims=True)
    walked = (
        np.pi
        * np.maximum(1, np.round(total / _STEP))
        * np.concatenate([zero, np.cumsum(length, axis=1)], axis=1)
        / total
    )
    twice = [0, 1, 1, 2, 2, 3]
    turns, heading, stride = _facing(times, parts, np.arctan2(dz, dx), key)
    return Ways(times, x[:, twice], depth[:, twice], walked[:, twice], turns, heading, stride)


def _facing(times: Doubles, parts: Doubles, direction: Doubles, key: _Key) -> tuple[Doubles, Doubles, Doubles]:
    """`(V, 10)` times, headings and strides at the beginning and the end of each part."""
    walk = np.unwrap(direction, axis=1)
    standing = parts[:, 1::2] > 0
    looks = [walk[:, n] + between(-1.8, 1.8, *key, f"look{n}") for n in range(2)]
    heading = np.stack([walk[:, 0], looks[0], walk[:, 1], looks[1], walk[:, 2]], axis=1)
    # Who only turns is halfway round at the corner.
    heading[:, 1::2] = np.where(standing, heading[:, 1::2], (walk[:, :-1] + walk[:, 1:]) / 2)
    stride = np.ones_like(heading)
    stride[:, 1::2] = ~standing
    ease = np.minimum(_TURN_SECONDS, parts / 2)
    turns = np.stack([times[:, :-1] + ease, times[:, 1:] - ease], axis=2).reshape(len(times), 2 * parts.shape[1])
    return turns, np.repeat(heading, 2, axis=1), np.repeat(stride, 2, axis=1)
