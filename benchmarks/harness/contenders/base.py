"""A tracker of a comparison, whichever package it comes from."""

from __future__ import annotations

import difflib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ultralytics_reid._typing import Doubles, ImageArray
from ultralytics_reid.evaluation.frames import FrameBoxes

from ..data.sequences import Detections
from ..errors import ChoiceError

# Thresholds that the command line sets for all: scores of detections that are good, poor, and may begin a track.
THRESHOLDS = ("high", "low", "new")
_NUMBERS = (int, float)


class Running(Protocol):
    """A tracker that has begun with a sequence."""

    def update(self, n: int, detections: Detections, image: ImageArray | None = None) -> FrameBoxes:
        """Track frame `n`, from 0, frame by frame.

        Args:
            n: Index of the frame.
            detections: Boxes, and embeddings where the tracker takes any.
            image: `(H, W, 3)` BGR; None for a black one.

        Returns:
            The boxes that the tracker shows.
        """
        ...


@dataclass(frozen=True)
class Contender(ABC):
    """A tracker as it is configured for a comparison.

    Attributes:
        label: Its name in tables.
        name: Its name in its own package; of a tracker of the host, its YAML.
        changes: Keys that differ from its defaults.
    """

    label: str
    name: str
    changes: Mapping[str, Any] = field(default_factory=dict)

    @property
    @abstractmethod
    def config(self) -> dict[str, Any]:
        """All keys that are plain values."""

    @property
    @abstractmethod
    def motion(self) -> str | None:
        """The host's name of the camera motion that it takes, None if it takes none."""

    @property
    @abstractmethod
    def appearance(self) -> bool:
        """Whether it takes embeddings."""

    @abstractmethod
    def facts(self) -> dict[str, Any]:
        """Return all that its output depends on beside its inputs."""

    @abstractmethod
    def thresholds(self) -> dict[str, Any]:
        """Return its thresholds on detections' scores, by its own names of them."""

    @abstractmethod
    def start(self, fps: float, shape: tuple[int, int], warps: Doubles | None) -> Running:
        """Start the tracker.

        Args:
            fps: Frames a second.
            shape: The images' height and width, pixels.
            warps: Camera motion `(F, 2, 3)`; None to leave it to the tracker.
        """


def score_keys(config: Mapping[str, Any], names: Mapping[str, Iterable[str]]) -> dict[str, Any]:
    """Select the keys of a tracker that are thresholds on scores in its package, by `THRESHOLDS`."""
    known = {name for group in names.values() for name in group}
    return {key: value for key, value in config.items() if key in known}


def need_keys(label: str, changes: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    """Raise `ChoiceError` for a key that a tracker doesn't have, or a value of another type than its default."""
    for key, value in changes.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.0)
            raise ChoiceError(f"{label}: no key {key!r}; the nearest is {near[0]!r}" if near else f"{label}: no keys")
        if not _fits(known[key], value):
            raise ChoiceError(f"{label}: {key} is {known[key]!r} by default, so it can't be {value!r}")


def _fits(default: Any, value: Any) -> bool:
    if default is None:
        return True
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(default, bool) and isinstance(value, bool)
    return isinstance(value, _NUMBERS if isinstance(default, _NUMBERS) else type(default))


def named_thresholds(
    thresholds: Mapping[str, float], names: Mapping[str, Iterable[str]], known: Mapping[str, Any]
) -> dict[str, float]:
    """Translate thresholds into a tracker's own names: the first name of each that the tracker has."""
    found = {t: next((n for n in names.get(t, ()) if n in known), None) for t in thresholds}
    return {name: thresholds[t] for t, name in found.items() if name is not None}
