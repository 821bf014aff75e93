"""Arrays that are computed once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.harness.data import cache as cache_module
from benchmarks.harness.data.cache import Cache, of_file, slug


def squares():
    return {"a": np.arange(5.0) ** 2, "notes": np.array(["x"])}


def test_arrays_are_computed_once(tmp_path):
    calls, kept = [], Cache(tmp_path)
    for _ in range(2):
        arrays = kept.arrays("s", "stage", {"of": 1}, lambda: calls.append(1) or squares())
        np.testing.assert_array_equal(arrays["a"], squares()["a"])
    kept.arrays("s", "stage", {"of": 2}, lambda: calls.append(2) or squares())
    assert calls == [1, 2]


@settings(max_examples=40, deadline=None)
@given(share=st.floats(0, 0.999), damage=st.booleans())
def test_a_half_written_file_is_redone_and_never_trusted(tmp_path_factory, share, damage):
    kept, told = Cache(tmp_path_factory.mktemp("cache")), []
    kept.arrays("s", "stage", {}, squares)
    path = kept.path("s", "stage", {})
    whole = path.read_bytes()
    cut = int(share * len(whole))
    path.write_bytes(whole[:cut] + (bytes([whole[cut] ^ 255]) + whole[cut + 1 :] if damage else b""))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cache_module, "tell", told.append)
        arrays = kept.arrays("s", "stage", {}, squares)
    np.testing.assert_array_equal(arrays["a"], squares()["a"])
    assert arrays["notes"].tolist() == ["x"]
    assert "damaged or half written" in told[0]
    assert len(path.read_bytes()) == len(whole)


def test_a_file_of_something_else_is_redone(tmp_path, capsys):
    kept = Cache(tmp_path)
    kept.arrays("s", "stage", {"of": 1}, squares)
    kept.path("s", "stage", {"of": 1}).rename(kept.path("s", "stage", {"of": 2}))
    assert kept.arrays("s", "stage", {"of": 2}, lambda: {"a": np.zeros(2)})["a"].tolist() == [0, 0]
    assert "is of something else" in capsys.readouterr().err


def test_an_interrupted_computation_leaves_nothing(tmp_path):
    kept = Cache(tmp_path)

    class Interrupt:
        def __array__(self, *_, **__):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kept.arrays("s", "stage", {}, lambda: {"a": Interrupt()})
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


@given(st.text(min_size=1, max_size=200), st.text(min_size=1, max_size=200))
def test_slugs_are_file_names_that_differ(a, b):
    assert "/" not in slug(a)
    assert 0 < len(slug(a)) < 90
    assert (slug(a) == slug(b)) == (a == b)


def test_a_failed_computation_leaves_nothing(tmp_path):
    def fail():
        raise ValueError("no rows")

    with pytest.raises(ValueError, match="no rows"):
        Cache(tmp_path).arrays("s", "stage", {}, fail)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
def test_a_broken_write_leaves_no_file(tmp_path, monkeypatch, error):
    def write_half(path, content):
        with path.open("wb") as file:
            file.write(content[:9])
        raise error

    monkeypatch.setattr(Path, "write_bytes", write_half)
    with pytest.raises(type(error)):
        Cache(tmp_path).arrays("s", "stage", {}, squares)
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


def test_a_file_is_not_there_before_it_is_whole(tmp_path, monkeypatch):
    kept, write, seen = Cache(tmp_path), Path.write_bytes, []
    path = kept.path("s", "stage", {})

    def watch(part, content):
        seen.append(path.exists())
        write(part, content)
        seen.append(path.exists())

    monkeypatch.setattr(Path, "write_bytes", watch)
    kept.arrays("s", "stage", {}, squares)
    assert (seen, path.exists()) == ([False, False], True)
    assert list(path.parent.iterdir()) == [path]


def test_a_file_that_changes_has_another_hash(tmp_path):
    path = tmp_path / "weights"
    path.write_bytes(b"weights")
    before = of_file(path)
    path.write_bytes(b"others")
    assert of_file(path) != before
