"""What the gallery's commands do."""

from __future__ import annotations

import re
import sys
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..._typing import ImageArray
from ...errors import GalleryError, GalleryMissing
from ..export.contact_sheet import MOST, Hit, save_results
from ..export.tabular import dwell_table, journey_table, save_journeys, save_sightings, save_visits, transition_table
from ..gallery import Gallery
from ..image_io import as_picture
from ..journeys import dwell, journeys, transitions
from ..records import ANY, ENROLLED, LAST_ID, Filter, Visit
from ..store import Deleted
from ..times import period
from ..views import Match
from .arguments import ENROLLED_SHOWN, LAST_VISIT, all_cameras, asked, cameras, known, named, who, whole_number
from .tables import (
    aligned,
    as_json,
    individual_rows,
    individual_table,
    match_rows,
    match_table,
    stats_row,
    stats_text,
    visit_rows,
    visit_table,
)
from .terminal import progress, unbroken

# What OpenCV reads of what people have.
_PICTURES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
_MAX_NAMED = 10
_BATCH = 1000


# Searching


def _search(args: Namespace) -> None:
    _check_free([args.sheet] if args.sheet else [], args.overwrite)
    with Gallery(args.gallery, index=args.index) as there:
        where = asked(there, args)
        seen_on = "" if args.seen_on is None else _one_camera(there, args.seen_on)
    with _with_pictures(args) as gallery:
        query = as_picture(args.image) if args.image else _whose(gallery, args)
        # What libraries say while they load models is no result.
        with redirect_stdout(sys.stderr):
            matches = gallery.search(query, args.k, where, by=args.by, camera=seen_on)
        _print_matches(matches, args)
        if not matches and isinstance(query, int) and (others := len(gallery.beside(query))):
            _say(
                f"{others} others are left out: they were visible at the same time as {query}, and so are somebody else"
            )
        if args.sheet:
            shown = _picture_of(gallery, query) if isinstance(query, int) else query
            save_results(args.sheet, shown, list(_hits(gallery, matches)))
            _say(f"wrote {args.sheet}")


def _whose(gallery: Gallery, args: Namespace) -> int:
    if args.of_name is not None:
        return named(gallery, args.of_name)
    return known(gallery, whole_number(args.of_identity, "--identity", 1, LAST_ID, " (for names: --name)"))


def _print_matches(matches: Sequence[Match], args: Namespace) -> None:
    if args.json:
        print(as_json(match_rows(matches)))
        return
    print(match_table(matches, args.by) if matches else "nothing found")
    if any(np.isnan(m.probability) for m in matches):
        plain = "plain vectors aren't calibrated, what the cameras have learned is (--by learned)"
        learned = "too little has been seen yet, or since a deletion, to judge likeness"
        _say(f"there are no probabilities: {learned if args.by == 'learned' else plain}")


def _picture_of(gallery: Gallery, identity: int) -> ImageArray | None:
    """The first picture that is stored of an identity."""
    import cv2

    visits = gallery.visits(Filter(identities=frozenset({identity})))
    crop = next((v.crop for v in visits if v.crop), b"")
    picture = cv2.imdecode(np.frombuffer(crop, np.uint8), cv2.IMREAD_COLOR) if crop else None
    return None if picture is None else np.asarray(picture, np.uint8)


def _hits(gallery: Gallery, matches: Sequence[Match]) -> Iterator[Hit]:
    for rank, m in enumerate(matches, 1):
        # Only of those that are drawn.
        crop = gallery.crop(m.visit) if rank <= MOST else b""
        yield Hit(rank, m.identity_id, m.name, m.camera_id, m.time, m.probability, m.similarity, crop)


# Who


def _enrol(args: Namespace) -> None:
    images = [path for given in args.images for path in _pictures_in(given)]
    if args.cls < 0:
        raise GalleryError(f"--class must be 0 or more, got {args.cls}")
    with _for_enrolment(args) as gallery, redirect_stdout(sys.stderr):
        identity = gallery.enrol(args.called, progress(images, "looking at pictures", len(images)), cls=args.cls)
    print(f"{args.called} is identity {identity}: {_count(len(images), 'picture')} enrolled")


def _pictures_in(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(p for p in path.iterdir() if p.suffix.lower() in _PICTURES)
    if not found:
        raise GalleryError(f"there are no pictures in the folder {path} ({', '.join(_PICTURES)})")
    return found


def _for_enrolment(args: Namespace) -> Gallery:
    try:
        return _with_pictures(args)
    except GalleryMissing as error:
        if not args.detector:
            raise GalleryMissing(
                f"{error}; to make one, say what makes its embeddings: --model or --detector"
            ) from error
    return Gallery(args.gallery, index=args.index, model="auto", detector=args.detector)


def _with_pictures(args: Namespace) -> Gallery:
    return Gallery(args.gallery, index=args.index, model=args.model, weights=args.weights, detector=args.detector)


def _list(args: Namespace) -> None:
    with Gallery(args.gallery, index=args.index) as gallery:
        found = [one for one in gallery.individuals(asked(gallery, args)) if one.name or not args.named]
    if args.json:
        print(as_json(individual_rows(found)))
    else:
        print(individual_table(found) if found else "nobody")


def _visits(args: Namespace) -> None:
    with Gallery(args.gallery, index=args.index) as gallery:
        found = sorted(gallery.visits(asked(gallery, args), details=False), key=lambda v: (v.first, v.last, v.id))
        names = gallery.store.names()
    if args.json:
        print(as_json(visit_rows(found, names)))
    else:
        print(visit_table(found, names) if found else "no visits")


def _rename(args: Namespace) -> None:
    with Gallery(args.gallery, index=args.index) as gallery:
        identity = who(gallery, args.who)
        gallery.rename(identity, args.called)
    print(f"identity {identity} {f'is called {args.called}' if args.called else 'has no name'} now")


def _merge(args: Namespace) -> None:
    with Gallery(args.gallery, index=args.index) as gallery:
        kept, *gone = (who(gallery, text) for text in (args.kept, *args.gone))
        with unbroken("merging"):
            gallery.merge(kept, *gone, force=args.force)
        name = gallery.store.names().get(kept, "")
    print(f"{', '.join(map(str, gone))} became {f'{kept} {name}'.rstrip()}")


def _split(args: Namespace) -> None:
    visits = [whole_number(text, "visits", 0, LAST_VISIT) for text in args.visits]
    with Gallery(args.gallery, index=args.index) as gallery:
        identity = who(gallery, args.who)
        new = gallery.split(identity, visits)
    print(f"{len(set(visits))} of identity {identity}'s visits are identity {new}'s now")


# Deleting and keeping


def _delete(args: Namespace) -> None:
    with Gallery(args.gallery, index=args.index) as gallery:
        where = asked(gallery, args)
        if where == ANY:
            raise GalleryError("say what to delete: --identity, --name, --cameras, --classes, --from or --to")
        goes = _what_goes(gallery, where)
        if not goes:
            print("there is nothing of that kind")
            return
        if not args.yes:
            _ask(goes)
        with unbroken("deleting"):
            deleted = gallery.delete(where)
    _say_deleted(deleted)


def _what_goes(gallery: Gallery, where: Filter) -> str:
    """What a filter would delete, in words; empty if nothing."""
    visits, sightings = list(gallery.visits(where, details=False)), gallery.store.count(where)
    if not visits:
        return _count(sightings, "sighting") if sightings else ""
    since = -np.inf if where.since is None else where.since
    until = np.inf if where.until is None else where.until
    cut = sum(v.first < since or v.last > until for v in visits)
    stretch = period(max(since, min(v.first for v in visits)), min(until, max(v.last for v in visits)))
    places = ", ".join(sorted({v.camera or ENROLLED_SHOWN for v in visits}))
    told = f"{_count(sightings, 'sighting')} and {_count(len(visits), 'visit')}, {stretch}"
    shortened = f"\nshortened: {_count(cut, 'visit')} reaching beyond that time" if cut else ""
    return f"{told}\nwho: {_called(gallery, visits)}\nwhere: {places}{shortened}"


def _called(gallery: Gallery, visits: Iterable[Visit]) -> str:
    names, everybody = gallery.store.names(), sorted({v.identity for v in visits})
    told = [f"{identity} {names.get(identity, '')}".rstrip() for identity in everybody[:_MAX_NAMED]]
    more = len(everybody) - len(told)
    return ", ".join(told) + (f" and {more} more" if more else "")


def _ask(goes: str) -> None:
    """Ask whether to delete.

    Raises:
        GalleryError: If the answer isn't yes, or nobody can be asked.
    """
    print(f"to be deleted: {goes}")
    if not sys.stdin.isatty():
        raise GalleryError("nothing was deleted: there is nobody to ask; --yes deletes without asking")
    try:
        answer = input("delete it for good? [y/N] ")
    except EOFError:
        answer = ""
    if answer.strip().lower() not in ("y", "yes"):
        raise GalleryError("nothing was deleted")


def _prune(args: Namespace) -> None:
    with Gallery(args.gallery, index=args.index) as gallery, unbroken("deleting"):
        deleted = gallery.prune(args.keep_days)
    _say_deleted(deleted)


def _say_deleted(deleted: Deleted) -> None:
    print(f"deleted {_count(deleted.sightings, 'sighting')} and {_count(deleted.visits, 'visit')}")


def _stats(args: Namespace) -> None:
    with Gallery(args.gallery, index=args.index) as gallery:
        stats, recipe = gallery.stats(), gallery.recipe
    print(as_json(stats_row(stats, recipe)) if args.json else stats_text(stats, recipe))


def _backup(args: Namespace) -> None:
    with Gallery(args.gallery, index=args.index) as gallery:
        gallery.backup(args.path)
    _say_written(args.path)


def _export(args: Namespace) -> None:
    with Gallery(args.gallery, index=args.index) as gallery:
        where, names = asked(gallery, args), gallery.store.names()
        if args.embeddings:
            batches = progress(gallery.store.scan(where, _BATCH), "writing", -(-gallery.store.count(where) // _BATCH))
            rows = save_sightings(args.path, batches, gallery.store.dim, names, overwrite=args.overwrite)
        else:
            visits = progress(gallery.visits(where), "writing", _total(gallery, where))
            rows = save_visits(args.path, visits, names, overwrite=args.overwrite)
    _say_written(args.path, f" with {_count(rows, 'row')}")


# Looking back


def _journeys(args: Namespace) -> None:
    _check_free([args.out] if args.out else [], args.overwrite)
    if not args.within >= 0:
        raise GalleryError(f"--within must be 0 seconds or more, got {args.within!r}")
    with Gallery(args.gallery, index=args.index) as gallery:
        where = asked(gallery, args)
        # Paths are many numbers, and only files have them.
        visits = gallery.visits(where, details=args.out is not None)
        seen = progress(visits, "reading", _total(gallery, where))
        found = journeys(seen, args.join, gallery.store.names())
    if not found:
        print("nobody was seen")
        return
    print(aligned(journey_table(found)), aligned(dwell_table(dwell(found))), sep="\n\n")
    if moves := transitions(found, args.within):
        print(f"\n{aligned(transition_table(moves))}")
    if args.out:
        rows = save_journeys(args.out, found, overwrite=args.overwrite)
        _say_written(args.out, f" with {_count(rows, 'stay')}")


def _heatmap(args: Namespace) -> None:
    from ..export.heatmap import draw_heatmap, draw_paths

    draw, usual = (draw_paths, "paths.png") if args.paths else (draw_heatmap, "heatmap.png")
    with Gallery(args.gallery, index=args.index) as gallery:
        where = asked(gallery, args)
        files = _files(args.out or Path(usual), [c for c in all_cameras(gallery, where) if c != ENROLLED])
        if args.background and len(files) > 1:
            raise GalleryError(f"--background is one camera's: say which (--camera), of {', '.join(files)}")
        _check_free(files.values(), args.overwrite)
        below, names = None if args.background is None else _background(args.background), gallery.store.names()
        identity = next(iter(where.identities)) if where.identities and len(where.identities) == 1 else None
        for camera, path in files.items():
            visits = progress(gallery.visits(replace(where, cameras=frozenset({camera}))), f"drawing {camera}")
            draw(path, visits, camera=camera, identity=identity, background=below, names=names)
            _say_written(path)


def _files(path: Path, among: Sequence[str]) -> dict[str, Path]:
    """A file for each camera: the one that was asked for if there is one camera only.

    Raises:
        GalleryError: If there is none.
    """
    if not among:
        raise GalleryError("nothing to draw: nobody was seen")
    if len(among) == 1:
        return {among[0]: path}
    files: dict[str, Path] = {}
    for camera in among:
        word = re.sub(r"[^\w.-]+", "-", camera).strip("-.") or "camera"
        taken = sum(p.stem.startswith(f"{path.stem}-{word}") for p in files.values())
        files[camera] = path.with_name(f"{path.stem}-{word}{f'-{taken + 1}' if taken else ''}{path.suffix}")
    return files


def _background(path: Path) -> ImageArray:
    """A picture, or a video's first frame.

    Raises:
        GalleryError: If it is neither.
    """
    if path.suffix.lower() in _PICTURES:
        return as_picture(path)
    frame = _first_frame(path) if path.is_file() else None
    if frame is None:
        raise GalleryError(f"--background {path} is neither a picture nor a video that can be read")
    return frame


def _first_frame(path: Path) -> ImageArray | None:
    import cv2

    video = cv2.VideoCapture(str(path))
    try:
        done, frame = video.read()
        return np.asarray(frame, np.uint8) if done else None
    finally:
        video.release()


# What all need


def _one_camera(gallery: Gallery, text: str) -> str:
    found = cameras(gallery, [text])
    if len(found) > 1:
        raise GalleryError(f"--seen-on is one camera, got {text!r}")
    return found[0]


def _total(gallery: Gallery, where: Filter) -> int | None:
    """How many visits there are, where that is quickly told."""
    return gallery.store.health().visits if where == ANY else None


def _check_free(paths: Iterable[Path], overwrite: bool) -> None:
    """Refuse to replace files before anything takes time.

    Raises:
        GalleryError: If one is there, and wasn't to be overwritten.
    """
    for path in paths:
        if path.exists() and not overwrite:
            raise GalleryError(f"{path} is there already: choose another name, or --overwrite")


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' * (number != 1)}"


def _say_written(path: Path, what: str = "") -> None:
    print(f"wrote {path}{what}")


def _say(text: str) -> None:
    """Tell what isn't the result itself."""
    print(text, file=sys.stderr)


COMMANDS: Mapping[str, Callable[[Namespace], None]] = {
    "search": _search,
    "enrol": _enrol,
    "list": _list,
    "visits": _visits,
    "rename": _rename,
    "merge": _merge,
    "split": _split,
    "delete": _delete,
    "prune": _prune,
    "stats": _stats,
    "journeys": _journeys,
    "heatmap": _heatmap,
    "export-gallery": _export,
    "backup": _backup,
}
