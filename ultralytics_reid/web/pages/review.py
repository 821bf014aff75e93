"""Review: links that may be wrong, one at a time, side by side, answered by key."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ...gallery.questions import PAIR, Question, answer, open_questions
from ...gallery.relinking.decisions import Decision
from ..directory import Snapshot
from ..downloads import csv_download
from ..forms import Form, form_route
from ..site import Site, camera_label, label, site_of
from .person import done_edit

_MAX_SHOWN = 6
ANSWERS = ("same", "different", "skip")


@dataclass(frozen=True)
class Shown:
    """A visit of a question."""

    id: int
    camera: str
    first: float
    last: float


def review_page(request: Request) -> Response:
    """The next question."""
    site = site_of(request)
    choice, snapshot = site.choice(request), site.directory.get()
    decided = site.gallery.decisions()
    listed, looking = _open(site, snapshot, decided)
    question = next(iter(listed), None)
    return site.render(
        request,
        "review.html",
        question=question,
        left=len(listed),
        looking=looking,
        note=site.pairs.note,
        skipped=len(site.skipped),
        sides=[] if question is None else _sides(snapshot, question),
        is_pair=question is not None and question.kind == PAIR,
        done=done_edit(site, choice),
        can_answer=not site.options.read_only,
        decisions=len(decided),
    )


def _open(site: Site, snapshot: Snapshot, decided: list[Decision]) -> tuple[list[Question], bool]:
    pairs, looking = site.pairs.get(snapshot)
    return open_questions(snapshot.visits, decided, pairs, site.skipped.__contains__), looking


def _sides(snapshot: Snapshot, question: Question) -> list[tuple[str, int, list[Shown], int]]:
    """Each side's title, identity, some of its visits, and how many more there are."""
    first, second = question.identities
    titles = (
        (label(snapshot.names, first), label(snapshot.names, second))
        if question.kind == PAIR
        else (
            "This visit" if len(question.visits) == 1 else "These visits",
            f"the other visits of {label(snapshot.names, first)}",
        )
    )
    groups = (question.visits, question.others)
    return [
        (title, identity, _shown(snapshot, group), max(0, len(group) - _MAX_SHOWN))
        for title, identity, group in zip(titles, (first, second), groups, strict=True)
    ]


def _shown(snapshot: Snapshot, visits: tuple[int, ...]) -> list[Shown]:
    """The longest of some visits, by time."""
    own = snapshot.visits.take(np.isin(snapshot.visits.ids, visits))
    own = own.take(np.argsort(own.firsts - own.lasts, kind="stable")[:_MAX_SHOWN])
    own = own.take(np.argsort(own.firsts, kind="stable"))
    columns = zip(own.ids.tolist(), own.cameras.tolist(), own.firsts.tolist(), own.lasts.tolist(), strict=True)
    return [Shown(id, camera_label(own.names[code]), first, last) for id, code, first, last in columns]


def take_answer(request: Request, form: Form) -> Response:
    """Take an answer, and go on to the next question."""
    site, given, key = site_of(request), form.text("answer"), form.text("key")
    if given not in ANSWERS:
        raise HTTPException(400, "an answer must be same, different or skip")
    if given == "skip":
        site.skipped.add(key[:80])
        return site.changed("/review")
    with site.changing:
        snapshot = site.directory.current()
        listed, _ = _open(site, snapshot, site.gallery.decisions())
        question = next((q for q in listed if q.key == key), None)
        if question is None:
            raise HTTPException(409, "This question was answered meanwhile, in another tab or by another person.")
        about = {"identities": list(question.identities), "visits": list(question.visits)}
        site.audit.note("decide", answer=given, **about)
        edit = answer(site.gallery, snapshot.names, question, given == "same")
    return site.changed("/review", edit)


def ask_again(request: Request, form: Form) -> Response:  # noqa: ARG001
    """Ask again what the reviewer didn't know."""
    site = site_of(request)
    site.skipped.clear()
    return site.changed("/review")


def labels(request: Request) -> Response:
    """All decisions as pairs of visits, for training: `visit`, `other`, `same` (1 or 0), `time`."""
    site, rows = site_of(request), []
    for decision in site.gallery.decisions():
        same, time = int(decision.kind == "same"), f"{decision.time:.3f}"
        first, *others = decision.groups
        rows += [(a, b, same, time) for group in others for a in first for b in group]
    site.audit.note("export", table="labels")
    return csv_download(["visit", "other", "same", "time"], rows, "labels.csv")


ROUTES = [Route("/review", review_page), Route("/review/labels.csv", labels)]
CHANGES = [
    Route("/review/answer", form_route(take_answer), methods=["POST"]),
    Route("/review/again", form_route(ask_again), methods=["POST"]),
]
