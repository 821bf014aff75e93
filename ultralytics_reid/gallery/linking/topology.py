"""Travel times between cameras, and which of them share a view."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ...errors import ConfigError
from ..records import ENROLLED, Visit

# Seconds by which the clocks of two cameras, and the ends of a visit, may be off.
SLACK = 1.0
_NAMES = ("from", "to")
_KEYS = frozenset({*_NAMES, "least", "most", "overlap", "one_way"})
_MAX_LISTED = 20


class _NamesAsWritten(yaml.SafeLoader):
    """Loader that takes names of cameras as written: YAML would make `01` a number, `no` a boolean, `12:30` 750."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        if isinstance(node, yaml.MappingNode):
            self.flatten_mapping(node)
            for key, value in node.value:
                if key.value in _NAMES and isinstance(value, yaml.ScalarNode):
                    value.tag = "tag:yaml.org,2002:str"
        return super().construct_mapping(node, deep)


@dataclass(frozen=True)
class Way:
    """The way from one camera to another.

    Attributes:
        min_seconds: Shortest travel time.
        max_seconds: Longest travel time of an identity whose last visit was on the first camera.
        overlap: Whether both cameras see the same place, so that an identity may be visible on both at once.
    """

    min_seconds: float = 0.0
    max_seconds: float = float("inf")
    overlap: bool = False


@dataclass(frozen=True)
class Topology:
    """Ways between cameras. Cameras without one see different places, any travel time apart.

    Attributes:
        ways: By the two cameras' names, from and to.
    """

    ways: Mapping[tuple[str, str], Way] = field(default_factory=dict)

    @property
    def horizon(self) -> float:
        """Seconds before an observation beyond which earlier visits can't gate it."""
        if any(way.max_seconds < float("inf") for way in self.ways.values()):
            return float("inf")
        return max((way.min_seconds for way in self.ways.values()), default=0.0) + SLACK

    @classmethod
    def load(cls, path: str | Path) -> Topology:
        """Read a YAML file with a list `ways`.

        Each entry has `from` and `to`, cameras' names as written (`01` and `no` are names too). It may have `least` and
        `most`, seconds, `overlap: true`, and `one_way: true`, without which it holds for the way back too.

        Raises:
            ConfigError: If the file can't be read, or has other content; the message says which.
        """
        try:
            content = yaml.load(Path(path).read_text(encoding="utf-8"), _NamesAsWritten)
        # Dates that there are not and numbers of thousands of digits are ValueErrors, as undecodable files are.
        except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
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

    def check(self, camera: str) -> None:
        """Check that a topology with ways has the camera.

        Raises:
            ConfigError: If it hasn't: the name is misspelled here or there.
        """
        known = sorted({name for pair in self.ways for name in pair})
        if known and camera not in known:
            more = f" and {len(known) - _MAX_LISTED} more" if len(known) > _MAX_LISTED else ""
            raise ConfigError(
                f"the topology has no camera {camera!r}, but {', '.join(known[:_MAX_LISTED])}{more}; correct 'ways' or "
                "'camera_id', or add a way from or to it, which needs no times"
            )

    def allows(self, visit: Visit, camera: str, first: float, last: float, *, latest: bool) -> bool:
        """Gate by presence and travel time: can the identity of a visit be visible on a camera?

        Args:
            visit: A visit of the identity.
            camera: Camera of the observation.
            first: When the observation begins, seconds since 1970 (UTC).
            last: When it ends, the same.
            latest: Whether it is the identity's last visit before; `max_seconds` counts from that one only.
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
        return gap >= way.min_seconds - SLACK and (not before or not latest or gap <= way.max_seconds + SLACK)


def _way(entry: Any, where: str) -> tuple[str, str, Way]:
    if not isinstance(entry, dict) or not {"from", "to"} <= set(entry) <= _KEYS:
        raise ConfigError(f"{where}: must have 'from' and 'to', and may have {sorted(_KEYS - {'from', 'to'})}")
    for key in _NAMES:
        if not isinstance(entry[key], str) or not entry[key]:
            raise ConfigError(f"{where}: '{key}' must be the name of a camera, got {entry[key]!r}")
    start, end = entry["from"], entry["to"]
    if start == end:
        raise ConfigError(f"{where}: 'from' and 'to' must be two cameras, got {start!r} twice")
    for key in ("overlap", "one_way"):
        if not isinstance(entry.get(key, False), bool):
            raise ConfigError(f"{where}: '{key}' must be true or false, got {entry[key]!r}")
    shortest, longest = _seconds(entry, "least", 0.0, where), _seconds(entry, "most", float("inf"), where)
    if shortest > longest:
        raise ConfigError(f"{where}: 'least' must be at most 'most' ({longest:g}), got {shortest:g}")
    return start, end, Way(shortest, longest, entry.get("overlap", False))


def _seconds(entry: dict[str, Any], key: str, default: float, where: str) -> float:
    value = entry.get(key, default)
    try:
        seconds = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else -1.0
    except OverflowError:  # an integer of more than 308 digits
        seconds = -1.0
    if not seconds >= 0:
        raise ConfigError(f"{where}: '{key}' must be seconds, 0 or more, got {reprlib.repr(value)}")
    return seconds
