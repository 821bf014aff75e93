"""Corrections: rename, merge, split and delete, each previewed; and the log of changes, from which each is undone."""

from __future__ import annotations

import numpy as np
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ...gallery.edits import DECIDE, DELETE, MERGE, RENAME, SPLIT, Edit
from ...gallery.records import ENROLLED, Filter, check_name
from ...gallery.visit_columns import together
from ...gallery.whole_numbers import parse_whole
from ..directory import Snapshot
from ..forms import Form, form_route, whole
from ..site import Site, label, site_of
from .people import card_of
from .person import done_edit, visit_rows

_MAX_MERGED = 20
_NOBODY_ELSE = "Name another person to merge with: a number, or a name."
_LISTED = 100
# For so long a deletion can be undone, seconds.
UNDO_SECONDS = 600.0


def changes_page(request: Request) -> Response:
    """The log of changes."""
    site = site_of(request)
    snapshot = site.directory.get()
    listed = [(edit, sentence(edit, snapshot)) for edit in site.gallery.edits(_LISTED)]
    done = done_edit(site, site.choice(request))
    return site.render(request, "changes.html", changes=listed, done=done)


def sentence(edit: Edit, snapshot: Snapshot) -> str:
    """Say what a change did."""
    names = dict(snapshot.names)
    first, *others = [label(names, i) for i in edit.identities] or ["somebody"]
    if edit.kind == RENAME:
        before, after = next(iter(edit.names.values()), ("", ""))
        return f"Renamed person {edit.identities[0]} from {before or 'no name'} to {after or 'no name'}"
    if edit.kind == MERGE:
        return f"Merged {_listed([f'person {i}' for i in edit.identities[1:]])} into {first}"
    if edit.kind == SPLIT:
        return f"Moved {len(edit.moves)} of the visits of {first} to {_listed(others)}"
    if edit.kind == DELETE:
        return f"Deleted {_listed([f'person {i}' for i in edit.identities])}"
    return f"Decided about visits of {_listed([first, *others])}" if edit.kind == DECIDE else edit.kind


def _listed(texts: list[str]) -> str:
    return ", ".join(texts[:_MAX_MERGED])


def undo(request: Request, form: Form) -> Response:
    """Undo a change."""
    site, key = site_of(request), form.text("key")
    with site.changing:
        site.audit.note("undo", change=key[:40])
        edit = site.gallery.undo(key)
    there = set(site.directory.current().visits.identities.tolist())
    left = [i for i in edit.identities if i in there]
    back = form.text("back")
    if back.startswith("/") and not back.startswith("//") and "\\" not in back:
        return site.changed(back)
    return site.changed(f"/people/{left[0]}" if left else "/changes", edit)


# Rename


def rename_preview(request: Request) -> Response:
    """Say what renaming does."""
    site, identity = site_of(request), int(request.path_params["identity"])
    snapshot, name = site.knowing(identity, now=True), request.query_params.get("name", "").strip()
    check_name("person", name)
    taken = next((i for i, n in snapshot.names.items() if n == name and i != identity), None) if name else None
    return site.render(
        request,
        "rename.html",
        person=card_of(snapshot, identity),
        name=name,
        taken=taken,
    )


def rename(request: Request, form: Form) -> Response:
    """Rename a person."""
    site, identity = site_of(request), int(request.path_params["identity"])
    with site.changing:
        site.audit.note("rename", identity=identity)
        edit = site.gallery.rename(identity, form.text("name").strip(), keep_names=True)
    return site.changed(f"/people/{identity}", edit)


# Merge


def merge_preview(request: Request) -> Response:
    """Show the persons side by side, and say what merging does."""
    site, identity = site_of(request), int(request.path_params["identity"])
    given = [text.strip() for text in request.query_params.getlist("with") if text.strip()]
    others = [_person(site, text) for text in given if text != str(identity)]
    others = list(dict.fromkeys(i for i in others if i != identity))[:_MAX_MERGED]
    if not others:
        raise HTTPException(400, _NOBODY_ELSE)
    snapshot = site.knowing(identity, *others, now=True)
    kept = card_of(snapshot, identity)
    gone = [card_of(snapshot, i) for i in others]
    conflicts = together(snapshot.visits.take(np.isin(snapshot.visits.identities, [identity, *others])))
    return site.render(request, "merge.html", person=kept, gone=gone, conflicts=conflicts[:5], more=len(conflicts) - 5)


def _person(site: Site, text: str) -> int:
    """A person by number or name."""
    number = parse_whole(text)
    found = site.gallery.find(text) if number is None else number
    if found is None:
        raise HTTPException(404, f"Nobody is named {text[:80]!r}.")
    return found


def merge(request: Request, form: Form) -> Response:
    """Merge persons."""
    site, identity, others = site_of(request), int(request.path_params["identity"]), form.numbers("gone")
    if not set(others) - {identity}:
        raise HTTPException(400, _NOBODY_ELSE)
    site.knowing(identity, *others, now=True)
    with site.changing:
        site.audit.note("merge", kept=identity, gone=others)
        edit = site.gallery.merge(identity, *others, force=form.text("force") == "yes", keep_names=True)
    return site.changed(f"/people/{identity}", edit)


# Split


def split_preview(request: Request) -> Response:
    """Show which visits stay, and which go."""
    site, identity = site_of(request), int(request.path_params["identity"])
    snapshot = site.knowing(identity, now=True)
    rows = visit_rows(snapshot.of(identity))
    chosen = {whole("visit", text) for text in request.query_params.getlist("visit")}
    if since := request.query_params.get("since"):
        at = next((n for n, row in enumerate(rows) if row.id == whole("since", since)), len(rows))
        chosen |= {row.id for row in rows[at:]}
    going, staying = [r for r in rows if r.id in chosen], [r for r in rows if r.id not in chosen]
    return site.render(request, "split.html", person=card_of(snapshot, identity), going=going, staying=staying)


def split(request: Request, form: Form) -> Response:
    """Give visits to a new person."""
    site, identity = site_of(request), int(request.path_params["identity"])
    with site.changing:
        site.audit.note("split", identity=identity, visits=form.numbers("visit"))
        edit = site.gallery.split(identity, form.numbers("visit"))
    return site.changed(f"/people/{edit.identities[1]}", edit)


# Delete


def delete_preview(request: Request) -> Response:
    """Say what goes."""
    site, identity = site_of(request), int(request.path_params["identity"])
    snapshot = site.knowing(identity, now=True)
    own = snapshot.of(identity)
    return site.render(
        request,
        "delete.html",
        person=card_of(snapshot, identity),
        sightings=site.gallery.store.count(Filter(identities=frozenset({identity}))),
        enrolled=int(own.on(ENROLLED).sum()),
        first=float(own.firsts.min()),
        last=float(own.lasts.max()),
        minutes=round(UNDO_SECONDS / 60),
    )


def delete(request: Request, form: Form) -> Response:
    """Delete a person everywhere: at once for good, or so that it can be undone for some minutes."""
    site, identity = site_of(request), int(request.path_params["identity"])
    site.knowing(identity, now=True)
    at_once = form.text("for_good") == "yes"
    with site.changing:
        site.audit.note("delete", identity=identity, for_good=at_once)
        if at_once:
            site.gallery.delete(Filter(identities=frozenset({identity})))
            return site.changed("/people")
        edit = site.gallery.discard(identity)
    return site.changed("/changes", edit)


_PERSON = "/people/{identity:int}"
ROUTES = [Route("/changes", changes_page)]
CHANGES = [
    Route("/changes/undo", form_route(undo), methods=["POST"]),
    Route(f"{_PERSON}/rename", rename_preview),
    Route(f"{_PERSON}/rename", form_route(rename), methods=["POST"]),
    Route(f"{_PERSON}/merge", merge_preview),
    Route(f"{_PERSON}/merge", form_route(merge), methods=["POST"]),
    Route(f"{_PERSON}/split", split_preview),
    Route(f"{_PERSON}/split", form_route(split), methods=["POST"]),
    Route(f"{_PERSON}/delete", delete_preview),
    Route(f"{_PERSON}/delete", form_route(delete), methods=["POST"]),
]
