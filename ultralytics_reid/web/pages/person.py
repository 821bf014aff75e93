"""One person: swim lanes, visits, the journey map, and similar people."""

from __future__ import annotations

import math
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from ...gallery.image_io import decode_image
from ...gallery.journeys import journeys
from ...gallery.records import ENROLLED, Filter
from ...gallery.visit_columns import VisitColumns
from ...gallery.visit_pairs import Agreement
from ..choice import Choice
from ..journey_map import WIDTH, journey_map
from ..lanes import BAR, LANE, outings
from ..site import Site, camera_label, site_of
from .people import Card, card_of

# Visits beyond which they aren't compared with each other, nor listed on one page.
_MAX_COMPARED, _LISTED = 150, 50
_MAX_OUTINGS, _MAX_SIMILAR, _SEARCHED = 4, 6, 24
_SILHOUETTE = "/static/silhouette.svg"


@dataclass(frozen=True)
class VisitRow:
    """A visit on a page.

    Attributes:
        id: Of the visit.
        camera: As the page calls it.
        first: When it began, seconds since 1970.
        last: When it ended.
        probability: That the identity's most similar other visit shows the same individual; NaN where unknown.
        odd: Whether it looks unlike most of the identity's visits.
    """

    id: int
    camera: str
    first: float
    last: float
    probability: float
    odd: bool


def person_page(request: Request) -> Response:
    """The page of a person."""
    site = site_of(request)
    choice, identity = site.choice(request), int(request.path_params["identity"])
    snapshot = site.knowing(identity)
    own = snapshot.of(identity)
    pages = max(1, -(-len(own) // _LISTED))
    page = min(choice.number("page", 1, pages), pages)
    drawn = outings(own, choice.zone)
    (journey,) = journeys(site.gallery.visits(_only(identity), details=False)) or (None,)
    return site.render(
        request,
        "person.html",
        zone=choice.zone,
        choice=choice,
        person=card_of(snapshot, identity),
        outings=drawn[:_MAX_OUTINGS],
        more_outings=len(drawn) - len(drawn[:_MAX_OUTINGS]),
        lane=LANE,
        bar=BAR,
        map=None if journey is None else journey_map(journey),
        map_width=WIDTH,
        rows=visit_rows(own, _compared(site, identity, own))[_LISTED * (page - 1) : _LISTED * page],
        page=page,
        pages=pages,
        done=done_edit(site, choice),
    )


def _only(identity: int) -> Filter:
    return Filter(identities=frozenset({identity}))


def done_edit(site: Site, choice: Choice) -> object:
    """The change that was just made, which the page says; None if there is none."""
    key = choice.get("done")
    return next((edit for edit in site.gallery.edits(20) if edit.key == key), None) if key else None


def _compared(site: Site, identity: int, visits: VisitColumns) -> Agreement | None:
    """The visits of an identity compared with each other, unless they are very many."""
    return site.gallery.agreements([identity]).get(identity) if len(visits) <= _MAX_COMPARED else None


def visit_rows(visits: VisitColumns, found: Agreement | None = None) -> list[VisitRow]:
    """Visits in the order given, with what comparing them with each other says."""
    probabilities = {} if found is None else found.probabilities
    odd = set() if found is None else {v for group in found.groups[1:] for v in group}
    columns = zip(
        visits.ids.tolist(), visits.cameras.tolist(), visits.firsts.tolist(), visits.lasts.tolist(), strict=True
    )
    return [
        VisitRow(id, camera_label(visits.names[code]), first, last, probabilities.get(id, math.nan), id in odd)
        for id, code, first, last in columns
    ]


@dataclass(frozen=True)
class Similar:
    """A person who may be the same.

    Attributes:
        card: The person.
        probability: That its most similar visit shows the same individual.
        similarity: Of that visit.
        visit: Its id.
    """

    card: Card
    probability: float
    similarity: float
    visit: int


def similar_part(request: Request) -> Response:
    """People who look like this one: a part of the page, which is loaded after it."""
    site = site_of(request)
    identity = int(request.path_params["identity"])
    snapshot = site.knowing(identity)
    site.audit.note("search", kind="identity", identity=identity, by="learned")
    matches = site.gallery.search(identity, _SEARCHED)
    best: dict[int, Similar] = {}
    there = set(snapshot.visits.identities.tolist())
    for m in matches:
        if m.identity_id not in best and m.identity_id in there and len(best) < _MAX_SIMILAR:
            best[m.identity_id] = Similar(card_of(snapshot, m.identity_id), m.probability, m.similarity, m.visit)
    person, similar = card_of(snapshot, identity), list(best.values())
    return site.render(request, "similar.html", person=person, similar=similar)


def visit_image(request: Request) -> Response:
    """The image of a visit; a silhouette where none is stored, or what is stored is no image."""
    crop = site_of(request).gallery.crop(int(request.path_params["visit"]))
    if not crop.startswith(b"\xff\xd8") or decode_image(crop) is None:
        return RedirectResponse(_SILHOUETTE)
    return Response(crop, media_type="image/jpeg")


def visit_page(request: Request) -> Response:
    """A visit's address: it leads to its person."""
    site, visit = site_of(request), int(request.path_params["visit"])
    found = next(site.gallery.visits(Filter(visits=frozenset({visit})), details=False), None)
    if found is None or found.camera == ENROLLED:
        return RedirectResponse("/people", 303)
    return RedirectResponse(f"/people/{found.identity}#visit-{visit}", 303)


ROUTES = [
    Route("/people/{identity:int}", person_page),
    Route("/people/{identity:int}/similar", similar_part),
    Route("/visits/{visit:int}", visit_page),
    Route("/visits/{visit:int}/image", visit_image),
]
