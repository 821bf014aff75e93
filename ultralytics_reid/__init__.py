"""Long-term re-identification for Ultralytics trackers."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .config import Config
    from .errors import ConfigError, EmbeddingError, HostError, ReIDError
    from .events import Revival
    from .registration import register, tracker_yaml
    from .results import identities, revivals
    from .tracker import ReIDBOTSORT

__version__ = "0.1.0"

# Imported when first used, so that the start-up hook, which imports this package, costs nothing.
_HOMES = {
    "Config": "config",
    "ConfigError": "errors",
    "EmbeddingError": "errors",
    "HostError": "errors",
    "ReIDBOTSORT": "tracker",
    "ReIDError": "errors",
    "Revival": "events",
    "identities": "results",
    "register": "registration",
    "revivals": "results",
    "tracker_yaml": "registration",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
