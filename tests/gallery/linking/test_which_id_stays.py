"""Which of two ids of one individual stays: what was shown for less time changes, unless others may know it."""

import numpy as np
import pytest

from ultralytics_reid.appearance.embedding import unit
from ultralytics_reid.gallery.linking.linker import Linker
from ultralytics_reid.gallery.linking.messages import Close, Observation, Observations, PrototypeUpdate, Query, Settings
from ultralytics_reid.gallery.linking.topology import Topology
from ultralytics_reid.gallery.store import open_store

DIM, START = 64, 1.8e9
# Plain cosines of this family tell identities apart before anything is learned.
SETTINGS = Settings(false_rate=0.05, match_class=False, keep_days=0, family="reid")
LOOKS = unit(np.random.default_rng(0).normal(size=(1, DIM)).astype(np.float32))[0]


class Site:
    """Two cameras of one process."""

    def __init__(self, store):
        self.store = store
        self.linker = Linker(store, Topology(), SETTINGS)
        self.sessions = {name: self.linker.open_session(name, START) for name in ("door", "yard")}
        self.answers = []

    def see(self, camera, first, last):
        """A person is seen for a while and then asked about; returns the id that the camera gives."""
        identity, session = self.linker.reserve(1), self.sessions[camera]
        for second in range(first, last + 1):
            box = Observation(identity, 0, 0.9, (0.4, 0.4, 0.5, 0.8))
            session.receive(Observations(second, (box,)))
        session.receive(PrototypeUpdate(identity, LOOKS, 10, last, 0))
        session.receive(Query(identity, LOOKS, 10, 0, first, last, frozenset()))
        self.answers += [(s.camera, a) for s, a in self.linker.work(float(last))]
        return identity

    @property
    def renamed(self):
        return {(camera, a.identity, a.known) for camera, a in self.answers if a.known is not None}

    @property
    def stored(self):
        return {(v.camera, v.identity) for v in self.store.visits()}


@pytest.fixture
def site(tmp_path):
    store = open_store(tmp_path / "site.db", DIM, "test")
    yield Site(store)
    store.close()


def test_id_that_was_shown_for_less_time_changes_on_all_cameras_and_in_what_is_written(site):
    short = site.see("door", 0, 3)
    long = site.see("yard", 10, 40)
    assert site.renamed == {("door", short, long), ("yard", short, long)}
    site.linker.work(50.0)
    assert site.stored == {("door", long), ("yard", long)}


def test_id_that_was_shown_for_longer_stays_though_it_was_asked_about_first(site):
    long = site.see("door", 0, 30)
    short = site.see("yard", 40, 43)
    assert site.renamed == {("yard", short, long)}


def test_id_with_a_name_stays(site):
    short = site.see("door", 0, 3)
    site.store.name(short, "Ada")
    long = site.see("yard", 10, 40)
    assert site.renamed == {("yard", long, short)}


def test_id_of_a_run_that_is_over_stays(site):
    short = site.see("door", 0, 3)
    site.sessions["door"].receive(Close())
    long = site.see("yard", 10, 40)
    assert site.renamed == {("yard", long, short)}


def test_link_and_the_visit_that_was_asked_about_have_its_probability_whichever_id_stays(site):
    site.see("door", 0, 3)
    site.see("yard", 10, 40)
    changed = [a for camera, a in site.answers if camera == "door" and a.known is not None]
    assert changed[0].camera == "yard"
    assert changed[0].similarity > 0.99
    assert 0.1 < changed[0].probability < 1
    site.linker.work(50.0)
    by_camera = {v.camera: v.probability for v in site.store.visits()}
    assert by_camera["yard"] == pytest.approx(changed[0].probability)
