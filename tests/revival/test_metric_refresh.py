"""A refresh that is spread over frames ends where one at once does, and nothing changes before its last frame."""

from copy import deepcopy

import numpy as np
import pytest
from synthetic import Scene, crowd, image, make_tracker

from ultralytics_reid.appearance import calibration, metric
from ultralytics_reid.appearance.calibration import ScoreModel
from ultralytics_reid.appearance.crop_score import CropScoreModel
from ultralytics_reid.appearance.embedding import unit
from ultralytics_reid.appearance.metric import Metric
from ultralytics_reid.appearance.tracklet import Tracklet
from ultralytics_reid.association.last_seen import LastSeen
from ultralytics_reid.memory import prototypes
from ultralytics_reid.memory.bank import MemoryBank
from ultralytics_reid.revival import metric_refresh
from ultralytics_reid.revival.decision import Decision, State
from ultralytics_reid.revival.memory_update import MemoryUpdater
from ultralytics_reid.revival.metric_refresh import MetricRefresh
from ultralytics_reid.tuning import MAX_UPDATES, STRETCH_CROPS

DIM, PEOPLE = 24, 12
HERE = LastSeen(0.0, 0, np.zeros(2), np.zeros(2), 1.0, 100.0)


class Camera:
    """A metric that has seen enough to be refreshed, and all that follows it."""

    def __init__(self):
        rng = np.random.default_rng(0)
        self.looks = unit(rng.normal(size=(PEOPLE, DIM)).astype(np.float32))
        self.metric = Metric()
        self.bank = MemoryBank(100, 4, self.metric)
        self.crop_scores, self.tracklet_scores = CropScoreModel(self.metric), ScoreModel(self.metric.project)
        self.refresh = MetricRefresh(self.metric, self.crop_scores, self.tracklet_scores, self.bank)
        for n, look in enumerate(self.looks):
            self.bank.see(n + 1, HERE)
            self.bank.learn(n + 1, look, 5.0)
        self.observe(seed=1)
        self.metric.observe(
            rng.normal(size=(100, DIM)).astype(np.float32) * np.linspace(0.01, 0.5, DIM, dtype=np.float32)
        )

    def observe(self, seed):
        """Learn from pairs."""
        noise = np.random.default_rng(seed).normal(0, 0.1, (2, PEOPLE, DIM)).astype(np.float32)
        a, b = self.looks + noise
        self.tracklet_scores.observe(a, b, np.ones(PEOPLE, bool))
        self.tracklet_scores.observe(a, np.roll(b, 1, axis=0), np.zeros(PEOPLE, bool))

    def go_on(self):
        """What happens in between: pairs, another prototype, another person."""
        self.observe(seed=2)
        self.bank.learn(3, unit(self.looks[2] + self.looks[4]), 5.0)
        self.bank.see(90, HERE)
        self.bank.learn(90, self.looks[5] - self.looks[6], 5.0)

    def answers(self):
        """What the parts say now."""
        cosine = self.bank.search(self.looks, range(1, 91))
        allowed = np.ones((PEOPLE, self.bank.slots), bool)
        best = self.bank.best(self.looks, allowed, 3)
        return cosine, best, self.tracklet_scores.llr(cosine), np.array(self.tracklet_scores.separation)


def same(one, other, **tolerance):
    return all(np.allclose(a, b, **tolerance) for a, b in zip(one, other, strict=True))


@pytest.fixture
def slow(monkeypatch):
    """One step of work a frame, and steps as small as they come."""
    monkeypatch.setattr(metric_refresh, "FIRST_REFRESH_FRAMES", np.inf)
    for module in (metric_refresh, metric, calibration):
        monkeypatch.setattr(module, "REFRESH_WORK", DIM**3 // 2)


@pytest.fixture(params=["all", "few"], ids="{} dimensions".format)
def dimensions(request, monkeypatch):
    """Whether the coarse search is narrowed to some dimensions, as that among many people is."""
    if request.param == "few":
        monkeypatch.setattr(prototypes, "_MANY", PEOPLE - 2)
        monkeypatch.setattr(prototypes, "_NARROW", DIM - 12)


@pytest.mark.usefixtures("slow", "dimensions")
class TestSpread:
    def test_nothing_changes_before_the_last_frame(self):
        camera = Camera()
        before, frames = camera.answers(), 0
        while not camera.metric.version:
            assert same(camera.answers(), before, atol=0)
            camera.refresh.step(camera.bank.means)
            frames += 1
        assert frames > 4
        assert not same(camera.answers(), before, atol=0.01)

    @pytest.mark.parametrize("at", range(13))  # it takes fourteen frames
    def test_it_ends_where_a_refresh_at_once_does_whatever_happens_in_between(self, at):
        camera, other = Camera(), Camera()
        fit = other.metric.fit(other.bank.means())
        for _, step in fit.steps:
            step()
        other.go_on()
        other.metric.adopt(fit)
        other.crop_scores.rescore()
        other.tracklet_scores.rescore()
        frames = 0
        while not camera.metric.version:
            camera.refresh.step(camera.bank.means)
            frames += 1
            if frames == at + 1 and not camera.metric.version:
                camera.go_on()
        assert frames > at + 1
        assert same(camera.answers(), other.answers(), atol=1e-5)

    @pytest.mark.parametrize("at", [3, 9])
    def test_a_copy_in_the_middle_goes_on_by_itself(self, at):
        camera = Camera()
        for _ in range(at):
            camera.refresh.step(camera.bank.means)
        copy = deepcopy(camera)
        for one in (copy, camera):
            for _ in range(20):
                one.refresh.step(one.bank.means)
            assert one.metric.version == 1
        assert same(copy.answers(), camera.answers(), atol=0)


def test_the_frame_that_brings_the_evidence_does_not_compute():
    camera = Camera()
    camera.refresh.step(camera.bank.means)
    assert not camera.metric.version
    for _ in range(2):
        camera.refresh.step(camera.bank.means)
    assert camera.metric.version == 1  # so few dimensions fit in one frame, and are taken over in the next


def test_one_individual_alone_teaches_nothing():
    camera = Camera()
    for _ in range(4):
        camera.refresh.step(lambda: camera.looks[:1])
    assert not camera.metric.version


def frames_with_a_stale_metric(fps):
    """Frames after which there is evidence enough for a refresh that hasn't been made."""
    tracker, stale = make_tracker(fps=fps), 0
    for detections, feats, _ in Scene(crowd(length=120), 120).frames():
        tracker.update(detections, image(), feats=feats)
        stale += tracker.recognizer.metric.due
    assert tracker.recognizer.metric.version
    return stale


def test_where_frames_are_seconds_apart_a_refresh_does_not_lag_behind(monkeypatch):
    monkeypatch.setattr(metric_refresh, "FIRST_REFRESH_FRAMES", np.inf)
    monkeypatch.setattr(metric_refresh, "REFRESH_WORK", 1)
    assert frames_with_a_stale_metric(fps=2) == 0 < frames_with_a_stale_metric(fps=30)


def ready_decisions(bank, count):
    """Decided tracklets with crops that are old enough to update memory; the last ones wait longest."""
    decisions = []
    for n in range(count):
        decision = Decision(Tracklet(0.0, HERE, HERE, clean=True, embedding=unit(np.ones(DIM, np.float32))), n + 1)
        decision.transition(State.SETTLED, n + 1)
        bank.see(n + 1, HERE)
        for crop in range(STRETCH_CROPS):
            decision.tracklet.take(1.0 - 0.01 * n + crop)
        decisions.append(decision)
    return decisions


def known(bank, decisions):
    return [d.identity for d in decisions if bank.knows(d.identity)]


def test_updates_of_memory_are_bounded_a_frame_and_the_longest_wait_goes_first():
    bank = MemoryBank(100, 4, Metric())
    updater, decisions = MemoryUpdater(bank, Metric()), ready_decisions(bank, MAX_UPDATES + 3)
    updater.update_all(decisions, 100.0, MAX_UPDATES)
    assert known(bank, decisions) == list(range(4, MAX_UPDATES + 4))
    updater.update_all(decisions, 100.1, MAX_UPDATES)
    assert len(known(bank, decisions)) == len(decisions)


@pytest.mark.parametrize(
    ("fps", "first"), [(30, MAX_UPDATES), (5, MAX_UPDATES), (4.9, MAX_UPDATES + 3), (2, MAX_UPDATES + 3)]
)
def test_a_frame_does_all_updates_of_memory_only_where_frames_are_slow(fps, first):
    recognizer = make_tracker().recognizer
    recognizer.step([], (1, 100.0))
    decisions = ready_decisions(recognizer.bank, MAX_UPDATES + 3)
    recognizer.step(decisions, (2, 100.0 + 1 / fps))
    assert len(known(recognizer.bank, decisions)) == first
    recognizer.step(decisions, (3, 100.0 + 2 / fps))
    assert len(known(recognizer.bank, decisions)) == len(decisions)


@pytest.mark.parametrize("start", [0.0, 1 / 3, 86_400.1, 1.8e9])
def test_five_frames_a_second_are_fast_however_their_times_are_rounded(start):
    recognizer, limits = make_tracker().recognizer, []
    recognizer.updater.update_all = lambda settled, now, limit: limits.append(limit)
    for n in range(400):
        recognizer.step([], (n, start + n / 5))
    assert limits == [0] + 399 * [MAX_UPDATES]
