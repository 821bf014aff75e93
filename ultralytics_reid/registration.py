"""The one place that changes the host: the tracker map, the YAML lookup, and the check that both are there."""

from __future__ import annotations

import functools
import logging
import re
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from .errors import HostError

TRACKER_TYPE = "reid_botsort"
TESTED = ("8.4.175", "8.4.190")

# The host's logger, by its name: importing the host to say something would be a high price.
_LOGGER = logging.getLogger("ultralytics")

_HERE = Path(__file__).parent
# In a wheel the YAMLs lie in the package, in a checkout beside it.
YAML_FOLDER = _HERE / "trackers" if (_HERE / "trackers").is_dir() else _HERE.parent / "trackers"
_SHIPPED = ("reid_botsort.yaml", "reid_gallery.yaml")

# What is changed here, and what of the host's trackers our own overrides or calls, by type in the host's map.
_CHANGED = ("TRACKER_MAP", "check_yaml")
_NEEDED_METHODS = {
    "botsort": ("init_track", "get_dists", "reset", "get_kalmanfilter", "multi_predict"),
    "bytetrack": (
        *("update", "_first_association", "_init_new_tracks", "_remove_stale_lost", "_input_for", "_format_output"),
        *("_pre_first_associate", "_post_first_association", "_unconfirmed_association", "_apply_matches", "reset_id"),
    ),
    "tracktrack": ("setup_predictor", "compute_frame_extras"),
}


def tracker_yaml(name: str = "reid_botsort.yaml") -> Path:
    """Path of one of this package's tracker YAMLs.

    Args:
        name: Its file name.

    Raises:
        FileNotFoundError: If this package has no such YAML.
    """
    path = YAML_FOLDER / name
    if path.is_file():
        return path
    if name in _SHIPPED:
        raise FileNotFoundError(_missing(name))
    raise FileNotFoundError(f"{name} is none of this package's tracker YAMLs")


def _missing(name: str) -> str:
    return (
        f"{name} belongs to ultralytics-reid and is missing in {_HERE / 'trackers'}: a program that PyInstaller or the "
        "like has made must take the data files of ultralytics_reid along (--collect-data ultralytics_reid)"
    )


def register() -> None:
    """Make `tracker="reid_botsort.yaml"` known to Ultralytics; calling it again changes nothing.

    Importing the package does it by itself; call it to get the error instead of a warning.

    Raises:
        HostError: If the installed Ultralytics lacks something that the tracker stands on.
    """
    try:
        host = _host()
    except ModuleNotFoundError as error:
        raise HostError(f"there is no module {error.name}; {_tested()}") from error
    _check(host)
    _add_to(host)


def register_quietly(host: ModuleType) -> None:
    """Register with the host just imported, for the start-up hook.

    Where the host lacks something it says so, leaves the host's own trackers usable, and lets the error come when
    ours is asked for.

    Args:
        host: The host's module of trackers, `ultralytics.trackers.track`.
    """
    try:
        _check(host)
    except HostError as error:
        _LOGGER.warning(f"{TRACKER_TYPE} is not available: {error}")
    if all(hasattr(host, name) for name in _CHANGED):
        _add_to(host)


def _host() -> ModuleType:
    return import_module("ultralytics.trackers.track")


def _check(host: ModuleType) -> None:
    """Raise `HostError` if the host lacks what the tracker stands on."""
    missing = [name for name in _CHANGED if not hasattr(host, name)]
    types = getattr(host, "TRACKER_MAP", {})
    for kind, methods in _NEEDED_METHODS.items():
        missing += [f"{kind}.{method}" for method in methods if not hasattr(types.get(kind), method)]
    if missing:
        raise HostError(f"Ultralytics {_version()} lacks {', '.join(missing)}; {_tested()}")


def _add_to(host: ModuleType) -> None:
    if TRACKER_TYPE not in host.TRACKER_MAP:
        host.TRACKER_MAP[TRACKER_TYPE] = _Deferred()
        if not _release(TESTED[0]) <= _release(_version()) <= _release(TESTED[1]):
            _LOGGER.warning(f"{_tested()}, and this is {_version()}")
    if not isinstance(host.check_yaml, _Lookup):
        host.check_yaml = _Lookup(host.check_yaml)  # type: ignore[attr-defined]


def _tested() -> str:
    return f"ultralytics-reid was tested with Ultralytics {TESTED[0]} to {TESTED[1]}"


def _version() -> str:
    return str(import_module("ultralytics").__version__)


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


class _Deferred:
    """Stands in the host's map for our tracker class, which is imported when it is first used.

    Tracking with the host's own trackers is spared its import. And where it is the import of our class, a
    subclass of the host's, that imports the host, the class doesn't exist yet when we register.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return _tracker_class()(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(_tracker_class(), name)


def _tracker_class() -> Any:
    _check(_host())
    from .tracking.tracker import ReIDBOTSORT

    return ReIDBOTSORT


class _Lookup:
    """The host's YAML lookup, which finds this package's YAMLs by bare name too; a user's file of that name wins."""

    def __init__(self, hosts: Callable[..., Any]) -> None:
        self._hosts = hosts
        functools.update_wrapper(self, hosts)

    def __call__(self, file: Any, *args: Any, **kwargs: Any) -> Any:
        return self._hosts(_shipped(file), *args, **kwargs)


def _shipped(file: Any) -> Any:
    name = str(file)
    if Path(name).name != name or Path(name).exists():
        return file
    if (YAML_FOLDER / name).is_file():
        return str(YAML_FOLDER / name)
    if name in _SHIPPED:
        raise FileNotFoundError(_missing(name))
    return file
