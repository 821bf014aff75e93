"""The command that learns a topology file from a gallery."""

from __future__ import annotations

from argparse import Namespace

from ..export.atomic_file import atomic_write, check_writable
from ..gallery import Gallery
from ..linking.learned_topology import as_yaml, unlearned
from .arguments import parse_filter
from .terminal import print_note, uninterrupted


def topology(args: Namespace) -> None:
    """Print what the visits tell of travel times and shared views, or write it to a file."""
    if args.out:
        check_writable(args.out, (".yaml", ".yml"), overwrite=args.overwrite)
    with Gallery(args.gallery, index=args.index) as gallery:
        where = parse_filter(gallery, args)
        with uninterrupted("learning"):
            ways = gallery.learn_ways(where)
    text = as_yaml(ways)
    if not args.out:
        print(text, end="")
        return
    with atomic_write(args.out, (".yaml", ".yml"), overwrite=args.overwrite) as part:
        part.write_text(text, encoding="utf-8")
    print_note(f"wrote {args.out}")
    if missing := unlearned(ways):
        print_note(missing)
