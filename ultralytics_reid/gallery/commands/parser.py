"""The gallery's commands and their options; nothing is imported here that takes time."""

from __future__ import annotations

import os
import re
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

VARIABLE = "ULTRALYTICS_REID_GALLERY"
INDEX_VARIABLE = "ULTRALYTICS_REID_GALLERY_INDEX"

_CONDITIONS = ("identity", "name", "cameras", "classes", "since", "until", "min_quality")
_AGO = re.compile(r"-[\d.]+[a-z]*", re.ASCII)
_TIME = "2026-11-26, 2026-11-26T09:30, with an offset or local, seconds since 1970, or -30m, -2h, -3d"


def joined(arguments: Sequence[str]) -> list[str]:
    """Arguments with times like `-2h` bound to their options, as argparse takes them for options themselves."""
    bound: list[str] = []
    for argument in arguments:
        if bound and bound[-1] in ("--from", "--to") and _AGO.fullmatch(argument):
            bound[-1] += f"={argument}"
        else:
            bound.append(argument)
    return bound


def add_gallery(commands: Any) -> None:
    """Add the gallery's commands.

    Args:
        commands: What `add_subparsers` gave.
    """
    for add in (_add_search, _add_enrol, _add_list, _add_visits, _add_rename, _add_merge, _add_split, _add_delete):
        add(commands)
    for add in (_add_prune, _add_stats, _add_journeys, _add_heatmap, _add_export, _add_backup):
        add(commands)


def _command(commands: Any, name: str, text: str) -> ArgumentParser:
    command: ArgumentParser = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    command.set_defaults(run=_later(name), interrupted="interrupted; no file is half written")
    command.set_defaults(**dict.fromkeys(_CONDITIONS))
    given = os.environ.get(VARIABLE)
    where = f"path of a gallery, or postgresql://… (default: ${VARIABLE})"
    command.add_argument("--gallery", metavar="URI", default=given or None, required=not given, help=where)
    index = f"milvus://… that searches it (default: ${INDEX_VARIABLE}, or the gallery itself)"
    command.add_argument("--index", metavar="URI", default=os.environ.get(INDEX_VARIABLE, ""), help=index)
    return command


def _later(name: str) -> Callable[[Namespace], None]:
    def run(args: Namespace) -> None:
        from .run import COMMANDS

        COMMANDS[name](args)

    return run


def _add_who(command: ArgumentParser) -> None:
    text = "only these; several with commas between"
    command.add_argument("--identity", action="append", metavar="N,…", help=text)
    command.add_argument("--name", action="append", help="only who has this name; may be given again")


def _add_where(command: ArgumentParser) -> None:
    text = "only these, as `stats` lists them; (enrolled) is for enrolled pictures"
    command.add_argument("--cameras", action="append", metavar="A,…", help=text)
    _add_when(command)


def _add_when(command: ArgumentParser) -> None:
    command.add_argument("--classes", action="append", metavar="N,…", help="only these class indices")
    command.add_argument("--from", dest="since", metavar="TIME", help=f"from then on: {_TIME}")
    command.add_argument("--to", dest="until", metavar="TIME", help="until then; a date alone: to the end of it")


def _add_model(command: ArgumentParser) -> None:
    text = "what makes embeddings, as `model` of a tracker YAML (default: what the gallery's cameras use)"
    command.add_argument("--model", default="", metavar="M", help=text)
    command.add_argument("--weights", default="", metavar="W", help="as `weights` of a tracker YAML")
    text = "YOLO model that finds whom a picture shows, and with `--model auto` makes the embeddings"
    command.add_argument("--detector", default="", metavar="D", help=text)


def _add_overwrite(command: ArgumentParser) -> None:
    command.add_argument("--overwrite", action="store_true", help="replace files that are there")


def _add_json(command: ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="for programs: JSON, with times in ISO 8601")


def _add_search(commands: Any) -> None:
    command = _command(commands, "search", "who and what is most alike to a picture, or to somebody")
    query = command.add_mutually_exclusive_group(required=True)
    query.add_argument("--image", type=Path, metavar="FILE", help="a picture of whom is searched for")
    query.add_argument("--identity", dest="of_identity", metavar="N", help="other sightings that are alike to theirs")
    query.add_argument("--name", dest="of_name", metavar="NAME", help="the same, by name")
    _add_where(command)
    command.add_argument("--min-quality", type=float, metavar="Q", help="only sightings as good, 0 to 1")
    command.add_argument("-k", type=int, default=10, metavar="K", help="most visits to show, 1 to 1000 (default: 10)")
    text = "the metric that the cameras have learned, or plain vectors (default: learned)"
    command.add_argument("--by", choices=("learned", "cosine", "euclidean"), default="learned", help=text)
    text = "where the picture was taken, if that is one of the gallery's cameras: allows for its light"
    command.add_argument("--seen-on", metavar="CAMERA", help=text)
    _add_model(command)
    text = "draw a contact sheet too (without FILE: search.png)"
    command.add_argument("--sheet", type=Path, nargs="?", const=Path("search.png"), metavar="FILE", help=text)
    _add_overwrite(command)
    _add_json(command)


def _add_enrol(commands: Any) -> None:
    command = _command(commands, "enrol", "put somebody into the gallery by name, from pictures")
    command.add_argument("images", type=Path, nargs="+", metavar="IMAGE", help="pictures, or folders of pictures")
    command.add_argument(
        "--name", dest="called", required=True, metavar="NAME", help="more pictures of whoever has it already"
    )
    text = "class index, as 15 for a cat among COCO's (default: 0, a person)"
    command.add_argument("--class", dest="cls", type=int, default=0, metavar="N", help=text)
    _add_model(command)


def _add_list(commands: Any) -> None:
    command = _command(commands, "list", "who is in the gallery")
    _add_who(command)
    _add_where(command)
    command.add_argument("--named", action="store_true", help="only who has a name")
    _add_json(command)


def _add_visits(commands: Any) -> None:
    command = _command(commands, "visits", "who was on which camera from when to when, with the ids that `split` takes")
    _add_who(command)
    _add_where(command)
    _add_json(command)


def _add_rename(commands: Any) -> None:
    command = _command(commands, "rename", "give somebody a name")
    command.add_argument("who", metavar="ID", help="number or name")
    command.add_argument("called", metavar="NAME", help="the name; '' takes it away")


def _add_merge(commands: Any) -> None:
    command = _command(commands, "merge", "several identities are one")
    command.add_argument("kept", metavar="KEPT", help="number or name of the identity that stays")
    command.add_argument("gone", nargs="+", metavar="GONE", help="those that become it")
    command.add_argument("--force", action="store_true", help="even if a camera saw them at the same time")


def _add_split(commands: Any) -> None:
    command = _command(commands, "split", "some visits of an identity were somebody else's")
    command.add_argument("who", metavar="ID", help="number or name")
    command.add_argument("visits", nargs="+", metavar="VISIT", help="ids of the visits, as `visits` shows them")


def _add_delete(commands: Any) -> None:
    text = "delete somebody, a camera, a stretch of time, or what lies in all of these"
    command = _command(commands, "delete", text)
    _add_who(command)
    _add_where(command)
    command.add_argument("--yes", action="store_true", help="don't ask")


def _add_prune(commands: Any) -> None:
    command = _command(commands, "prune", "delete what is old; enrolled pictures stay")
    command.add_argument("--keep-days", type=float, required=True, metavar="N", help="delete what is older, above 0")


def _add_stats(commands: Any) -> None:
    _add_json(_command(commands, "stats", "what is in the gallery, and how much"))


def _add_journeys(commands: Any) -> None:
    command = _command(commands, "journeys", "where somebody was, for how long, and how they got from camera to camera")
    _add_who(command)
    _add_where(command)
    text = "visits to a camera less than so many seconds apart are one stay (default: 10)"
    command.add_argument("--join", type=float, default=10.0, metavar="S", help=text)
    text = "what took longer from camera to camera is a return after an absence, and not counted"
    command.add_argument("--within", type=float, default=float("inf"), metavar="S", help=text)
    text = "write all stays with their paths too, as .csv or .parquet"
    command.add_argument("--out", type=Path, metavar="FILE", help=text)
    _add_overwrite(command)


def _add_heatmap(commands: Any) -> None:
    command = _command(commands, "heatmap", "draw where on a camera's picture people spent their time")
    text = "which camera (default: all, a picture each)"
    command.add_argument("--camera", "--cameras", dest="cameras", action="append", metavar="NAME", help=text)
    _add_who(command)
    _add_when(command)
    text = "what the camera sees: a picture, or a video, whose first frame is taken"
    command.add_argument("--background", type=Path, metavar="FILE", help=text)
    command.add_argument("--paths", action="store_true", help="draw the ways they took instead")
    text = "the .png to write; with several cameras their names are added (default: heatmap.png or paths.png)"
    command.add_argument("--out", type=Path, metavar="FILE", help=text)
    _add_overwrite(command)


def _add_export(commands: Any) -> None:
    command = _command(commands, "export-gallery", "write all visits, or embeddings, into a table for other programs")
    command.add_argument("path", type=Path, metavar="PATH", help="a .parquet or .csv")
    _add_who(command)
    _add_where(command)
    command.add_argument("--embeddings", action="store_true", help="sightings with embeddings, .parquet only")
    _add_overwrite(command)


def _add_backup(commands: Any) -> None:
    command = _command(commands, "backup", "copy all of the gallery into a new file, while it is in use")
    command.add_argument("path", type=Path, metavar="PATH", help="the file; never replaced where it is there")
