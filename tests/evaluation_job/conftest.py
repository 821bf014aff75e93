"""Small sets of colored crops, and embedders of colors that need no network."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from ultralytics_reid.embedders.head import CARD, HEAD

# A factory by its import path, as a tracker YAML may name it: colors of the upper and the lower half.
EMBEDDER = '''
import numpy as np

CALLS = []


class Colors:
    """The mean color of halves, or of a whole crop, which tells less."""

    def __init__(self, halves):
        self.halves = halves
        self.fingerprint = f"colors{halves}"

    def __call__(self, image, xyxy):
        CALLS.append(len(xyxy))
        parts = np.array_split(image.astype(np.float32), self.halves)
        return np.concatenate([part.mean(axis=(0, 1)) - 110 for part in parts])[None].repeat(len(xyxy), axis=0)


def halves(weights="", device=None):
    return Colors(2)


def whole(weights="", device=None):
    return Colors(1)


def blind(weights="", device=None):
    return lambda image, xyxy: np.zeros((len(xyxy), 4), np.float32)
'''


@pytest.fixture
def colors(tmp_path, monkeypatch):
    """Makes `color_embedders:halves`, `:whole` and `:blind` importable; returns the module."""
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / "color_embedders.py").write_text(EMBEDDER)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(__import__("sys").modules, "color_embedders", raising=False)
    return __import__("importlib").import_module("color_embedders")


@pytest.fixture
def people(tmp_path):
    """Twelve people, two crops on each of two cameras, by CUHK01's names."""
    folder = tmp_path / "people"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for person in range(1, 13):
        upper, lower = rng.integers(30, 220, (2, 3))
        for number in range(1, 5):
            image = np.empty((32, 16, 3), np.float32)
            image[:16], image[16:] = upper, lower
            image += rng.normal(0, 25) + rng.normal(0, 10, image.shape)
            cv2.imwrite(str(folder / f"{person:04d}{number:03d}.png"), np.clip(image, 0, 255).astype(np.uint8))
    return folder


@pytest.fixture
def write_head(tmp_path):
    """Writes a head over the embeddings of a base; of six colors it keeps two, which tell less."""
    save_file = pytest.importorskip("safetensors.numpy").save_file

    def write(base):
        matrix = np.zeros((6, 2), np.float32)
        matrix[0, 0] = matrix[1, 1] = 1
        card = json.dumps({"kind": HEAD, "base": base})
        save_file({"center": np.zeros(6, np.float32), "matrix": matrix}, tmp_path / "mine.safetensors", {CARD: card})
        return str(tmp_path / "mine.safetensors")

    return write
