"""Which of two ids of one individual stays: what was shown for less time changes, unless others may know it."""

import pytest

from ultralytics_reid.gallery.linking.messages import Close


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
