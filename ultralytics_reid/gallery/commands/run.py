"""Run the gallery's commands."""

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
from ...embedders import AUTO, CropOptions
from ...embedders.head import load_head
from ...errors import GalleryError, GalleryMissing
from ..export.contact_sheet import MAX_HITS, Hit, save_results
from ..export.tabular import (
    CSV,
    PARQUET,
    dwell_table,
    journey_table,
    save_journeys,
    save_sightings,
    save_visits,
    transition_table,
)
from ..gallery import Gallery
from ..image_embedder import cut_out
from ..image_io import IMAGE_SUFFIXES, as_image, decode_image
from ..journeys import dwell, journeys, transitions
from ..records import ANY, ENROLLED, LAST_CLASS, LAST_ID, Filter, Visit
from ..reembedding import reembed
from ..search import check_hits
from ..store import Deleted
from ..times import period
from ..views import Match
from .arguments import (
    ENROLLED_SHOWN,
    all_cameras,
    existing_identity,
    identity_by_name,
    parse_box,
    parse_cameras,
    parse_filter,
    parse_identity,
    parse_integer,
    parse_visits,
)
from .backgrounds import background_of
from .relink import relink
from .tables import (
    aligned,
    as_json,
    individual_rows,
    individual_table,
    match_rows,
    match_table,
    mixed_text,
    stats_row,
    stats_text,
    visit_rows,
    visit_table,
)
from .terminal import check_outputs, counted, print_note, progress, uninterrupted
from .topology import topology

_MAX_LISTED = 10
_BATCH = 1000


# Search


def _search(args: Namespace) -> None:
    check_outputs([args.sheet] if args.sheet else [], (".png",), args.overwrite)
    check_hits(args.k)
    if not 0 <= args.min_probability <= 1:
        raise GalleryError(f"--min-probability must be in [0, 1], got {args.min_probability!r}")
    if args.box is not None and not args.image:
        raise GalleryError("--box needs --image, on which it lies")
    # Options are checked before the embedding model is loaded.
    given = None if args.box is None else parse_box(args.box)
    with Gallery(args.gallery, index=args.index) as gallery:
        where = parse_filter(gallery, args)
        seen_on = "" if args.seen_on is None else _one_camera(gallery, args.seen_on)
    with _with_embedder(args) as gallery:
        query = as_image(args.image) if args.image else _query_identity(gallery, args)
        # Libraries print while they load models; stdout is for the result.
        with redirect_stdout(sys.stderr):
            box = given if given or isinstance(query, int) else _located(gallery, query, where)
            found = gallery.search(query, args.k, where, by=args.by, camera=seen_on, box=box)
        # NaN, where there are no probabilities, isn't below anything.
        matches = [m for m in found if not m.probability < args.min_probability]
        _print_matches(matches, args, gallery.class_names)
        _note_hidden(len(found) - len(matches), args)
        if not found and isinstance(query, int) and (others := len(gallery.beside(query))):
            print_note(f"excluded {counted(others, 'identity', 'identities')} visible at the same time as {query}")
        if args.sheet:
            shown = _first_crop(gallery, query) if isinstance(query, int) else cut_out(query, np.asarray(box))
            save_results(args.sheet, shown, list(_hits(gallery, matches)))
            print_note(f"wrote {args.sheet}")


def _located(gallery: Gallery, image: ImageArray, where: Filter) -> list[float]:
    """Find the individual in a query image, and say what was taken where it was looked for."""
    _note_loading()
    region = gallery.locate(image, where)
    if region.what or region.sought:
        print_note(f"query: {region}; --box takes another")
    return [float(x) for x in region.xyxy]


def _note_hidden(hidden: int, args: Namespace) -> None:
    if hidden:
        below = f"{counted(hidden, 'visit')} below a probability of {args.min_probability:g}"
        print_note(f"not shown: {below}; --min-probability 0 shows all")


def _note_loading() -> None:
    """Say that a model is loaded, which takes seconds, where someone waits for it."""
    if sys.stderr.isatty():
        print_note("loading the embedding model …")


def _query_identity(gallery: Gallery, args: Namespace) -> int:
    if args.of_name is not None:
        return identity_by_name(gallery, args.of_name)
    number = parse_integer(args.of_identity, "--identity", 1, LAST_ID, " (for names: --name)")
    return existing_identity(gallery, number)


def _print_matches(matches: Sequence[Match], args: Namespace, class_names: Mapping[int, str]) -> None:
    if args.json:
        print(as_json(match_rows(matches, class_names)))
        return
    print(match_table(matches, args.by) if matches else "nothing found")
    for identity in sorted({m.identity_id for m in matches if m.mixed}):
        print_note(f"identity {identity}: its visits look unlike each other; `visits --identity {identity}` says which")
    if any(np.isnan(m.probability) for m in matches):
        plain = "plain vectors are not calibrated, the learned metric is (--by learned)"
        learned = "too few observations yet, or since a deletion, to calibrate similarity"
        print_note(f"no probabilities: {learned if args.by == 'learned' else plain}")


def _first_crop(gallery: Gallery, identity: int) -> ImageArray | None:
    """First stored crop of an identity, `(H, W, 3)` uint8 BGR; None if there is none."""
    visits = gallery.visits(Filter(identities=frozenset({identity})))
    return decode_image(next((v.crop for v in visits if v.crop), b""))


def _hits(gallery: Gallery, matches: Sequence[Match]) -> Iterator[Hit]:
    for rank, m in enumerate(matches, 1):
        # Only hits that are drawn need their crops.
        crop = gallery.crop(m.visit) if rank <= MAX_HITS else b""
        yield Hit(rank, m.identity_id, m.name, m.camera_id, m.time.timestamp(), m.probability, m.similarity, crop)


# Identities


def _enrol(args: Namespace) -> None:
    images = [path for given in args.images for path in _image_files(given)]
    if not 0 <= args.cls <= LAST_CLASS:
        raise GalleryError(f"--class must be in [0, {LAST_CLASS}], got {args.cls}")
    _note_loading()
    with _gallery_to_enrol(args) as gallery, redirect_stdout(sys.stderr):
        identity = gallery.enrol(args.new_name, progress(images, "embedding images", len(images)), cls=args.cls)
    print(f"{args.new_name} is identity {identity}: {counted(len(images), 'image')} enrolled")


def _image_files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(p for p in path.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)
    if not found:
        raise GalleryError(f"there are no images in the folder {path} ({', '.join(IMAGE_SUFFIXES)})")
    return found


def _gallery_to_enrol(args: Namespace) -> Gallery:
    try:
        return _with_embedder(args)
    except GalleryMissing as error:
        if not args.detector:
            raise GalleryMissing(f"{error}; to create one, name its embedding model: --model or --detector") from error
    return _with_embedder(args, model=AUTO)


def _with_embedder(args: Namespace, model: str = "") -> Gallery:
    named = {"model": model or args.model, "weights": args.weights, "detector": args.detector, "head": args.head}
    crops = CropOptions(normalize=args.normalize, channels=args.channels)
    return Gallery(args.gallery, index=args.index, crops=crops, **named)


def _list(args: Namespace) -> None:
    with Gallery(args.gallery, index=args.index) as gallery:
        found = [one for one in gallery.individuals(parse_filter(gallery, args)) if one.name or not args.named]
        class_names = gallery.class_names
    if args.json:
        print(as_json(individual_rows(found, class_names)))
    else:
        print(individual_table(found, class_names) if found else "no identities")


def _visits(args: Namespace) -> None:
    with Gallery(args.gallery, index=args.index) as gallery:
        found = sorted(
            gallery.visits(parse_filter(gallery, args), details=False), key=lambda v: (v.first, v.last, v.id)
        )
        names, class_names = gallery.store.names(), gallery.class_names
        identities = sorted({v.identity for v in found})
        agreements = gallery.agreements(progress(identities, "comparing", len(identities)))
    if args.json:
        print(as_json(visit_rows(found, names, class_names, agreements)))
    else:
        print(visit_table(found, names, class_names, agreements) if found else "no visits")
    for one in agreements.values():
        if one.mixed:
            print_note(mixed_text(one))


def _rename(args: Namespace) -> None:
    with Gallery(args.gallery, index=args.index) as gallery:
        identity = parse_identity(gallery, args.target)
        gallery.rename(identity, args.new_name)
    print(f"identity {identity} {f'is named {args.new_name}' if args.new_name else 'has no name'} now")


def _merge(args: Namespace) -> None:
    with Gallery(args.gallery, index=args.index) as gallery:
        kept, *gone = (parse_identity(gallery, text) for text in (args.kept, *args.gone))
        with uninterrupted("merging"):
            gallery.merge(kept, *gone, force=args.force)
        name = gallery.store.names().get(kept, "")
    print(f"{', '.join(map(str, gone))} became {f'{kept} {name}'.rstrip()}")


def _split(args: Namespace) -> None:
    with Gallery(args.gallery, index=args.index) as gallery:
        identity = parse_identity(gallery, args.target)
        visits = parse_visits(gallery, identity, args.visits)
        new = gallery.split(identity, visits).identities[1]
    print(f"moved {counted(len(set(visits)), 'visit')} of identity {identity} to identity {new}")


# Deletion and storage


def _delete(args: Namespace) -> None:
    with Gallery(args.gallery, index=args.index) as gallery:
        where = parse_filter(gallery, args)
        if where == ANY:
            raise GalleryError("delete needs a filter: --identity, --name, --cameras, --classes, --from or --to")
        matching = _describe_matches(gallery, where)
        if not matching:
            print("nothing matches")
            return
        if not args.yes:
            _ask(matching)
        with uninterrupted("deleting"):
            deleted = gallery.delete(where)
    _print_deleted(deleted)


def _describe_matches(gallery: Gallery, where: Filter) -> str:
    """Describe the sightings and visits a filter matches, a line each; empty if there are none."""
    visits, sightings = list(gallery.visits(where, details=False)), gallery.store.count(where)
    if not visits:
        return counted(sightings, "sighting") if sightings else ""
    since = -np.inf if where.since is None else where.since
    until = np.inf if where.until is None else where.until
    cut = sum(v.first < since or v.last > until for v in visits)
    span = period(max(since, min(v.first for v in visits)), min(until, max(v.last for v in visits)))
    on = ", ".join(sorted({v.camera or ENROLLED_SHOWN for v in visits}))
    total = f"{counted(sightings, 'sighting')} and {counted(len(visits), 'visit')}, {span}"
    shortened = f"\nshortened: {counted(cut, 'visit')} reaching beyond that time" if cut else ""
    return f"{total}\nidentities: {_list_identities(gallery, visits)}\ncameras: {on}{shortened}"


def _list_identities(gallery: Gallery, visits: Iterable[Visit]) -> str:
    names, identities = gallery.store.names(), sorted({v.identity for v in visits})
    listed = [f"{identity} {names.get(identity, '')}".rstrip() for identity in identities[:_MAX_LISTED]]
    more = len(identities) - len(listed)
    return ", ".join(listed) + (f" and {more} more" if more else "")


def _ask(matching: str) -> None:
    """Ask for confirmation of a deletion.

    Raises:
        GalleryError: If the answer isn't yes, or stdin is no terminal.
    """
    print(f"to be deleted: {matching}")
    if not sys.stdin.isatty():
        raise GalleryError("nothing was deleted: stdin is no terminal to ask; --yes deletes without asking")
    try:
        answer = input("delete permanently? [y/N] ")
    except EOFError:
        answer = ""
    if answer.strip().lower() not in ("y", "yes"):
        raise GalleryError("nothing was deleted")


def _prune(args: Namespace) -> None:
    with Gallery(args.gallery, index=args.index) as gallery, uninterrupted("deleting"):
        deleted = gallery.prune(args.keep_days)
    _print_deleted(deleted)


def _print_deleted(deleted: Deleted) -> None:
    print(f"deleted {counted(deleted.sightings, 'sighting')} and {counted(deleted.visits, 'visit')}")
    if deleted.remains:
        print_note(deleted.remains)


def _stats(args: Namespace) -> None:
    with Gallery(args.gallery, index=args.index) as gallery:
        stats, recipe = gallery.stats(), gallery.recipe
    print(as_json(stats_row(stats, recipe)) if args.json else stats_text(stats, recipe))


def _backup(args: Namespace) -> None:
    with Gallery(args.gallery, index=args.index) as gallery:
        gallery.backup(args.path)
    _print_written(args.path)


def _export(args: Namespace) -> None:
    with Gallery(args.gallery, index=args.index) as gallery:
        where, names = parse_filter(gallery, args), (gallery.store.names(), gallery.class_names)
        if args.embeddings:
            batches = progress(gallery.store.scan(where, _BATCH), "writing", -(-gallery.store.count(where) // _BATCH))
            rows = save_sightings(args.path, batches, gallery.store.dim, *names, overwrite=args.overwrite)
        else:
            visits = progress(gallery.visits(where), "writing", _total(gallery, where))
            rows = save_visits(args.path, visits, *names, overwrite=args.overwrite)
    _print_written(args.path, f" with {counted(rows, 'row')}")


# Analysis


def _journeys(args: Namespace) -> None:
    check_outputs([args.out] if args.out else [], (PARQUET, CSV), args.overwrite)
    if not args.within >= 0:
        raise GalleryError(f"--within must be 0 seconds or more, got {args.within!r}")
    with Gallery(args.gallery, index=args.index) as gallery:
        where = parse_filter(gallery, args)
        # Only the file contains paths, which are most of the data.
        visits = gallery.visits(where, details=args.out is not None)
        found = journeys(progress(visits, "reading", _total(gallery, where)), args.join, gallery.store.names())
    if not found:
        print("no visits")
        return
    print(aligned(journey_table(found)), aligned(dwell_table(dwell(found))), sep="\n\n")
    if moves := transitions(found, args.within):
        print(f"\n{aligned(transition_table(moves))}")
    if args.out:
        rows = save_journeys(args.out, found, overwrite=args.overwrite)
        _print_written(args.out, f" with {counted(rows, 'stay')}")


def _heatmap(args: Namespace) -> None:
    from ..export.heatmap import draw_heatmap, draw_paths

    draw, default = (draw_paths, "paths.png") if args.paths else (draw_heatmap, "heatmap.png")
    with Gallery(args.gallery, index=args.index) as gallery:
        where = parse_filter(gallery, args)
        files = _camera_files(args.out or Path(default), [c for c in all_cameras(gallery, where) if c != ENROLLED])
        if args.background and len(files) > 1:
            raise GalleryError(f"--background needs one --camera, of {', '.join(files)}")
        check_outputs(files.values(), (".png",), args.overwrite)
        background, names = None if args.background is None else background_of(args.background), gallery.store.names()
        identity = next(iter(where.identities)) if where.identities and len(where.identities) == 1 else None
        for camera, path in files.items():
            visits = progress(gallery.visits(replace(where, cameras=frozenset({camera}))), f"drawing {camera}")
            draw(path, visits, camera=camera, identity=identity, background=background, names=names)
            _print_written(path)


def _camera_files(path: Path, cameras: Sequence[str]) -> dict[str, Path]:
    """Name a file for each camera: `path` itself for a single camera.

    Raises:
        GalleryError: If there are no cameras.
    """
    if not cameras:
        raise GalleryError("nothing to draw: no visits match")
    if len(cameras) == 1:
        return {cameras[0]: path}
    files: dict[str, Path] = {}
    for camera in cameras:
        word = re.sub(r"[^\w.-]+", "-", camera).strip("-.") or "camera"
        taken = sum(p.stem.startswith(f"{path.stem}-{word}") for p in files.values())
        files[camera] = path.with_name(f"{path.stem}-{word}{f'-{taken + 1}' if taken else ''}{path.suffix}")
    return files


def _reembed(args: Namespace) -> None:
    head = load_head(args.head)
    with uninterrupted("re-embedding"):
        sightings, visits = reembed(args.gallery, head, args.out, name=Path(args.head).name)
    what = f"{counted(sightings, 'embedding')} of {counted(visits, 'visit')}"
    print(f"wrote {args.out} with {what}, by {head.fingerprint}")


# Shared helpers


def _one_camera(gallery: Gallery, text: str) -> str:
    found = parse_cameras(gallery, [text])
    if len(found) > 1:
        raise GalleryError(f"--seen-on must be one camera, got {text!r}")
    return found[0]


def _total(gallery: Gallery, where: Filter) -> int | None:
    """Number of visits, where the store knows it without counting; else None."""
    return gallery.store.health().visits if where == ANY else None


def _print_written(path: Path, what: str = "") -> None:
    print(f"wrote {path}{what}")


COMMANDS: Mapping[str, Callable[[Namespace], None]] = {
    "search": _search,
    "enrol": _enrol,
    "list": _list,
    "visits": _visits,
    "rename": _rename,
    "merge": _merge,
    "split": _split,
    "relink": relink,
    "topology": topology,
    "delete": _delete,
    "prune": _prune,
    "stats": _stats,
    "journeys": _journeys,
    "heatmap": _heatmap,
    "export-gallery": _export,
    "backup": _backup,
    "reembed": _reembed,
}
