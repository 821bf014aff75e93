"""People: cards of all identities that match a filter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..._typing import Bools, Ints
from ...gallery.records import ANY, ENROLLED
from ...gallery.whole_numbers import parse_whole
from ..choice import Choice
from ..directory import People, Snapshot, people_of
from ..site import label, site_of

PAGE = 24
_MAX_PAGES = 100_000
SORTS = {
    "last": "last seen",
    "first": "first seen",
    "visits": "most visits",
    "cameras": "most cameras",
    "name": "name",
    "number": "number",
}


@dataclass(frozen=True)
class Card:
    """A person on a list.

    Attributes:
        identity: The `identity_id`.
        label: Its name, or `Person 7`.
        name: Its name; empty if it has none.
        face: The visit whose image stands for it.
        visits: Number of visits to cameras.
        cameras: Names of the cameras.
        last: When it was last seen, seconds since 1970.
        where: The camera of that.
        cls: Name of its class.
        enrolled: Whether it was enrolled from images.
    """

    identity: int
    label: str
    name: str
    face: int
    visits: int
    cameras: tuple[str, ...]
    last: float
    where: str
    cls: str
    enrolled: bool


def card_of(snapshot: Snapshot, identity: int) -> Card:
    """The card of one identity, over all its visits."""
    row = np.searchsorted(snapshot.people.identities, [identity])
    return cards_of(snapshot, snapshot.people, row)[0]


def cards_of(snapshot: Snapshot, people: People, rows: Ints) -> list[Card]:
    """The cards of some rows of a list."""
    visits, cards = snapshot.visits, []
    for n in rows.tolist():
        identity, latest = int(people.identities[n]), int(people.latest[n])
        own = set(visits.cameras[visits.identities == identity].tolist())
        names = [visits.names[code] for code in sorted(own)]
        cards.append(
            Card(
                identity,
                label(snapshot.names, identity),
                snapshot.names.get(identity, ""),
                int(visits.ids[people.longest[n]]),
                int(people.visits[n]),
                tuple(name for name in names if name != ENROLLED),
                float(people.lasts[n]),
                visits.names[visits.cameras[latest]],
                snapshot.class_name(int(visits.classes[latest])),
                ENROLLED in names,
            )
        )
    return cards


def people_page(request: Request) -> Response:
    """The list."""
    site = site_of(request)
    choice, snapshot = site.choice(request), site.directory.get()
    people = snapshot.people if choice.where == ANY else people_of(snapshot, snapshot.matching(choice.where))
    people = people.take(_asked_for(choice, snapshot, people))
    order = _order(choice.one_of("sort", SORTS), people, snapshot)
    pages = max(1, -(-len(people) // PAGE))
    page = min(choice.number("page", 1, _MAX_PAGES), pages)
    return site.render(
        request,
        "people.html",
        zone=choice.zone,
        choice=choice,
        cards=cards_of(snapshot, people, order[PAGE * (page - 1) : PAGE * page]),
        total=len(people),
        known=len(snapshot.people),
        page=page,
        pages=pages,
        sorts=SORTS,
        cameras=snapshot.cameras,
        classes=snapshot.classes,
    )


def _asked_for(choice: Choice, snapshot: Snapshot, people: People) -> Bools:
    """`(P,)`, which have the name, or no name, that is asked for."""
    named = np.isin(people.identities, np.fromiter(snapshot.names, np.int64, len(snapshot.names)))
    wanted = {"yes": named, "no": ~named}.get(choice.get("named"), np.ones(len(people), bool))
    text = choice.get("q").strip().casefold()
    if not text:
        return np.asarray(wanted, bool)
    fits = [i for i, name in snapshot.names.items() if text in name.casefold()]
    number = parse_whole(text)
    fits += [] if number is None else [number]
    return np.asarray(wanted & np.isin(people.identities, np.array(fits, np.int64)), bool)


def _order(sort: str, people: People, snapshot: Snapshot) -> Ints:
    if sort == "name":
        names = [snapshot.names.get(int(i), "") for i in people.identities]
        ordered = sorted(range(len(names)), key=lambda n: (not names[n], names[n].casefold(), n))
        return np.array(ordered, np.int64)
    keys = {"last": -people.lasts, "first": people.firsts, "visits": -people.visits, "cameras": -people.cameras}
    return np.asarray(np.lexsort((people.identities, keys.get(sort, people.identities))), np.int64)


ROUTES = [Route("/people", people_page)]
