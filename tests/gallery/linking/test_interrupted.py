"""What the gallery's thread is in the middle of when the gallery drops out, or an id is missing, is done later."""

from itertools import count
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import DIM, LOOKS

from ultralytics_reid import GalleryUnavailable
from ultralytics_reid.appearance.embedding import unit
from ultralytics_reid.gallery.file_names import MOVED
from ultralytics_reid.gallery.ledger import Move
from ultralytics_reid.gallery.linking import linker as linking
from ultralytics_reid.gallery.linking.messages import Observation, Observations, PrototypeUpdate, Query, Reject
from ultralytics_reid.gallery.records import FIRST_LOCAL_ID

OTHER_LOOKS = unit(np.random.default_rng(1).normal(size=(1, DIM)).astype(np.float32))[0]


def drop_out(monkeypatch, owner, name, at):
    """The n-th call finds the gallery away, those before and after don't."""
    calls, real = count(1), getattr(owner, name)

    def call(*args, **kwargs):
        if next(calls) == at:
            raise GalleryUnavailable("away")
        return real(*args, **kwargs)

    monkeypatch.setattr(owner, name, call)


def visit(site, camera, first, last, looks):
    """Somebody is seen for a while, and asked about."""
    identity, session = site.linker.reserve(1), site.sessions[camera]
    for second in range(first, last + 1):
        session.receive(Observations(second, (Observation(identity, 0, 0.9, (0.4, 0.4, 0.5, 0.8)),)))
    session.receive(PrototypeUpdate(identity, looks, 10, last, 0))
    session.receive(Query(identity, looks, 10, 0, first, last, frozenset()))
    return identity


def test_an_answer_before_it_dropped_out_is_told_after(site, monkeypatch):
    known = [visit(site, "door", 0, 30, looks) for looks in (LOOKS, OTHER_LOOKS)]
    site.work(30)
    asked = [visit(site, "yard", 50, 53, looks) for looks in (LOOKS, OTHER_LOOKS)]
    drop_out(monkeypatch, site.linker, "_visits", at=3)
    with pytest.raises(GalleryUnavailable):
        site.work(53)
    site.work(54)
    assert site.renamed == {("yard", i, k) for i, k in zip(asked, known, strict=True)}


def test_moves_that_could_not_be_read_are_followed_later(site, monkeypatch):
    known, other = site.see("door", 0, 30), site.linker.reserve(1)
    (written,) = site.store.visits()
    site.work(31)
    site.store.put_blob(f"{MOVED}5", b"x")
    moves = SimpleNamespace(moves=[Move(written.id, known, other)])
    monkeypatch.setattr(linking, "step_of", lambda store, key: moves)
    drop_out(monkeypatch, linking, "step_of", at=1)
    with pytest.raises(GalleryUnavailable):
        site.work(100)
    site.work(101)
    site.show("door", known, 31, 32)
    site.work(102)
    assert ("door", other) in site.stored


@pytest.mark.parametrize("decided", [False, True])
def test_a_visitor_without_an_id_of_the_gallery_gets_one_though_the_answer_is_rejected(site, decided):
    local, session = FIRST_LOCAL_ID + 7, site.sessions["yard"]
    site.show("yard", local, 0, 5)
    session.receive(Query(local, LOOKS, 10, 0, 0, 5, frozenset(), decided=decided))
    session.receive(Reject(local))
    session.receive(Reject(local))
    site.work(5)
    site.work(6)
    ((camera, answer),) = [(c, a) for c, a in site.answers if a.new]
    assert (camera, answer.identity) == ("yard", local)
    assert site.stored == {("yard", answer.known)}
