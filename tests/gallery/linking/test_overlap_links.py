"""Two cameras with a common view and one gallery: people in like clothes get one id each, wherever they are seen."""

from dataclasses import replace

import numpy as np
import pytest
from learned import evidence
from walkers import boxes, walks

from ultralytics_reid.gallery.linking.linker import Linker
from ultralytics_reid.gallery.linking.messages import Observation, Observations, Query, Settings
from ultralytics_reid.gallery.linking.open_visits import OpenVisit
from ultralytics_reid.gallery.linking.overlap_links import looks_nats
from ultralytics_reid.gallery.linking.topology import Topology, Way
from ultralytics_reid.gallery.scorer import Scorer
from ultralytics_reid.gallery.store import open_store

DIM, PEOPLE, START = 16, 4, 1.8e9
SETTINGS = Settings(false_rate=0.05, match_class=False, keep_days=0, family="detector")
OVERLAP = Topology({pair: Way(overlap=True) for pair in (("east", "west"), ("west", "east"))})


class Site:
    """Two cameras; the ids of people on each are told apart by its tracker."""

    def __init__(self, path, topology, places):
        self.store = open_store(path, DIM, "test")
        self.linker = Linker(self.store, topology, SETTINGS)
        self.sessions = [self.linker.open_session(name, START) for name in ("east", "west")]
        later = (places[:, :-1] + places[:, 1:]) / 2
        self.seen = boxes(0, places[:, :-1]), boxes(1, later, seed=1)
        first = self.linker.reserve(2 * PEOPLE)
        self.ids = [list(range(first + n * PEOPLE, first + (n + 1) * PEOPLE)) for n in (0, 1)]
        self.answers = []
        self.rng = np.random.default_rng(0)

    def watch(self, seconds):
        for n in seconds:
            for camera, session in enumerate(self.sessions):
                now = n + 0.5 * camera
                here = zip(self.ids[camera], self.seen[camera][:, n], strict=True)
                session.receive(Observations(now, tuple(Observation(i, 0, 0.9, tuple(box)) for i, box in here)))
                if n == 2:
                    for identity in self.ids[camera]:
                        self.ask(session, identity, now)
            self.work(n)

    def ask(self, session, identity, now):
        looks = self.rng.normal(size=DIM).astype(np.float32)
        beside = frozenset(self.ids[self.sessions.index(session)]) - {identity}
        session.receive(Query(identity, looks, 20, 0, 0.0, now, beside))

    def work(self, now):
        for session, answer in self.linker.work(now):
            self.answers.append((session.camera, answer))
            ids = self.ids[self.sessions.index(session)]
            if answer.known is not None:
                ids[:] = [answer.known if i == answer.identity else i for i in ids]


@pytest.fixture
def site(tmp_path):
    made = []

    def make(topology=OVERLAP, people=PEOPLE):
        made.append(Site(tmp_path / "site.db", topology, walks(people, 61)))
        return made[-1]

    yield make
    for one in made:
        one.store.close()


class TestOverlap:
    def test_people_in_like_clothes_get_one_id_each_by_where_they_stand(self, site):
        place = site()
        place.watch(range(30))
        assert place.ids[0] == place.ids[1]
        assert len(set(place.ids[0])) == PEOPLE
        links = [a for _, a in place.answers if a.known is not None]
        assert all(a.gap == 0 and a.camera in ("east", "west") for a in links)

    def test_what_was_written_follows_the_link(self, site):
        place = site()
        place.watch(range(40))
        stored = {(v.camera, v.identity) for v in place.store.visits()}
        assert {i for _, i in stored} <= set(place.ids[0])

    def test_without_an_overlap_in_the_topology_nobody_is_linked_who_is_visible_twice(self, site):
        place = site(Topology())
        place.watch(range(30))
        assert not set(place.ids[0]) & set(place.ids[1])

    def test_a_link_that_feet_contradict_is_revoked_and_the_right_one_made(self, site):
        place = site()
        place.watch(range(4))
        before = list(place.ids[1])
        for session in place.sessions:  # as looks might have linked them: the first of one with the second of the other
            session.follow_merge(before[0], 10_000)
            session.follow_merge(place.ids[0][1], 10_000)
        place.ids[0][1] = place.ids[1][0] = 10_000
        place.watch(range(4, 40))
        assert place.ids[0] == place.ids[1]
        assert len(set(place.ids[0])) == PEOPLE
        revoked = [a for camera, a in place.answers if a.identity == 10_000 and a.new]
        assert len(revoked) == 1


def test_looks_are_the_same_either_way():
    shifted, told = np.full(DIM, 0.2, np.float32), evidence(DIM)
    there = replace(told, genuine=told.genuine + shifted, impostor=told.impostor + shifted, means=told.means + shifted)
    scorer = Scorer(DIM, "reid", {"east": told, "west": there})
    one, other = OpenVisit("east", 1, 0.0, 0.0), OpenVisit("west", 2, 0.0, 0.0)
    one.embedding, other.embedding = 0.3 * told.means[0], 0.3 * there.means[:2].mean(axis=0)
    assert looks_nats(scorer, one, other) == pytest.approx(looks_nats(scorer, other, one))
