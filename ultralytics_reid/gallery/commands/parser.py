"""Argument parser of the gallery's commands; slow imports are deferred until a command runs."""

from __future__ import annotations

import os
import re
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from ...config import rule_of

GALLERY_VARIABLE = "ULTRALYTICS_REID_GALLERY"
INDEX_VARIABLE = "ULTRALYTICS_REID_GALLERY_INDEX"
MODEL_VARIABLE = "ULTRALYTICS_REID_MODEL"
WEIGHTS_VARIABLE = "ULTRALYTICS_REID_WEIGHTS"
DETECTOR_VARIABLE = "ULTRALYTICS_REID_DETECTOR"

# Below, `search` shows nothing unless asked.
MIN_PROBABILITY = 0.05

_SEARCH = (
    "--image query.jpg --detector yolo11n.pt --sheet\n--image scene.jpg --detector yolo11n.pt --box 10,20,70,180\n"
    "--name Ada --from -2h --cameras door,yard"
)
_ENROL = "ada1.jpg ada2.jpg --name Ada\nphotos/ --name Ada --model osnet_x0_25 --weights osnet.pth"
_LIST = "--gallery site.db --named\n--from 2026-11-26 --cameras door --json"
_VISITS = "--identity 3,7 --from -1d"
_RENAME = "3 Ada\nAda ''"
_MERGE = "3 7 9\nAda 7 --force"
_SPLIT = "Ada 1201 1202"
_RELINK = "--topology topology.yaml --sheet\n--cameras door,yard --from -1d\n--topology topology.yaml --apply\n--undo"
_TOPOLOGY = "--gallery site.db\n--from -1w --out topology.yaml"
_DELETE = "--name Ada\n--cameras door --to 2026-01-31 --yes"
_PRUNE = "--keep-days 30"
_STATS = "--gallery site.db\n--json"
_JOURNEYS = "--from -1d --within 600\n--name Ada --out stays.csv"
_HEATMAP = "--camera door --background door.mp4\n--camera door --paths --name Ada --out ada.png"
_EXPORT = "visits.csv --from -1w\nembeddings.parquet --embeddings"
# A list in Markdown, which the reference shows as it is.
_EXPORT_COLUMNS = """\
A row is a visit, with these columns:

- `id` of the visit, `identity`, `name` of the identity, `camera` (empty for enrolled images), `class` (its index)
  and `class_name`
- `first`, `last`: when it was seen, UTC; `seconds`: how long
- `link_probability`: that of the link, 0 to 1, at the time when the gallery linked the visit to an identity that it
  knew; empty where it didn't. The probability that `visits` prints is another: whether the identity's most similar
  other visit shows the same individual, by all that is known by now
- `path`: where it was seen, points of `seconds` since `first` and of `left`, `top`, `right` and `bottom` of its box
  as shares of the image; a JSON list of lists in .csv

With --embeddings a row is a sighting: `id`, `identity`, `name`, `visit`, `camera`, `time`, `class`, `class_name`,
`quality` of the crop (0 to 1) and `embedding`."""
_BACKUP = "copy.db"
_REEMBED = "--gallery site.db --head mine.safetensors --out site-mine.db"

_FILTERS = ("identity", "name", "cameras", "classes", "since", "until", "min_quality")
_AGO = re.compile(r"-[\d.]+[a-z]*", re.ASCII)
# How times before now are given: seconds, minutes, hours, days and weeks.
AGO_FORMS = "-90s, -30m, -2h, -3d, -1w"
_TIME = f"2026-11-26, 2026-11-26T09:30, with an offset or local, seconds since 1970, or how long ago: {AGO_FORMS}"


class CommandParser(ArgumentParser):
    """Argument parser of a command; the error for a missing gallery names the environment variable too."""

    def error(self, message: str) -> NoReturn:
        """See `ArgumentParser.error`."""
        if "required" in message and "--gallery" in message:
            message += f"; instead of --gallery, ${GALLERY_VARIABLE} may be set"
        super().error(message)


def bind_times(arguments: Sequence[str]) -> list[str]:
    """Bind times such as `-2h` to their options with `=`; argparse would take them for options."""
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
        commands: The result of `ArgumentParser.add_subparsers`.
    """
    for add in (_add_search, _add_enrol, _add_list, _add_visits, _add_rename, _add_merge, _add_split):
        add(commands)
    for add in (
        _add_relink,
        _add_topology,
        _add_delete,
        _add_prune,
        _add_stats,
        _add_journeys,
        _add_heatmap,
        _add_export,
        _add_backup,
        _add_reembed,
    ):
        add(commands)


def add_command(commands: Any, name: str, text: str, examples: str, more: str = "") -> ArgumentParser:
    """Add a command, with a help text and examples, a line each, below its options.

    Args:
        commands: The result of `ArgumentParser.add_subparsers`.
        name: Name of the command.
        text: What the command does, without a period.
        examples: Arguments, a command line each.
        more: Paragraphs or lists that follow what it does, in Markdown; empty for none.
    """
    lines = "\n".join(f"  ultralytics-reid {name} {line}".rstrip() for line in examples.splitlines())
    command: ArgumentParser = commands.add_parser(
        name,
        help=text,
        description=f"{text[0].upper()}{text[1:]}.\n\n{more}".strip(),
        epilog=f"examples:\n{lines}",
        formatter_class=RawDescriptionHelpFormatter,
    )
    return command


def _add_command(
    commands: Any, name: str, text: str, examples: str, more: str = "", *, has_index: bool = True
) -> ArgumentParser:
    command = add_command(commands, name, text, examples, more)
    command.set_defaults(run=_deferred(name), interrupted="interrupted; no file is half written")
    command.set_defaults(**dict.fromkeys(_FILTERS))
    (add_gallery_options if has_index else _add_gallery)(command)
    return command


def add_gallery_options(command: ArgumentParser) -> None:
    """Add the options that name a gallery, and what searches it."""
    _add_gallery(command)
    index = f"milvus://… that searches it (default: ${INDEX_VARIABLE}, or the gallery itself)"
    command.add_argument("--index", metavar="URI", default=os.environ.get(INDEX_VARIABLE, ""), help=index)


def _add_gallery(command: ArgumentParser) -> None:
    given = os.environ.get(GALLERY_VARIABLE)
    where = f"path of a gallery, or postgresql://… (default: ${GALLERY_VARIABLE})"
    command.add_argument("--gallery", metavar="URI", default=given or None, required=not given, help=where)


def _deferred(name: str) -> Callable[[Namespace], None]:
    def run(args: Namespace) -> None:
        from .run import COMMANDS

        COMMANDS[name](args)

    return run


def _add_identities(command: ArgumentParser) -> None:
    text = "only these identities, separated by commas; with --name, only those that match both"
    command.add_argument("--identity", action="append", metavar="N,…", help=text)
    command.add_argument("--name", action="append", help="only the identity with this name; repeatable")


def _add_visit_filter(command: ArgumentParser) -> None:
    text = "only these cameras, as `stats` lists them; (enrolled) selects enrolled images"
    command.add_argument("--cameras", action="append", metavar="A,…", help=text)
    _add_times(command)


def _add_times(command: ArgumentParser) -> None:
    command.add_argument("--classes", action="append", metavar="C,…", help="only these classes, by index or name")
    command.add_argument("--from", dest="since", metavar="TIME", help=f"start: {_TIME}")
    command.add_argument(
        "--to", dest="until", metavar="TIME", help="end, in the same forms; a date alone: the end of that day"
    )


def add_model_options(command: ArgumentParser) -> None:
    """Add the options that name the embedder of images."""
    text = (
        "embedding model of the gallery's cameras, as `model` of a tracker YAML; needed for images, as no model is "
        f"loaded because a gallery names it (default: ${MODEL_VARIABLE}; auto with a detector)"
    )
    command.add_argument("--model", default=os.environ.get(MODEL_VARIABLE, ""), metavar="M", help=text)
    text = f"weights of the model, as `weights` of a tracker YAML (default: ${WEIGHTS_VARIABLE})"
    command.add_argument("--weights", default=os.environ.get(WEIGHTS_VARIABLE, ""), metavar="W", help=text)
    text = "head of the model, as `head` of a tracker YAML (default: none)"
    command.add_argument("--head", default="", metavar="FILE", help=text)
    text = "colors that the model takes, as `normalize` of a tracker YAML (default: as the gallery or the model says)"
    command.add_argument("--normalize", choices=rule_of("normalize").words, default="auto", help=text)
    text = "their order, as `channels` of a tracker YAML (default: as the gallery or the model says)"
    command.add_argument("--channels", choices=rule_of("channels").words, default="auto", help=text)
    text = "YOLO model that detects the query in an image and, with `--model auto`, computes the embeddings"
    text += f" (default: ${DETECTOR_VARIABLE})"
    command.add_argument("--detector", default=os.environ.get(DETECTOR_VARIABLE, ""), metavar="D", help=text)


def _add_overwrite(command: ArgumentParser) -> None:
    command.add_argument("--overwrite", action="store_true", help="replace existing files")


def _add_json(command: ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="print JSON, with times in ISO 8601")


def _add_search(commands: Any) -> None:
    command = _add_command(commands, "search", "rank visits by similarity to an image or an identity", _SEARCH)
    query = command.add_mutually_exclusive_group(required=True)
    text = "query image: the largest detection of a class that the gallery holds, or the whole image without a detector"
    query.add_argument("--image", type=Path, metavar="FILE", help=text)
    query.add_argument(
        "--identity", dest="of_identity", metavar="N", help="query identity: sightings of others that are similar to it"
    )
    query.add_argument("--name", dest="of_name", metavar="NAME", help="query identity, by name")
    _add_visit_filter(command)
    command.add_argument(
        "--min-quality", type=float, metavar="Q", help="only sightings of at least this crop quality, 0 to 1"
    )
    command.add_argument(
        "-k", type=int, default=10, metavar="K", help="maximum number of visits, 1 to 1000 (default: 10)"
    )
    text = "where the query image shows the individual, pixels (default: it is detected)"
    command.add_argument("--box", metavar="X1,Y1,X2,Y2", help=text)
    text = f"hide visits below this probability, 0 to 1 (default: {MIN_PROBABILITY:g}; 0 shows all)"
    command.add_argument("--min-probability", type=float, default=MIN_PROBABILITY, metavar="P", help=text)
    text = "similarity: the metric learned by the cameras, or that of the plain vectors (default: learned)"
    command.add_argument("--by", choices=("learned", "cosine", "euclidean"), default="learned", help=text)
    text = "camera of the gallery that took the image: removes its mean appearance (illumination)"
    command.add_argument("--seen-on", metavar="CAMERA", help=text)
    add_model_options(command)
    text = "also draw a contact sheet (without FILE: search.png)"
    command.add_argument("--sheet", type=Path, nargs="?", const=Path("search.png"), metavar="FILE", help=text)
    _add_overwrite(command)
    _add_json(command)


def _add_enrol(commands: Any) -> None:
    command = _add_command(commands, "enrol", "add a named identity to the gallery from images", _ENROL)
    command.add_argument("images", type=Path, nargs="+", metavar="IMAGE", help="image files or folders of images")
    text = "name of the identity; if it exists, the images are added to it"
    command.add_argument("--name", dest="new_name", required=True, metavar="NAME", help=text)
    text = "class index, such as 15 for a cat in COCO (default: 0, a person)"
    command.add_argument("--class", dest="cls", type=int, default=0, metavar="N", help=text)
    add_model_options(command)


def _add_list(commands: Any) -> None:
    command = _add_command(commands, "list", "list the identities of the gallery", _LIST)
    _add_identities(command)
    _add_visit_filter(command)
    command.add_argument("--named", action="store_true", help="only identities with a name")
    _add_json(command)


def _add_visits(commands: Any) -> None:
    command = _add_command(
        commands, "visits", "list visits with camera, period and the ids that `split` takes", _VISITS
    )
    _add_identities(command)
    _add_visit_filter(command)
    _add_json(command)


def _add_rename(commands: Any) -> None:
    command = _add_command(commands, "rename", "name an identity", _RENAME)
    command.add_argument("target", metavar="ID", help="number or name of the identity")
    command.add_argument("new_name", metavar="NAME", help="its new name; '' removes it")


def _add_merge(commands: Any) -> None:
    command = _add_command(commands, "merge", "merge several identities into one", _MERGE)
    command.add_argument("kept", metavar="KEPT", help="number or name of the identity that stays")
    command.add_argument("gone", nargs="+", metavar="GONE", help="numbers or names of the identities merged into it")
    command.add_argument(
        "--force", action="store_true", help="merge even if they were visible on one camera at the same time"
    )


def _add_split(commands: Any) -> None:
    command = _add_command(commands, "split", "move some visits of an identity to a new identity", _SPLIT)
    command.add_argument("target", metavar="ID", help="number or name of the identity")
    command.add_argument("visits", nargs="+", metavar="VISIT", help="ids of the visits, as listed by `visits`")


def _add_relink(commands: Any) -> None:
    text = "propose merges and splits from all visits of all cameras, or apply them"
    command = _add_command(commands, "relink", text, _RELINK)
    _add_visit_filter(command)
    text = "travel times and shared views of cameras, as `topology` of a tracker YAML (default: any time, none)"
    command.add_argument("--topology", type=Path, metavar="FILE", help=text)
    step = command.add_mutually_exclusive_group()
    step.add_argument("--apply", action="store_true", help="write it, in one step; running trackers follow")
    step.add_argument("--undo", action="store_true", help="take back what was applied last")
    text = "also draw a contact sheet, where crops are stored (without FILE: relink.png)"
    command.add_argument("--sheet", type=Path, nargs="?", const=Path("relink.png"), metavar="FILE", help=text)
    _add_overwrite(command)
    _add_json(command)


def _add_topology(commands: Any) -> None:
    text = "learn travel times and shared views of cameras from visits, as a topology file"
    command = _add_command(commands, "topology", text, _TOPOLOGY)
    _add_visit_filter(command)
    command.add_argument("--out", type=Path, metavar="FILE", help="YAML file to write (default: print it)")
    _add_overwrite(command)


def _add_delete(commands: Any) -> None:
    text = "delete the sightings and visits that match all the given filters"
    command = _add_command(commands, "delete", text, _DELETE)
    _add_identities(command)
    _add_visit_filter(command)
    command.add_argument("--yes", action="store_true", help="delete without asking")


def _add_prune(commands: Any) -> None:
    command = _add_command(commands, "prune", "delete old sightings and visits; enrolled images stay", _PRUNE)
    command.add_argument("--keep-days", type=float, required=True, metavar="N", help="age limit in days, above 0")


def _add_stats(commands: Any) -> None:
    _add_json(_add_command(commands, "stats", "summarize the contents of the gallery", _STATS))


def _add_journeys(commands: Any) -> None:
    command = _add_command(commands, "journeys", "list stays, dwell times and transitions between cameras", _JOURNEYS)
    _add_identities(command)
    _add_visit_filter(command)
    text = "join visits to a camera less than S seconds apart into one stay (default: 10)"
    command.add_argument("--join", type=float, default=10.0, metavar="S", help=text)
    text = "ignore transitions that took longer than S seconds: returns after an absence (default: none)"
    command.add_argument("--within", type=float, default=float("inf"), metavar="S", help=text)
    text = "also write all stays with their paths, as .csv or .parquet"
    command.add_argument("--out", type=Path, metavar="FILE", help=text)
    _add_overwrite(command)


def _add_heatmap(commands: Any) -> None:
    command = _add_command(commands, "heatmap", "draw dwell time on a camera's image", _HEATMAP)
    text = "camera to draw (default: all, a file each)"
    command.add_argument("--camera", "--cameras", dest="cameras", action="append", metavar="NAME", help=text)
    _add_identities(command)
    _add_times(command)
    text = "the camera's image: an image file, or a video, of which the first frame is used"
    command.add_argument("--background", type=Path, metavar="FILE", help=text)
    command.add_argument("--paths", action="store_true", help="draw trajectories instead of dwell time")
    text = "PNG file to write; several cameras add their names (default: heatmap.png or paths.png)"
    command.add_argument("--out", type=Path, metavar="FILE", help=text)
    _add_overwrite(command)


def _add_export(commands: Any) -> None:
    text = "write visits or embeddings as a table file"
    command = _add_command(commands, "export-gallery", text, _EXPORT, _EXPORT_COLUMNS)
    command.add_argument("path", type=Path, metavar="PATH", help="file to write, .parquet or .csv")
    _add_identities(command)
    _add_visit_filter(command)
    command.add_argument(
        "--embeddings", action="store_true", help="write sightings with their embeddings, .parquet only"
    )
    _add_overwrite(command)


def _add_backup(commands: Any) -> None:
    command = _add_command(commands, "backup", "copy the gallery into a new file, also while it is in use", _BACKUP)
    command.add_argument("path", type=Path, metavar="PATH", help="file to write; an existing one is never replaced")


def _add_reembed(commands: Any) -> None:
    text = "copy the gallery with the embeddings of a trained head; crops aren't needed"
    command = _add_command(commands, "reembed", text, _REEMBED, has_index=False)
    text = "head that `train --head-only` learned for the gallery's embedder"
    command.add_argument("--head", required=True, metavar="FILE", help=text)
    text = "new gallery: a path, or postgresql://…; the old one stays as it is"
    command.add_argument("--out", required=True, metavar="URI", help=text)
