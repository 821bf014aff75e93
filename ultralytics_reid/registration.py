"""The one place that changes the host: the tracker map, the YAML lookup, and the check that both are there."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ultralytics
from ultralytics.trackers import track as host
from ultralytics.utils import LOGGER

from .errors import HostError

TRACKER_TYPE = "reid_botsort"
TESTED = ("8.4.175", "8.4.190")

_HERE = Path(__file__).parent
# In a wheel the YAMLs lie in the package, in a checkout beside it.
_YAML_FOLDERS = (_HERE / "trackers", _HERE.parent / "trackers")

# What our tracker overrides or calls, by the class of the host that has it.
_NEEDED_METHODS = {
    "botsort": ("init_track", "get_dists", "reset"),
    "bytetrack": ("_first_association", "_init_new_tracks", "_input_for", "_format_output", "reset_id"),
    "tracktrack": ("setup_predictor", "compute_frame_extras"),
}


def tracker_yaml(name: str = "reid_botsort.yaml") -> Path:
    """Path of one of this package's tracker YAMLs.

    Args:
        name: Its file name.

    Raises:
        FileNotFoundError: If this package has no such YAML.
    """
    for folder in _YAML_FOLDERS:
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(f"{name} is none of this package's tracker YAMLs")


def register() -> None:
    """Make `tracker="reid_botsort.yaml"` known to Ultralytics; calling it again changes nothing.

    Raises:
        HostError: If the installed Ultralytics lacks something that the tracker stands on; nothing is changed then.
    """
    if TRACKER_TYPE in host_map():
        return
    _check_host()
    from .tracker import ReIDBOTSORT

    host.TRACKER_MAP[TRACKER_TYPE] = ReIDBOTSORT
    host.check_yaml = _with_ours(host.check_yaml)


def register_quietly() -> None:
    """Register for the start-up hook: where that can't be, say so and leave the host's own trackers usable."""
    try:
        register()
    except (HostError, ImportError) as error:
        LOGGER.warning(f"ultralytics-reid is not available: {error}")


def host_map() -> dict[str, Any]:
    """The host's table of tracker types."""
    table: dict[str, Any] = getattr(host, "TRACKER_MAP", {})
    return table


def _check_host() -> None:
    missing = [name for name in ("TRACKER_MAP", "check_yaml") if not hasattr(host, name)]
    for kind, methods in _NEEDED_METHODS.items():
        tracker = host_map().get(kind)
        missing += [f"{kind}.{m}" for m in methods if not hasattr(tracker, m)]
    if missing:
        raise HostError(
            f"Ultralytics {ultralytics.__version__} lacks {', '.join(missing)}; "
            f"ultralytics-reid was tested with {TESTED[0]} to {TESTED[1]}"
        )
    if not _release(TESTED[0]) <= _release(ultralytics.__version__) <= _release(TESTED[1]):
        LOGGER.warning(
            f"ultralytics-reid was tested with Ultralytics {TESTED[0]} to {TESTED[1]}, this is {ultralytics.__version__}"
        )


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:3] if part.isdigit())


def _with_ours(lookup: Callable[..., Any]) -> Callable[..., Any]:
    """The host's YAML lookup, which finds this package's YAMLs by bare name; a user's file of that name wins."""

    @functools.wraps(lookup)
    def check_yaml(file: Any, *args: Any, **kwargs: Any) -> Any:
        return lookup(_shipped(file), *args, **kwargs)

    return check_yaml


def _shipped(file: Any) -> Any:
    path = Path(str(file))
    if path.name != str(file) or path.exists():
        return file
    return next((str(folder / path) for folder in _YAML_FOLDERS if (folder / path).is_file()), file)
