"""Trackers by what the command line says: `botsort:with_reid=True,proximity_thresh=0`, `boxmot/botsort`, a YAML."""

from __future__ import annotations

import difflib
import re
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from ..data.recipe import NONE, SIMULATED
from ..errors import ChoiceError
from . import boxmot, roboflow
from .base import Contender
from .host import HostContender, host_contender, host_names, with_embedder
from .stock import COMPARED_REID

_CHANGE = re.compile(r"\w+=.*", re.DOTALL)


def add_compared(parser: ArgumentParser) -> None:
    """Add `--trackers`, which `compared` reads."""
    text = "name, or name:key=value,key=value (default: botsort and tracktrack with_reid, reid_botsort)"
    parser.add_argument("--trackers", nargs="+", metavar="LIST", help=text)


def compared(args: Namespace) -> Sequence[Contender]:
    """Configure the trackers that `--trackers` names, or those that runs take apart; all are given embeddings.

    Raises:
        ChoiceError: See `choose`.
    """
    return choose(args.trackers, {}, SIMULATED) if args.trackers else COMPARED_REID


def choose(texts: Sequence[str], thresholds: Mapping[str, float], embedder: str) -> list[Contender]:
    """Configure trackers.

    Args:
        texts: Trackers by name or by YAML, followed by `:key=value,key=value` for keys that differ from it;
            several in one text are separated by commas.
        thresholds: Scores by `THRESHOLDS`, for all trackers.
        embedder: Where embeddings come from; see `Recipe`.

    Raises:
        ChoiceError: If there is no such tracker or key, or one asks for embeddings where there are none.
    """
    made = [_contender(text, thresholds, embedder) for text in split(texts)]
    labels = [contender.label for contender in made]
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice:
        raise ChoiceError(f"asked for twice: {', '.join(twice)}")
    return made


def split(texts: Sequence[str]) -> list[str]:
    """Split texts into trackers, each with its changes, though both are separated by commas.

    >>> split(["botsort:with_reid=True,proximity_thresh=0,bytetrack"])
    ['botsort:with_reid=True,proximity_thresh=0', 'bytetrack']
    """
    found: list[str] = []
    for piece in (p.strip() for text in texts for p in text.split(",") if p.strip()):
        if not _CHANGE.fullmatch(piece):
            found.append(piece)
        elif found and ":" in found[-1]:
            found[-1] += f",{piece}"
        else:
            before = found[-1] if found else "TRACKER"
            raise ChoiceError(f"{piece}: no tracker; changes come behind a colon, {before}:{piece}")
    return found


def _contender(text: str, thresholds: Mapping[str, float], embedder: str) -> Contender:
    name, _, told = text.partition(":")
    changes = dict(_change(text, piece) for piece in told.split(",") if piece)
    if name.startswith(boxmot.PREFIX):
        return boxmot.boxmot_contender(name[len(boxmot.PREFIX) :], text, changes, thresholds, embedder != NONE)
    if name.startswith(roboflow.PREFIX):
        return roboflow.roboflow_contender(name[len(roboflow.PREFIX) :], text, changes, thresholds)
    _need_host(name)
    contender: HostContender = host_contender(name, text, changes, thresholds)
    if embedder == NONE and contender.changes.get("with_reid"):
        raise ChoiceError(f"{text}: with_reid needs embeddings: choose an --embedder")
    return with_embedder(contender, embedder)


def _need_host(name: str) -> None:
    """Raise `ChoiceError`, with the nearest name, for a tracker that the host doesn't have."""
    is_yaml = Path(name).suffix in {".yaml", ".yml"}
    if name in host_names() or (is_yaml and (Path(name).is_file() or name.removesuffix(".yaml") in host_names())):
        return
    known = [*host_names(), *(boxmot.PREFIX + n for n in boxmot.boxmot_names() or ["NAME"])]
    known += [roboflow.PREFIX + n for n in roboflow.roboflow_names() or ["NAME"]]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f", perhaps {near[0]}" if near else ""
    raise ChoiceError(f"no tracker {name!r}{hint}; there are {', '.join(known)}, and any tracker YAML by its path")


def _change(text: str, piece: str) -> tuple[str, Any]:
    key, equals, value = piece.partition("=")
    if not equals:
        raise ChoiceError(f"{text}: {piece!r} is no key=value")
    try:
        return key.strip(), _value(value)
    except yaml.YAMLError as error:
        raise ChoiceError(f"{text}: {value!r} is no YAML value ({error})") from None


def _value(text: str) -> Any:
    value = yaml.safe_load(text)
    try:
        # YAML 1.1 parses 1e-3 as a string.
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value
