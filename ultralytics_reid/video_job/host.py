"""What of Ultralytics is checked and loaded before a video is tracked."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from .. import register
from ..config import Config
from ..embedders.host import HOST_ERRORS
from ..errors import ConfigError, ReIDError

# Keys of a tracker's YAML that name what it writes into, and what needs that, with what switches them off.
NO_STORES: Mapping[str, object] = {"gallery": "", "gallery_index": "", "topology": "", "track_log": ""}


def check_model(model: str) -> str:
    """Check that a model's file exists, or that the host can download a model of this name.

    Raises:
        ReIDError: If neither is the case.
    """
    from ultralytics.utils.downloads import GITHUB_ASSETS_NAMES

    if not Path(model).exists() and model not in GITHUB_ASSETS_NAMES:
        raise ReIDError(f"--model {model}: there is no such file, and it is no model name known to Ultralytics")
    return model


def load_model(model: str) -> Any:
    """Load a YOLO model.

    Raises:
        ReIDError: If it can't be loaded.
    """
    from ultralytics import YOLO

    register()
    try:
        return YOLO(model)
    except HOST_ERRORS as error:
        raise ReIDError(f"--model {model}: not a YOLO model that can be loaded: {error}") from error


def class_names(model: Any, file: str) -> dict[int, str]:
    """Read a loaded model's class names by index; a file that is none of the host's shows only here.

    Args:
        model: The model.
        file: What it was loaded from.

    Raises:
        ReIDError: If it has none.
    """
    try:
        return {int(cls): str(name) for cls, name in model.names.items()}
    except HOST_ERRORS as error:
        what = "must be a YOLO model that detects; a ReID model goes into the key 'model' of the --tracker YAML"
        raise ReIDError(f"--model {file}: {what}: {error}") from error


def check_tracker(tracker: str) -> None:
    """Check that a YAML is one of this package's tracker.

    Raises:
        ConfigError: If there is no such file, or it is no YAML of keys and values, or another tracker's.
    """
    _keys_of(tracker)


def check_keys(tracker: str, keys: Mapping[str, object]) -> None:
    """Check all keys of a tracker's YAML, as its tracker would.

    Args:
        tracker: The YAML; see `check_tracker`.
        keys: Keys with their values, in place of what it says.

    Raises:
        ConfigError: If it is unusable, or a key of it is.
    """
    content = {**_keys_of(tracker), **keys}
    try:
        Config.from_args(SimpleNamespace(**content))
    except ConfigError as error:
        raise ConfigError(f"--tracker {tracker}: {error}") from error


@contextmanager
def private_tracker(tracker: str, keys: Mapping[str, object] | None = None) -> Iterator[str]:
    """Yield the path of a temporary copy of a tracker's YAML that names no gallery and no track log.

    For what only measures, or reads a video: the user's stores aren't to learn of it.

    Args:
        tracker: The YAML whose other keys are taken over; see `check_tracker`.
        keys: More keys with their values, in place of what it says.
    """
    with tempfile.TemporaryDirectory(prefix="ultralytics-reid-") as folder:
        path = Path(folder, "tracker.yaml")
        write_tracker(path, tracker, {**NO_STORES, **(keys or {})})
        yield str(path)


def write_tracker(path: Path, tracker: str, keys: Mapping[str, object]) -> None:
    """Write a tracker's YAML.

    Args:
        path: The YAML to write.
        tracker: The YAML whose other keys are taken over; see `check_tracker`.
        keys: Keys with their values, in place of what it says.
    """
    from ultralytics.utils import YAML

    YAML.save(path, {**_keys_of(tracker), **keys})


def _keys_of(tracker: str) -> dict[str, Any]:
    from ..tracking.tracker_yaml import read_tracker_yaml

    register()
    return read_tracker_yaml(tracker, "--tracker")
