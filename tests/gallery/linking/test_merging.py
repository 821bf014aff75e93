"""Identities merged by hand while a camera that knows them is tracked."""

import pytest
from synthetic import Person, Scene, crowd, image, make_tracker

from ultralytics_reid import Gallery, Linked
from ultralytics_reid.gallery.linking import linker

LENGTH = 200


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """Trackers look for merges whenever they can, not twice a minute."""
    monkeypatch.setattr(linker, "_REREAD", 0.0)


def test_running_tracker_follows_a_merge(tmp_path):
    uri = tmp_path / "site.db"
    tracker = make_tracker(gallery=str(uri), camera_id="door", gallery_wait=10.0)
    links = []
    tracker.events.subscribe(lambda event: links.append(event) if isinstance(event, Linked) else None)
    people = [
        *crowd(others=2, length=LENGTH),
        Person([(0, 60)], (300, 150), look=5),
        Person([(90, LENGTH)], (300, 150), look=6),
    ]
    shown = []
    for n, (detections, feats, persons) in enumerate(Scene(people, LENGTH).frames()):
        rows = tracker.update(detections, image(), feats=feats)
        shown.append({people.index(persons[int(r[-1])]): int(r[-4]) for r in rows})
        if n == 150:
            kept, gone = shown[50][2], shown[n][3]
            with Gallery(uri) as gallery:
                gallery.merge(kept, gone)
    assert kept != gone
    assert shown[-1][3] == kept
    assert [(link.identity_id, link.previous_id) for link in links] == [(kept, gone)]
    # What the run itself brought to the gallery was not known to it.
    assert tracker.finish(wait=True) == "door: 0 of 3 individuals were known to the gallery"
    with Gallery(uri) as gallery:
        assert gone not in {i.identity_id for i in gallery.individuals()}


def test_merge_of_identities_unknown_to_the_camera_makes_no_event(tmp_path):
    uri = tmp_path / "site.db"
    first = make_tracker(gallery=str(uri), camera_id="door", gallery_wait=10.0)
    for detections, feats, _ in Scene(crowd(others=3, length=80), 80).frames():
        first.update(detections, image(), feats=feats)
    first.finish(wait=True)
    other = make_tracker(gallery=str(uri), camera_id="yard", gallery_wait=10.0)
    links = []
    other.events.subscribe(links.append)
    others = Scene([Person([(0, 120)], (100 + 150 * n, 300), look=20 + n) for n in range(3)], 120)
    for n, (detections, feats, _) in enumerate(others.frames()):
        other.update(detections, image(), feats=feats)
        if n == 60:
            with Gallery(uri) as gallery:
                ids = [i.identity_id for i in gallery.individuals() if i.cameras == ("door",)]
                gallery.merge(ids[0], ids[1], force=True)
    assert links == []
    other.finish(wait=True)
