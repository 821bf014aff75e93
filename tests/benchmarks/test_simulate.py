"""Perturbed copies, simulated appearance, and trackers that are given camera motion."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.harness.clips.perturb import (
    PERTURBATIONS,
    blur_embeddings,
    halve_rate,
    reverse,
    start_late,
    weaken_detector,
)
from benchmarks.harness.clips.simulate import Likeness, likeness, simulate
from benchmarks.harness.contenders.host import OURS, HostContender
from benchmarks.harness.contenders.stock import BOTSORT, BYTETRACK
from benchmarks.harness.data.sequences import Detections, Sequence
from benchmarks.harness.tracking import run_cached
from ultralytics_reid.evaluation.frames import FrameBoxes

FPS, HEIGHT, APART = 5.0, 100.0, 300.0


def boxes(lefts, top=100.0):
    """Boxes of one size, `HEIGHT` high, side by side."""
    left = np.asarray(lefts, np.float32)
    return np.stack([left, left * 0 + top, left + 40, left * 0 + top + HEIGHT], axis=1)


def detections(xyxy, feats=None):
    n = len(xyxy)
    return Detections(np.asarray(xyxy, np.float32), np.full(n, 0.9, np.float32), np.zeros(n, np.float32), feats)


def scene(frames, person=None, fps=FPS):
    return Sequence("made up", fps, tuple(frames), person or {}, None)


# Twelve frames with as many people as their number says, each with the frame and the person in the embedding.
TRUTH = scene([FrameBoxes(np.arange(n), boxes(APART * np.arange(n))) for n in range(12)])
FOUND = [
    detections(f.xyxy, np.array([[n + 1, i + 1, 5] for i in f.ids], np.float32).reshape(-1, 3))
    for n, f in enumerate(TRUTH.frames)
]


def people_of(found):
    """The person behind each detection, as its place tells."""
    return np.rint(found.xyxy[:, 0] / APART).astype(int).tolist()


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_perturbed_copies_keep_truth_boxes_and_embeddings_aligned(name):
    before = [d.xyxy.copy() for d in FOUND]
    truth, found = PERTURBATIONS[name](TRUTH, FOUND)
    assert len(truth.frames) == len(found)
    for frame, d in zip(truth.frames, found, strict=True):
        assert len(d.xyxy) == len(d.conf) == len(d.cls) == len(d.feats)
        assert set(people_of(d)) <= set(frame.ids.tolist())
        if name != "noisier embeddings":
            assert d.feats[:, 1].tolist() == [i + 1 for i in people_of(d)]
    np.testing.assert_array_equal(np.concatenate(before), np.concatenate([d.xyxy for d in FOUND]))


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_perturbed_copies_are_the_same_each_time(name):
    (_, a), (_, b) = (PERTURBATIONS[name](TRUTH, FOUND) for _ in range(2))
    np.testing.assert_array_equal(np.concatenate([d.feats for d in a]), np.concatenate([d.feats for d in b]))
    np.testing.assert_array_equal(np.concatenate([d.xyxy for d in a]), np.concatenate([d.xyxy for d in b]))


@pytest.mark.parametrize(
    ("perturb", "frames"),
    [(reverse, range(11, -1, -1)), (start_late, range(4, 12)), (halve_rate, range(0, 12, 2))],
)
def test_copies_that_choose_frames(perturb, frames):
    truth, found = perturb(TRUTH, FOUND)
    assert [len(f.ids) for f in truth.frames] == [len(d.xyxy) for d in found] == list(frames)
    assert truth.fps == (FPS / 2 if perturb is halve_rate else FPS)


def test_a_weaker_detector_misses_some_and_is_a_little_off():
    crowd = [detections(boxes(APART * np.arange(2000)))]
    _, (found,) = weaken_detector(TRUTH, crowd)
    assert 1 - len(found.xyxy) / 2000 == pytest.approx(0.12, abs=0.03)
    off = found.xyxy - boxes(APART * np.array(people_of(found)))
    # 1.5 % of 40 and of 100 pixels.
    np.testing.assert_allclose(off.std(axis=0), [0.6, 1.5, 0.6, 1.5], rtol=0.1)


def test_another_seed_misses_others():
    (_, a), (_, b) = (weaken_detector(TRUTH, FOUND, seed) for seed in (0, 1))
    assert [people_of(d) for d in a] != [people_of(d) for d in b]


def test_noisier_embeddings_keep_their_norm():
    rng = np.random.default_rng(9)
    feats = (3 * rng.normal(size=(50, 512))).astype(np.float32)
    feats[0] = 0
    _, (blurred,) = blur_embeddings(TRUTH, [detections(boxes(range(50)), feats)])
    np.testing.assert_allclose(np.linalg.norm(blurred.feats, axis=1), np.linalg.norm(feats, axis=1), rtol=1e-5)
    cosine = (blurred.feats * feats).sum(axis=1)[1:] / (feats**2).sum(axis=1)[1:]
    assert cosine.mean() == pytest.approx(1 / np.sqrt(1 + 0.4**2), abs=0.01)


def test_nothing_to_blur_stays_nothing():
    _, (found,) = blur_embeddings(TRUTH, [detections(boxes([0]))])
    assert found.feats is None


@pytest.fixture(scope="module")
def visits():
    """Twelve people, for 40 s each, that are away for 20 s and return as other tracks; at last in pairs, close."""
    people = np.arange(12)
    near = boxes(APART * (people // 2) + 24 * (people % 2), 100 + 10 * (people % 2))
    ways = [boxes(APART * people)] * 70 + [near] * 30
    here, back = ([FrameBoxes(people + more, xyxy) for xyxy in ways] for more in (0, 100))
    return scene(
        [*here, *[FrameBoxes(people[:0], boxes([]))] * 50, *back], {int(p) + 100: int(p) for p in people}, fps=2.5
    )


def test_simulated_people_are_as_alike_as_real_ones(visits):
    found = [detections(f.xyxy) for f in visits.frames]
    measured = [vars(likeness(visits, simulate(visits, found, seed))) for seed in range(2)]
    mean = Likeness(**{k: np.mean([m[k] for m in measured]) for k in measured[0]})
    # What `likeness` measures on real embeddings of PETS09-S2L1, where people cover each other now and then.
    assert mean.second == pytest.approx(0.83, abs=0.02)
    assert mean.minute == pytest.approx(0.72, abs=0.03)
    assert mean.strangers == pytest.approx(0.72, abs=0.03)
    assert 0.94 <= mean.own <= 0.99
    assert 0.78 <= mean.others <= 0.90


def test_simulations_are_of_unit_norm_and_the_same_for_the_same_seed():
    a, b, c = (np.concatenate([d.feats for d in simulate(TRUTH, FOUND, seed)]) for seed in (0, 0, 1))
    assert a.dtype == np.float32
    assert a.shape == (66, 512)
    np.testing.assert_allclose(np.linalg.norm(a, axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(a, b)
    assert not np.allclose(a, c)


def looks_like(front, behind):
    """Mean cosine of detections at `behind` to a person at `front`, elsewhere, for 60 frames."""
    at = np.concatenate([front, behind])
    here = scene([FrameBoxes(np.arange(len(at)), at)] * 60)
    feats = np.array([d.feats for d in simulate(here, [detections(at)] * 60)])
    means = feats.mean(axis=0)
    return means[0] @ means[1] / np.linalg.norm(means[0]) / np.linalg.norm(means[1])


def test_an_occluded_person_takes_on_the_appearance_of_the_occluder():
    front = boxes([0], top=110)
    apart, half, nearly = (looks_like(front, boxes([left])) for left in (200, 20, 4))
    assert apart < half < nearly
    assert nearly > 0.9


def test_small_boxes_are_noisier():
    small = np.array([[0, 0, 10, 20], [0, 0, 50, 100]], np.float32)
    spread = []
    for box in small:
        here = scene([FrameBoxes(np.array([7]), box[None])] * 100)
        feats = np.array([d.feats[0] for d in simulate(here, [detections(box[None])] * 100)])
        spread.append(1 - np.mean((feats[1:] * feats[:-1]).sum(axis=1)))
    assert spread[0] > 1.5 * spread[1]


def test_false_detections_look_like_their_place():
    empty = scene([FrameBoxes(np.arange(0), boxes([]))] * 40)
    feats = np.array([d.feats for d in simulate(empty, [detections(boxes([0, 5, 900]))] * 40)])
    here, near, far = feats.mean(axis=0) / np.linalg.norm(feats.mean(axis=0), axis=1)[:, None]
    assert here @ near > 0.95
    assert here @ far < 0.9
    assert np.mean(feats[1:, 0] * feats[:-1, 0]) * 512 < 0.75


def test_likeness_counts_by_hand():
    # Persons 1 and 2 at right angles; 2 turns halfway toward 1 in the second half.
    one, two, turned = np.eye(3)[0], np.eye(3)[1], np.array([0.6, 0.8, 0])
    truth = scene([FrameBoxes(np.array([1, 2]), boxes([0, 300]))] * 12, fps=1.0)
    found = [detections(f.xyxy, np.array([one, two if n < 6 else turned])) for n, f in enumerate(truth.frames)]
    measured = likeness(truth, found)
    # 22 pairs a second apart, all alike but one; the mean of person 2 is (0.3, 0.9).
    assert measured.second == pytest.approx((21 + 0.8) / 22)
    assert measured.others == pytest.approx(0.3 / np.hypot(0.3, 0.9))
    assert measured.strangers == pytest.approx(0.6)
    assert np.isnan([measured.minute, measured.own]).all()


def test_likeness_needs_embeddings():
    with pytest.raises(ValueError, match="without embeddings"):
        likeness(TRUTH, [detections(f.xyxy) for f in TRUTH.frames])


@pytest.fixture
def walk():
    """A person stands still, 30 frames, before a camera that jumps 100 pixels to the left in frame 15."""
    at = [boxes([100.0 if n < 15 else 200.0]) for n in range(30)]
    warps = np.tile(np.eye(2, 3), (30, 1, 1))
    warps[15, 0, 2] = 100
    truth = scene([FrameBoxes(np.array([1]), box) for box in at], fps=30.0)
    return truth, [detections(box) for box in at], warps


def ids(run):
    return {int(i) for frame in run.frames for i in frame.ids}


@pytest.mark.parametrize(
    "tracker", [BOTSORT, HostContender("tracktrack", "tracktrack.yaml"), HostContender("ours", OURS)]
)
def test_a_given_camera_motion_is_followed(tracker, walk):
    truth, found, warps = walk
    assert len(ids(run_cached(tracker, truth, found, shape=(480, 640), warps=warps))) == 1
    assert len(ids(run_cached(tracker, truth, found, shape=(480, 640), warps=warps * 0 + np.eye(2, 3)))) == 2


@pytest.mark.parametrize(
    "tracker", [BYTETRACK, HostContender("off", "botsort.yaml", {"gmc_method": "none"})], ids=lambda c: c.label
)
def test_a_tracker_without_camera_motion_is_given_none(tracker, walk):
    truth, found, warps = walk
    assert len(ids(run_cached(tracker, truth, found, shape=(480, 640), warps=warps))) == 2


def test_a_run_on_black_frames_needs_no_video():
    run = run_cached(BOTSORT, TRUTH, FOUND, shape=(480, 640), warps=np.tile(np.eye(2, 3), (12, 1, 1)))
    assert len(run.frames) == 12
