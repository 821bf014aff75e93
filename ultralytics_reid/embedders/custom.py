"""Third-party embedders: a factory by its import path, or by the name of an entry point."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from ..errors import ConfigError

GROUP = "ultralytics_reid.embedders"
_PATH = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


def factory_of(model: str) -> Callable[[str, Any], Any] | None:
    """Look up the factory of the embedder that a YAML's `model` names.

    Args:
        model: "package.module:factory", or the name of an entry point in the group `ultralytics_reid.embedders`. It is
            called as `factory(weights=..., device=...)`.

    Returns:
        A function of weights and device, which raises ConfigError; None if the name is neither.
    """
    found = [EntryPoint(model, model, GROUP)] if _PATH.fullmatch(model) else list(entry_points(group=GROUP, name=model))
    if not found:
        return None
    return lambda weights, device: _make(found[0], weights, device)


def _make(entry: EntryPoint, weights: str, device: Any) -> Any:
    try:
        factory = entry.load()
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"model: {entry.value} can't be imported: {error}{_hint(entry, error)}") from error
    if not callable(factory):
        raise ConfigError(f"model: {entry.value} must be a callable that returns an embedder, got {factory!r}")
    embedder = factory(weights=weights, device=device)
    if not callable(embedder):
        raise ConfigError(f"model: {entry.value} must return an embedder, which is callable, got {embedder!r}")
    return embedder


def _hint(entry: EntryPoint, error: ImportError | AttributeError) -> str:
    """What to do where the module itself isn't found: commands don't search the current folder, as `python` does."""
    if not isinstance(error, ModuleNotFoundError) or error.name != entry.module.partition(".")[0]:
        return ""
    return "; its folder must be in PYTHONPATH: for the current folder, PYTHONPATH=. before the command"
