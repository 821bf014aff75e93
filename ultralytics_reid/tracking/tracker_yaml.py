"""A tracker's YAML, as the host reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from ultralytics.trackers import track as host
from ultralytics.utils import YAML

from ..config import TRACKER_TYPE
from ..errors import ConfigError


def read_tracker_yaml(path: str | Path, called: str = "the tracker YAML") -> dict[str, Any]:
    """Read a YAML of this package's tracker.

    Args:
        path: The file, or the name of a shipped one.
        called: What errors call it.

    Returns:
        Its keys and values, which are not checked yet.

    Raises:
        ConfigError: If there is no such file, or it is no YAML of keys and values, or another tracker's.
    """
    try:
        # The attribute of the module, which registration has replaced: it finds the shipped files by name too.
        content = YAML.load(host.check_yaml(str(path)))
    except FileNotFoundError as error:
        raise ConfigError(f"{called} {path}: there is no such file") from error
    # The host asserts the suffix.
    except (OSError, AssertionError, ValueError, yaml.YAMLError) as error:
        raise ConfigError(f"{called} {path}: must be a YAML file of keys and values: {error}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{called} {path}: must be a YAML file of keys and values, got {content!r}")
    if (kind := content.get("tracker_type")) != TRACKER_TYPE:
        raise ConfigError(f"{called} {path}: its tracker_type must be {TRACKER_TYPE}, got {kind}")
    return content
