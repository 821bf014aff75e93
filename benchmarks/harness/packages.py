"""Installed packages and their versions."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec


def has(package: str) -> bool:
    """Return whether a package can be imported."""
    return find_spec(package) is not None


def versions(*packages: str) -> dict[str, str]:
    """Return the versions of those packages that are installed, by name."""
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
