"""What is asked while a camera's own memory is undecided: answered by what was never there, and by nothing else."""

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
ADA, BOB = (unit(np.random.default_rng(n).normal(size=(1, DIM)).astype(np.float32))[0] for n in (0, 1))


@pytest.fixture
def site(tmp_path):
    store = open_store(tmp_path / "site.db", DIM, "test")
    yield Linker(store, Topology(), SETTINGS), store
    store.close()


def ask(linker, session, looks, first, last, *, decided):
    """Somebody new is visible for a while and asked about; returns the id, and the answers about it."""
    identity = linker.reserve(1)
    if decided:
        box = Observation(identity, 0, 0.9, (0.4, 0.4, 0.5, 0.8))
        session.receive(Observations(last, (box,)))
        session.receive(PrototypeUpdate(identity, looks, 10, last, 0))
    session.receive(Query(identity, looks, 10, 0, first, last, frozenset(), decided=decided))
    return identity, [a.known for _, a in linker.work(float(last)) if a.identity == identity]


def test_identity_of_another_camera_is_an_answer(site):
    linker, store = site
    door, yard = (linker.open_session(name, START) for name in ("door", "yard"))
    ada, _ = ask(linker, door, ADA, 0, 5, decided=True)
    assert ask(linker, yard, ADA, 10, 11, decided=False)[1] == [ada]
    linker.work(12.0)
    assert {(v.camera, v.identity) for v in store.visits()} == {("door", ada), ("yard", ada)}


def test_nobody_known_is_no_answer_and_nothing_is_written(site):
    linker, store = site
    door, yard = (linker.open_session(name, START) for name in ("door", "yard"))
    ada, _ = ask(linker, door, ADA, 0, 5, decided=True)
    assert ask(linker, yard, BOB, 10, 11, decided=False)[1] == []
    linker.work(12.0)
    assert {v.identity for v in store.visits()} == {ada}


def test_identity_that_the_camera_itself_remembers_is_left_to_its_own_memory(site):
    linker, _ = site
    door = linker.open_session("door", START)
    ask(linker, door, ADA, 0, 5, decided=True)
    assert ask(linker, door, ADA, 30, 31, decided=False)[1] == []
