"""Trackers of other packages: they are given the camera motion in place of their own `cmc`."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ultralytics_reid._typing import Doubles

from .base import Contender, score_keys
from .given_motion import GivenMotion


@dataclass(frozen=True)
class PackageContender(Contender):
    """A tracker of another package."""

    # The package's names of thresholds, by `THRESHOLDS`.
    names: ClassVar[Mapping[str, tuple[str, ...]]] = {}

    @abstractmethod
    def defaults(self) -> dict[str, Any]:
        """Return its keys as its package sets them."""

    @property
    def config(self) -> dict[str, Any]:
        """All keys."""
        return {**self.defaults(), **self.changes}

    def thresholds(self) -> dict[str, Any]:
        return score_keys(self.config, self.names)


def give_motion(tracker: Any, warps: Doubles | None) -> GivenMotion | None:
    """Replace a tracker's camera motion by a known one, if there is any, and return that."""
    if warps is None:
        return None
    tracker.cmc = GivenMotion(warps)
    return tracker.cmc  # type: ignore[no-any-return]
