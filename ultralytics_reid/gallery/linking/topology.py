"""How cameras lie: how long it takes from one to another, and which see the same place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ...errors import ConfigError
from ..records import ENROLLED, Visit

# Seconds by which the clocks of two cameras, and the ends of a visit, may be off.
SLACK = 1.0
_KEYS = frozenset({"from", "to", "least", "most", "overlap", "one_way"})


@dataclass(frozen=True)
class Way:
    """From one camera to another.

    Attributes:
        least: Seconds that it takes at least.
        most: Seconds that it takes at most for who was seen there last.
        overlap: Whether both see the same place, so that somebody may be on both at once.
    """

    least: float = 0.0
    most: float = float("inf")
    overlap: bool = False


@dataclass(frozen=True)
class Topology:
    """The ways between cameras. Where nothing is said, they see different places, any time apart.

    Attributes:
        ways: By the two cameras' names, from and to.
    """

    ways: Mapping[tuple[str, str], Way] = field(default_factory=dict)

    @property
    def horizon(self) -> float:
        """Seconds before somebody is seen on a camera from which on it matters where they were."""
        if any(way.most < float("inf") for way in self.ways.values()):
            return float("inf")
        return max((way.least for way in self.ways.values()), default=0.0) + SLACK

    @classmethod
    def load(cls, path: str | Path) -> Topology:
        """Read a YAML file with a list `ways`.

        Each has `from` and `to`, cameras' names, and may have `least` and `most`, seconds, `overlap: true`, and
        `one_way: true`, without which it holds for the way back too.

        Raises:
            ConfigError: If the file can't be read, or says something else; the message says what.
        """
        try:
            content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise ConfigError(f"the topology {path} can't be read: {error}") from error
        listed = content.get("ways") if isinstance(content, dict) else None
        if not isinstance(listed, list) or set(content) != {"ways"}:
            raise ConfigError(f"the topology {path} must hold a list 'ways', and nothing else")
        ways: dict[tuple[str, str], Way] = {}
        for n, entry in enumerate(listed):
            start, end, way = _way(entry, f"{path}, way {n + 1}")
            ways[start, end] = way
            if not entry.get("one_way", False):
                ways.setdefault((end, start), way)
        return cls(ways)

    def allows(self, visit: Visit, camera: str, first: float, last: float, *, latest: bool) -> bool:
        """Whether somebody who made a visit can be the one seen on a camera meanwhile.

        Args:
            visit: What is known of them.
            camera: Where somebody is seen.
            first: Since when, seconds.
            last: Until when, seconds.
            latest: Whether this was their last visit before.
        """
        if visit.camera == ENROLLED:
            return True
        before = visit.first <= first
        gap = first - visit.last if before else visit.first - last
        if visit.camera == camera:
            return gap >= 0
        way = self.ways.get((visit.camera, camera) if before else (camera, visit.camera), Way())
        if way.overlap:
            return True
        return gap >= way.least - SLACK and (not before or not latest or gap <= way.most + SLACK)


def _way(entry: Any, where: str) -> tuple[str, str, Way]:
    if not isinstance(entry, dict) or not {"from", "to"} <= set(entry) <= _KEYS:
        raise ConfigError(f"{where}: must have 'from' and 'to', and may have {sorted(_KEYS - {'from', 'to'})}")
    start, end = str(entry["from"]), str(entry["to"])
    if start == end:
        raise ConfigError(f"{where}: 'from' and 'to' must be two cameras, got {start!r} twice")
    for key in ("overlap", "one_way"):
        if not isinstance(entry.get(key, False), bool):
            raise ConfigError(f"{where}: '{key}' must be true or false, got {entry[key]!r}")
    least, most = _seconds(entry, "least", 0.0, where), _seconds(entry, "most", float("inf"), where)
    if least > most:
        raise ConfigError(f"{where}: 'least' must be at most 'most' ({most:g}), got {least:g}")
    return start, end, Way(least, most, entry.get("overlap", False))


def _seconds(entry: dict[str, Any], key: str, default: float, where: str) -> float:
    value = entry.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        raise ConfigError(f"{where}: '{key}' must be seconds, 0 or more, got {value!r}")
    return float(value)
