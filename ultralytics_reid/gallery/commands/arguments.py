"""Parse times, cameras and identities given on the command line, and check them against the gallery."""

from __future__ import annotations

import re
import time
from argparse import Namespace
from collections.abc import Sequence
from datetime import date, datetime, timedelta

from ...errors import GalleryError
from ..gallery import Gallery
from ..records import ENROLLED, LAST_CLASS, LAST_ID, Filter
from ..times import moment
from ..whole_numbers import parse_whole
from .parser import AGO_FORMS

# The camera name of enrolled images, in tables and on the command line.
ENROLLED_SHOWN = "(enrolled)"
LAST_VISIT = 2**63 - 1
# Of a visit's id, which has 19: enough to tell apart the visits of one identity.
MIN_VISIT_DIGITS = 6

_TIMES = (
    "2026-11-26 (a day), 2026-11-26T09:30 or 2026-11-26T09:30:15 (local, unless Z or an offset as +01:00 follows), "
    f"seconds since 1970, or how long ago: {AGO_FORMS}"
)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_AGO = re.compile(r"-(\d+(?:\.\d+)?)([smhdw])", re.ASCII)
_EPOCH = re.compile(r"\d+(?:\.\d+)?", re.ASCII)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
# Also the form of the tables, with "UTC" before the offset.
_INSTANT = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?(?: ?(Z|UTC|(?:UTC)?([+-]\d\d)(?::?(\d\d))?))?",
    re.ASCII | re.IGNORECASE,
)
# In 1973: smaller numbers, such as 2026 or 20261126, are hardly meant as seconds.
_MIN_EPOCH = 1e8
_MICROSECOND = 1e-6
_MAX_SHOWN = 20


def parse_time(text: str, option: str, *, end: bool = False, now: float | None = None) -> float:
    """Parse a time.

    Args:
        text: A date, a date and time with or without offset, seconds since 1970, or a time before now, such as `-2h`.
        option: Name of the option, for the message.
        end: Whether a date alone means its last moment rather than its first.
        now: Current time, seconds since 1970; None for the system clock.

    Returns:
        Seconds since 1970 (UTC).

    Raises:
        GalleryError: If the text is none of these, or not in the years 1 to 9999; the message lists the forms.
    """
    try:
        seconds = _parse_seconds(text.strip(), end, time.time() if now is None else now)
        if seconds is not None:
            moment(seconds)  # raises outside the years 1 to 9999
            return seconds
    except (ValueError, OverflowError, OSError, GalleryError):
        pass
    raise GalleryError(f"{option} must be {_TIMES}; got {text!r}")


def _parse_seconds(text: str, end: bool, now: float) -> float | None:
    if ago := _AGO.fullmatch(text):
        return now - float(ago[1]) * _UNITS[ago[2]]
    if _EPOCH.fullmatch(text):
        return float(text) if float(text) >= _MIN_EPOCH else None
    if _DAY.fullmatch(text):
        return _day(date.fromisoformat(text), end)
    if found := _INSTANT.fullmatch(text):
        return _instant(found)
    return None


def _day(day: date, end: bool) -> float:
    """First or last moment of a local day, which may have 23 or 25 hours."""
    following = day + timedelta(days=1) if end else day
    start = datetime.combine(following, datetime.min.time()).timestamp()
    return start - _MICROSECOND if end else start


def _instant(found: re.Match[str]) -> float:
    # Python 3.10 parses neither Z nor fractions of arbitrary length.
    offset = "" if not found[5] else "+00:00" if not found[6] else f"{found[6]}:{found[7] or '00'}"
    fraction = f"{found[4] or '':0<6}"[:6]
    return datetime.fromisoformat(f"{found[1]}T{found[2]}:{found[3] or '00'}.{fraction}{offset}").timestamp()


def parse_filter(gallery: Gallery, args: Namespace) -> Filter:
    """Build the filter from the options of a command.

    Args:
        gallery: The gallery that must contain the cameras, names and identities.
        args: `identity`, `name`, `cameras` and `classes` (lists of texts, or None), `since`, `until` (texts, or None)
            and `min_quality` (or None).

    Raises:
        GalleryError: If a value is malformed or out of range, or the gallery has no such camera, name or identity.
    """
    since, until = _parse_interval(args.since, args.until)
    quality = args.min_quality
    if quality is not None and not 0 <= quality <= 1:
        raise GalleryError(f"--min-quality must be in [0, 1], got {quality!r}")
    classes = None if args.classes is None else frozenset(_classes(gallery, args.classes))
    return Filter(
        identities=_identities(gallery, args.identity, args.name),
        cameras=None if args.cameras is None else frozenset(parse_cameras(gallery, args.cameras)),
        classes=classes,
        since=since,
        until=until,
        min_quality=quality,
    )


def _parse_interval(since: str | None, until: str | None) -> tuple[float | None, float | None]:
    now = time.time()
    begin = None if since is None else parse_time(since, "--from", now=now)
    end = None if until is None else parse_time(until, "--to", end=True, now=now)
    if begin is not None and end is not None and begin > end:
        raise GalleryError(f"--from must not be after --to, got {moment(begin)} and {moment(end)}")
    return begin, end


def _identities(gallery: Gallery, numbers: list[str] | None, names: list[str] | None) -> frozenset[int] | None:
    """Intersect the identities given by number with those given by name, as all options of a filter."""
    chosen: list[frozenset[int]] = []
    if numbers is not None:
        given = _numbers(numbers, "--identity", 1, LAST_ID, " (for names: --name)")
        chosen.append(frozenset(existing_identity(gallery, n) for n in given))
    if names is not None:
        chosen.append(frozenset(identity_by_name(gallery, name) for name in names))
    return frozenset.intersection(*chosen) if chosen else None


def _classes(gallery: Gallery, texts: Sequence[str]) -> list[int]:
    """Parse class indices, or names as the gallery has them; each text holds one or several, separated by commas."""
    index = {name: cls for cls, name in gallery.class_names.items()}
    parts = [part.strip() for text in texts for part in text.split(",")]
    hint = f" or names; {_listed(list(index))}" if index else ""
    return [index[part] if part in index else parse_integer(part, "--classes", 0, LAST_CLASS, hint) for part in parts]


def _numbers(texts: Sequence[str], option: str, low: int, high: int, hint: str = "") -> list[int]:
    """Parse integers; each text holds one or several, separated by commas."""
    return [parse_integer(n, option, low, high, hint) for text in texts for n in text.split(",")]


def parse_integer(text: str, what: str, low: int, high: int, hint: str = "") -> int:
    """Parse an integer in [`low`, `high`].

    Raises:
        GalleryError: If the text is no integer, or out of range.
    """
    number = parse_whole(text.strip(), high)
    if number is None or number < low:
        raise GalleryError(f"{what} must be whole numbers in [{low}, {high}]{hint}, got {text!r}")
    return number


def parse_visits(gallery: Gallery, identity: int, texts: Sequence[str]) -> list[int]:
    """Resolve visits of an identity, given by their ids or by the last digits that `visits` shows.

    Raises:
        GalleryError: If a text is no id, or several visits of the identity end in it.
    """
    own = [v.id for v in gallery.visits(Filter(identities=frozenset({identity})), details=False)]
    return [_parse_visit(text.strip(), own, identity) for text in texts]


def _parse_visit(text: str, own: Sequence[int], identity: int) -> int:
    number = parse_integer(text, "visits", 0, LAST_VISIT)
    ending = [visit for visit in own if str(visit).endswith(text)] if len(text) >= MIN_VISIT_DIGITS else []
    if number in own or not ending:
        return number  # `split` refuses those that it hasn't
    if len(ending) > 1:
        raise GalleryError(
            f"{len(ending)} visits of identity {identity} end in {text}: {_listed(list(map(str, ending)))}"
        )
    return ending[0]


def short_visits(ids: Sequence[int]) -> list[str]:
    """Shorten ids of visits to their last digits, as many as tell them apart."""
    digits = MIN_VISIT_DIGITS
    while len({str(visit)[-digits:] for visit in ids}) < len(set(ids)):
        digits += 1
    return [str(visit)[-digits:] for visit in ids]


def parse_identity(gallery: Gallery, text: str) -> int:
    """Resolve an identity given by number or by name; digits are a number.

    Raises:
        GalleryError: If no identity has that number or name, or several have that name.
    """
    if text.isascii() and text.isdecimal():
        return existing_identity(gallery, parse_integer(text, "identities", 1, LAST_ID))
    return identity_by_name(gallery, text)


def parse_box(text: str) -> list[float]:
    """Parse four numbers, separated by commas.

    Raises:
        GalleryError: If they are none, or not four.
    """
    try:
        box = [float(part) for part in text.split(",")]
    except ValueError:
        box = []
    if len(box) != len("xyxy"):
        raise GalleryError(f"--box must be x1,y1,x2,y2 in pixels, got {text!r}")
    return box


def existing_identity(gallery: Gallery, identity: int) -> int:
    """Check that an identity is in the gallery, and return it.

    Raises:
        GalleryError: If it isn't.
    """
    if next(gallery.visits(Filter(identities=frozenset({identity})), details=False), None) is None:
        raise GalleryError(f"there is no identity {identity} in the gallery")
    return identity


def identity_by_name(gallery: Gallery, name: str) -> int:
    """Resolve an identity by its name.

    Raises:
        GalleryError: If no identity has the name, or several have.
    """
    found = gallery.find(name)
    if found is None:
        names = sorted(set(gallery.store.names().values()))
        raise GalleryError(f"no identity is named {name!r}; {_listed(names) if names else 'none has a name yet'}")
    return found


def parse_cameras(gallery: Gallery, texts: Sequence[str]) -> list[str]:
    """Resolve cameras by name; each text holds one or several, separated by commas, which names may contain too.

    Raises:
        GalleryError: If the gallery has no such camera; the message lists its cameras.
    """
    split = ([text] if _has_camera(gallery, text) else [part.strip() for part in text.split(",")] for text in texts)
    parts = [part for given in split for part in given]
    names = [ENROLLED if part == ENROLLED_SHOWN else part for part in parts]
    for name in names:
        if not _has_camera(gallery, name):
            known = [n or ENROLLED_SHOWN for n in all_cameras(gallery)]
            raise GalleryError(f"no camera {name!r}; {_listed(known) if known else 'there are none yet'}")
    return list(dict.fromkeys(names))


def _has_camera(gallery: Gallery, camera: str) -> bool:
    return next(gallery.visits(Filter(cameras=frozenset({camera})), details=False), None) is not None


def all_cameras(gallery: Gallery, where: Filter | None = None) -> list[str]:
    """List the cameras with visits that match the filter (default: all visits), sorted by name."""
    return sorted({v.camera for v in gallery.visits(where or Filter(), details=False)})


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _MAX_SHOWN
    return f"there are: {', '.join(names[:_MAX_SHOWN])}" + (f" and {more} more" if more > 0 else "")
