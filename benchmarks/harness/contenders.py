"""Trackers by name, as the command line takes them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import yaml

from .runs import OURS, Contender
from .stock import BOTSORT, BOTSORT_LONG, BOTSORT_REID, DEEPOCSORT_REID, TRACKTRACK_REID

OWN = Contender("**reid_botsort**", OURS)
DEFAULT = (BOTSORT, BOTSORT_REID, BOTSORT_LONG, TRACKTRACK_REID, DEEPOCSORT_REID, OWN)


def parse(spec: str) -> Contender:
    """A tracker from `name` or `name:key=value,key=value`.

    Args:
        spec: The name of a tracker YAML, with or without `.yaml`, or its path; then keys that differ from it, with
            values as YAML has them.

    Returns:
        The tracker, labelled as it is written.

    Raises:
        ValueError: If there is no such YAML, a key isn't in it, or a change is no `key=value`.
    """
    name, _, rest = spec.partition(":")
    path = name if name.endswith((".yaml", ".yml")) else f"{name}.yaml"
    known = _keys(path)
    changes: dict[str, Any] = {}
    for part in filter(None, rest.split(",")):
        key, equals, value = (p.strip() for p in part.partition("="))
        if not equals:
            raise ValueError(f"{spec!r}: a change must be key=value, got {part!r}")
        if key not in known:
            raise ValueError(f"{spec!r}: {path} has no key {key!r}; it has {', '.join(sorted(known))}")
        changes[key] = yaml.safe_load(value)
    return Contender(OWN.label if spec == "reid_botsort" else spec.replace(",", ", "), path, changes)


def split(specs: Iterable[str]) -> list[str]:
    """Specs from lists with commas: a comma parts two trackers unless a further `key=value` follows it."""
    found: list[str] = []
    for part in (p for text in specs for p in text.split(",") if p):
        more = "=" in part.partition(":")[0]
        if more and found:
            found[-1] += f",{part}"
        else:
            found.append(part)
    return found


def _keys(path: str) -> set[str]:
    try:
        return set(Contender(path, path).config())
    except FileNotFoundError as error:
        raise ValueError(f"unknown tracker {path!r}: no such tracker YAML") from error
