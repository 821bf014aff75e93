"""What an exported encoder's file says of itself. It is data: every value is checked before it is used."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from ..errors import ConfigError
from .crops import CHANNELS, Preprocessing

# The key of our exports.
METADATA = "ultralytics_reid"
FULL_PRECISION = "fp32"
# Dimension of an embedding, and pixels of a crop's side, at most.
_MAX_DIM, _MAX_SIDE = 16_000, 4096
_COLORS = 3
_MAX_TEXT = 1000


def stored_recipe(model: str, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Read what `ultralytics-reid export` recorded.

    Args:
        model: The file's name, for the message.
        metadata: The file's metadata.

    Returns:
        `name`, `precision`, `height`, `width`, `mean`, `std`, `channels` and `dim`; empty for files of others.

    Raises:
        ConfigError: If it is damaged; the message names the value.
    """
    text = metadata.get(METADATA)
    if not text:
        return {}
    try:
        stored = json.loads(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise _odd(model, f"'{METADATA}' must be JSON", text) from error
    if not isinstance(stored, dict):
        raise _odd(model, f"'{METADATA}' must be a JSON object", text)
    stored = {"precision": FULL_PRECISION, "dim": None, "channels": CHANNELS[0], **stored}
    for key in ("name", "precision"):
        value = stored.get(key)
        if not (isinstance(value, str) and 0 < len(value) <= _MAX_TEXT):
            raise _odd(model, f"'{key}' must be a text", value)
    if stored["dim"] is not None:
        _check_whole(model, "dim", stored["dim"], _MAX_DIM)
    for key in ("height", "width"):
        _check_whole(model, key, stored.get(key), _MAX_SIDE)
    for key, least in (("mean", -math.inf), ("std", 0.0)):
        _check_colors(model, key, stored.get(key), least)
    if stored["channels"] not in CHANNELS:
        raise _odd(model, f"'channels' must be {' or '.join(CHANNELS)}", stored["channels"])
    return stored


def preprocessing_of(stored: Mapping[str, Any]) -> Preprocessing:
    """Make the preprocessing that `stored_recipe` returned."""
    sides = {key: stored[key] for key in ("height", "width")}
    return Preprocessing(**sides, mean=tuple(stored["mean"]), std=tuple(stored["std"]), channels=stored["channels"])


def image_size(model: str, metadata: Mapping[str, Any]) -> tuple[int, int]:
    """Read `imgsz` of Ultralytics' exports: height and width, pixels; 0 where it isn't recorded.

    Raises:
        ConfigError: If it is neither a number nor two of them.
    """
    imgsz = metadata.get("imgsz", 0)
    try:
        sides = json.loads(imgsz) if isinstance(imgsz, str) else imgsz
    except (ValueError, RecursionError) as error:
        raise _odd(model, "'imgsz' must be a number or two", imgsz) from error
    pair = list(sides) if isinstance(sides, list | tuple) else [sides, sides]
    if len(pair) != 2:  # noqa: PLR2004
        raise _odd(model, "'imgsz' must be a number or two", imgsz)
    for side in pair:
        _check_whole(model, "imgsz", side, _MAX_SIDE, least=0)
    return int(pair[0]), int(pair[1])


def _check_whole(model: str, key: str, value: object, most: int, least: int = 1) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise _odd(model, f"'{key}' must be a whole number in [{least}, {most}]", value)


def _check_colors(model: str, key: str, values: object, least: float) -> None:
    right = isinstance(values, list) and len(values) == _COLORS
    numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)] if right else []  # type: ignore[attr-defined]
    if len(numbers) != _COLORS or not all(math.isfinite(v) and v > least for v in numbers):
        above = " above 0" if least == 0 else ""
        raise _odd(model, f"'{key}' must be three finite numbers{above}", values)


def _odd(model: str, rule: str, value: object) -> ConfigError:
    return ConfigError(f"model: the metadata of {model} can't be used: {rule}, got {value!r:.100}")
