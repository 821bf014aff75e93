"""Embeddings beside crops: read as data, never as code."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from ultralytics_reid.errors import DatasetError
from ultralytics_reid.training.stored_embeddings import EMBEDDINGS, read_embeddings, write_embeddings


def test_embeddings_are_found_by_file(tmp_path):
    rows = np.eye(3, dtype=np.float32)
    write_embeddings(tmp_path, ["a/1.jpg", "a/2.jpg", "b/3.jpg"], rows, "toy")
    held = read_embeddings(tmp_path)
    assert held.fingerprint == "toy"
    np.testing.assert_allclose(held.of(["b/3.jpg", "a/1.jpg"]), rows[[2, 0]])
    assert held.of(["new.jpg"]) is None


def test_a_folder_without_embeddings_has_none(tmp_path):
    assert read_embeddings(tmp_path) is None


class Harm:
    def __reduce__(self):
        return (Path.touch, (Path("ran"),))


@pytest.mark.parametrize("content", [b"", b"not a zip", pickle.dumps(Harm())])
def test_other_content_is_refused_and_not_run(tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    Path(EMBEDDINGS).write_bytes(content)
    with pytest.raises(DatasetError, match="can't be read"):
        read_embeddings(tmp_path)
    assert not Path("ran").exists()


def test_objects_in_an_array_are_refused(tmp_path):
    np.savez(tmp_path / EMBEDDINGS, files=np.array([Harm()]), rows=np.zeros((1, 2)), fingerprint=np.array("toy"))
    with pytest.raises(DatasetError, match="can't be read"):
        read_embeddings(tmp_path)


def test_numbers_that_are_not_finite_are_refused(tmp_path):
    write_embeddings(tmp_path, ["a"], np.full((1, 2), np.nan, np.float32), "toy")
    with pytest.raises(DatasetError, match="finite"):
        read_embeddings(tmp_path)
