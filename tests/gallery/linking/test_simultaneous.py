"""One identity in two places at once: a visit that was linked to somebody who comes back elsewhere is another's."""

import pytest

from ultralytics_reid.gallery.linking.topology import Topology, Way


def linked(site):
    """Somebody leaves the door, and a visitor of the yard is linked to them; returns their id."""
    known = site.see("door", 0, 30)
    site.see("yard", 50, 53)
    return known


def come_back(site):
    """The door's own memory sees the one again to whom a visitor of the yard was linked."""
    known = linked(site)
    site.show("yard", known, 54, 60)
    site.show("door", known, 55, 60)
    site.work(60)
    return known


def test_visit_that_the_gallery_linked_gets_an_id_of_its_own(site):
    known = come_back(site)
    ((camera, answer),) = [(c, a) for c, a in site.answers if a.new]
    assert (camera, answer.identity) == ("yard", known)
    assert answer.known != known
    site.work(61)
    assert site.stored == {("door", known), ("yard", answer.known)}


def test_visitor_who_is_parted_once_stays_parted(site):
    known = come_back(site)
    (own,) = [a.known for _, a in site.answers if a.new]
    site.show("yard", own, 61, 70)
    site.show("door", known, 61, 70)
    site.work(70)
    site.work(71)
    assert site.stored == {("door", known), ("yard", own)}


def test_memory_may_take_its_revival_back_at_once(site):
    known = linked(site)
    site.show("yard", known, 54, 60)
    site.show("door", known, 60, 60)
    site.work(60)
    assert not [a for _, a in site.answers if a.new]


def test_of_two_visits_by_memory_the_camera_that_saw_the_identity_first_keeps_it(site):
    known = linked(site)
    site.show("yard", known, 70, 80)  # it left the yard, and came back there by the yard's memory
    site.show("door", known, 70, 80)
    site.work(80)
    assert [c for c, a in site.answers if a.new] == ["yard"]


class TestSharedView:
    @pytest.fixture
    def topology(self):
        return Topology({("door", "yard"): Way(overlap=True), ("yard", "door"): Way(overlap=True)})

    def test_both_may_see_the_same_individual(self, site):
        known = come_back(site)
        assert not [a for _, a in site.answers if a.new]
        site.work(61)
        assert site.stored == {("door", known), ("yard", known)}


def test_who_goes_to_another_camera_and_back_within_one_visit_keeps_the_id(site):
    known = site.see("door", 0, 30)
    site.see("yard", 33, 38)
    site.show("door", known, 39, 45)
    site.work(45)
    assert not [a for _, a in site.answers if a.new]
    assert site.stored == {("door", known), ("yard", known)}
