"""Public names: whatever users may import or read is listed, so that none goes or comes unseen."""

import dataclasses
import importlib
import inspect
from pathlib import Path

import pytest

LIST = Path(__file__).with_name("public_names.txt")
RENEW = "; if that is meant: python tests/test_public_names.py > tests/public_names.txt"
MODULES = (
    "ultralytics_reid",
    "ultralytics_reid.demo",
    "ultralytics_reid.embedders",
    "ultralytics_reid.errors",
    "ultralytics_reid.events",
    "ultralytics_reid.scenes",
)


def exported(module):
    """A module's `__all__`, or else what is public and defined in it."""
    if hasattr(module, "__all__"):
        return sorted(module.__all__)
    return sorted(name for name, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__)


def members(cls):
    """A class's own public attributes, methods and fields; those of the host's classes are the host's."""
    ours = [base for base in cls.__mro__ if base.__module__.startswith("ultralytics_reid")]
    names = {name for base in ours for name in vars(base)}
    names |= {field.name for field in dataclasses.fields(cls)} if dataclasses.is_dataclass(cls) else set()
    return sorted(name for name in names if not name.startswith("_"))


def public_names():
    for name in MODULES:
        module = importlib.import_module(name)
        for exported_name in exported(module):
            yield f"{name}.{exported_name}"
            value = getattr(module, exported_name)
            if inspect.isclass(value):
                yield from (f"{name}.{exported_name}.{member}" for member in members(value))


def test_public_names_are_those_that_are_listed():
    listed, there = set(LIST.read_text().split()), set(public_names())
    assert sorted(listed - there) == [], "no longer there" + RENEW
    assert sorted(there - listed) == [], "new" + RENEW


@pytest.mark.parametrize("name", MODULES)
def test_exported_names_that_are_declared_are_there(name):
    module = importlib.import_module(name)
    assert [n for n in exported(module) if n.startswith("_") or not hasattr(module, n)] == []


if __name__ == "__main__":
    print(*public_names(), sep="\n")
