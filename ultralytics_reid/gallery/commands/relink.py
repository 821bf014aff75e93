"""The command that relinks a gallery."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterable, Iterator
from dataclasses import replace

from ...errors import GalleryError
from ..export.contact_sheet import percent
from ..export.proposal_sheet import MAX_CROPS, MAX_ROWS, Row, save_proposals
from ..gallery import Gallery
from ..records import ANY, Filter, Visit
from ..relinking.proposals import Proposal
from ..relinking.relinking import Relinking
from .arguments import parse_filter
from .tables import as_json, proposal_rows, proposal_table, proposal_text
from .terminal import check_outputs, counted, print_note, uninterrupted


def relink(args: Namespace) -> None:
    """Propose merges and splits, apply them, or take back those that were applied last."""
    check_outputs([args.sheet] if args.sheet else [], (".png",), args.overwrite)
    with Gallery(args.gallery, index=args.index) as gallery:
        where = parse_filter(gallery, args)
        if args.undo:
            _undo(gallery, args, where)
            return
        found = _relinked(gallery, args, where)
        names = gallery.store.names()
        if args.json:
            print(as_json(proposal_rows(found)))
        else:
            print(proposal_table(found.proposals, names) if found.proposals else "nothing to change")
        if args.sheet:
            save_proposals(args.sheet, list(_rows(gallery, found.proposals)))
            print_note(f"wrote {args.sheet}")
    _note(found)


def _relinked(gallery: Gallery, args: Namespace, where: Filter) -> Relinking:
    with uninterrupted("relinking"):
        return gallery.relink(where, topology=args.topology, apply=args.apply)


def _undo(gallery: Gallery, args: Namespace, where: Filter) -> None:
    if where != ANY or args.sheet or args.topology:
        raise GalleryError("--undo takes back the last relinking as a whole: without filters, --topology and --sheet")
    with uninterrupted("undoing"):
        undone = gallery.undo_relink()
    print(f"{counted(undone, 'visit')} back with the identity of before")


def _note(found: Relinking) -> None:
    if not found.discriminative:
        print_note("too few visits yet to tell by looks who is who: only what can't be is changed")
    if found.proposals:
        moved = counted(len(found.moves), "visit")
        print_note(f"moved {moved}; `relink --undo` takes it back" if found.applied else "proposed; --apply writes it")


def _rows(gallery: Gallery, proposals: Iterable[Proposal]) -> Iterator[Row]:
    names = gallery.store.names()
    for n, proposal in enumerate(proposals):
        text = f"{n + 1}.  {percent(proposal.probability)}  {proposal_text(proposal, names)}: {proposal.reason}"
        if n < MAX_ROWS:
            moved = [replace(v, identity=proposal.identity_id) for v in _shown(gallery, proposal.visits)]
            yield Row(text, moved, _shown(gallery, proposal.with_visits or _left(gallery, proposal)))
        else:  # not drawn: its crops aren't read
            yield Row(text, (), ())


def _left(gallery: Gallery, proposal: Proposal) -> Iterable[int]:
    """Visits that stay with an identity."""
    own = gallery.visits(Filter(identities=frozenset({proposal.identity_id})), details=False)
    return {v.id for v in own} - set(proposal.visits)


def _shown(gallery: Gallery, visits: Iterable[int]) -> list[Visit]:
    """Some visits with their crops, if any have one."""
    found = gallery.visits(Filter(visits=frozenset(visits)))
    return sorted(found, key=lambda v: not v.crop)[:MAX_CROPS]
