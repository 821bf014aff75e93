"""Two cameras of one process that share a gallery, driven as their trackers drive them."""

import numpy as np
import pytest

from ultralytics_reid.appearance.embedding import unit
from ultralytics_reid.gallery.linking.linker import Linker
from ultralytics_reid.gallery.linking.messages import Observation, Observations, PrototypeUpdate, Query, Settings
from ultralytics_reid.gallery.linking.topology import Topology
from ultralytics_reid.gallery.store import open_store

DIM, START = 64, 1.8e9
# Plain cosines of this family tell identities apart before anything is learned.
SETTINGS = Settings(false_rate=0.05, match_class=False, keep_days=0, family="reid")
LOOKS = unit(np.random.default_rng(0).normal(size=(1, DIM)).astype(np.float32))[0]


class Site:
    """Two cameras of one process."""

    def __init__(self, store, topology):
        self.store = store
        self.linker = Linker(store, topology, SETTINGS)
        self.sessions = {name: self.linker.open_session(name, START) for name in ("door", "yard")}
        self.answers = []

    def show(self, camera, identity, first, last):
        """A camera shows an identity, by its own memory if it isn't new."""
        session = self.sessions[camera]
        for second in range(first, last + 1):
            session.receive(Observations(second, (Observation(identity, 0, 0.9, (0.4, 0.4, 0.5, 0.8)),)))
        session.receive(PrototypeUpdate(identity, LOOKS, 10, last, 0))

    def see(self, camera, first, last):
        """A person is seen for a while and then asked about; returns the id that the camera gives."""
        identity, session = self.linker.reserve(1), self.sessions[camera]
        self.show(camera, identity, first, last)
        session.receive(Query(identity, LOOKS, 10, 0, first, last, frozenset()))
        self.work(last)
        return identity

    def work(self, now):
        """The gallery works; `now` in seconds."""
        self.answers += [(s.camera, a) for s, a in self.linker.work(float(now))]

    @property
    def renamed(self):
        return {(camera, a.identity, a.known) for camera, a in self.answers if a.known is not None}

    @property
    def stored(self):
        return {(v.camera, v.identity) for v in self.store.visits()}


@pytest.fixture
def topology():
    return Topology()


@pytest.fixture
def site(tmp_path, topology):
    store = open_store(tmp_path / "site.db", DIM, "test")
    yield Site(store, topology)
    store.close()
