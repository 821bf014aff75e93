"""Two cameras that see the same place: visits are matched by where they stand, without any look at anybody."""

import weakref

import pytest
from walkers import boxes, walks

from ultralytics_reid.gallery.linking.messages import Observation, Observations
from ultralytics_reid.gallery.linking.open_visits import OpenVisit
from ultralytics_reid.gallery.linking.session import CameraSession
from ultralytics_reid.gallery.linking.shared_views import SharedView

PEOPLE = 4


def nothing(one, other):
    """What looks say of people in like clothes."""
    return 0.0


def watch(view, one, other, visits, seconds):
    """Report boxes of both cameras, the second one's half a second later."""
    for n in seconds:
        for camera, seen, lag in ((0, one, 0.0), (1, other, 0.5)):
            for person, box in enumerate(seen[:, n]):
                view.observe(view.cameras[camera], n + lag, visits[camera][person], tuple(box))
        view.update(nothing)


@pytest.fixture
def visits():
    return [[OpenVisit(name, n + 1, 0.0, 0.0) for n in range(PEOPLE)] for name in ("east", "west")]


def seen(people=PEOPLE, seconds=40):
    """Boxes of both cameras, at the times of their reports."""
    places = walks(people, seconds + 1)
    later = (places[:, :-1] + places[:, 1:]) / 2
    return boxes(0, places[:, :-1]), boxes(1, later, seed=1)


class TestSharedView:
    def test_people_are_told_apart_by_where_they_stand(self, visits):
        view = SharedView("east", "west")
        watch(view, *seen(), visits, range(40))
        assert view.calibrated
        for a in range(PEOPLE):
            for b in range(PEOPLE):
                nats = view.nats(visits[0][a], visits[1][b])
                assert nats > 6 if a == b else nats < 1.5

    @pytest.mark.parametrize(("people", "seconds"), [(PEOPLE, 30), (2, 60)])
    def test_views_of_different_places_are_never_calibrated(self, visits, people, seconds):
        view = SharedView("east", "west")
        one = boxes(0, walks(people, seconds))
        strangers = boxes(1, walks(people, seconds, seed=100), seed=1)
        watch(view, one, strangers, visits, range(seconds))
        assert not view.calibrated
        assert view.nats(visits[0][0], visits[1][0]) == 0

    def test_views_that_overlap_in_part_are_calibrated_by_the_people_in_both(self, visits):
        view = SharedView("east", "west")
        one, other = seen()
        one[0], other[1] = -1.0, -1.0  # one person is on the first camera only, and one on the second
        watch(view, one, other, visits, range(40))
        assert view.calibrated
        assert view.nats(visits[0][2], visits[1][2]) > 6
        assert view.nats(visits[0][2], visits[1][3]) < 1.5

    def test_one_person_alone_calibrates_nothing(self, visits):
        view = SharedView("east", "west")
        one, other = seen(people=1)
        watch(view, one, other, visits, range(40))
        assert not view.calibrated

    def test_swapped_ids_are_noticed_in_the_windows_after(self, visits):
        view = SharedView("east", "west")
        one, other = seen(seconds=60)
        watch(view, one, other, visits, range(35))
        visits[1][0], visits[1][1] = visits[1][1], visits[1][0]
        watch(view, one, other, visits, range(35, 60))
        assert view.calibrated
        assert view.nats(visits[0][0], visits[1][0]) > 4
        assert view.nats(visits[0][0], visits[1][1]) < -4

    def test_boxes_cut_off_by_the_image_say_nothing(self, visits):
        view = SharedView("east", "west")
        one, other = seen()
        one[..., 3] = 1.0
        watch(view, one, other, visits, range(40))
        assert not view.calibrated

    @pytest.mark.parametrize("camera", ["east", "west"])
    def test_a_camera_that_sees_alone_for_long_keeps_a_bounded_number_of_visits(self, camera):
        view, there = SharedView("east", "west"), []
        for n in range(15_000):
            visit = OpenVisit(camera, n, float(n), float(n))
            view.observe(camera, float(n), visit, (0.4, 0.2, 0.5, 0.8))
            there.append(weakref.ref(visit))
            del visit
            if n % 1000 == 0:
                view.update(nothing)
        kept = [n for n, visit in enumerate(there) if visit() is not None]
        assert 500 < len(kept) <= 10_000
        assert kept == list(range(15_000 - len(kept), 15_000))

    def test_a_session_whose_trail_is_not_read_keeps_its_last_boxes(self):
        session = CameraSession("east", 0.0)
        session.keep_trail()
        for n in range(12_000):
            session.receive(Observations(float(n), (Observation(1, 0, 0.9, (0.4, 0.2, 0.5, 0.8)),)))
        times = [time for time, _, _ in session.pop_trail()]
        assert times == [float(n) for n in range(2000, 12_000)]
        assert session.pop_trail() == []

    def test_nothing_is_said_until_both_have_reported_since_a_clock_was_set_back(self, visits):
        view = SharedView("east", "west")
        watch(view, *seen(), visits, range(40))
        view.observe("east", -3600.0, visits[0][0], (0.4, 0.4, 0.5, 0.8))
        assert view.nats(visits[0][0], visits[1][0]) == 0
        assert view.calibrated
