"""What a page shows, as its address says it: cameras, classes, times, persons, sorting."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.datastructures import QueryParams

from ..errors import GalleryError
from ..gallery.records import LAST_CLASS, LAST_ID, Filter
from ..gallery.whole_numbers import parse_whole
from .zones import Zone

_MAX_VALUES, _MAX_LETTERS = 100, 300


@dataclass(frozen=True)
class Choice:
    """A page's filter.

    Attributes:
        where: The filter of visits.
        zone: Of times in the address and on the page.
        params: What the address says, without what is empty.
    """

    where: Filter
    zone: Zone
    params: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, query: QueryParams, viewer: str | None) -> Choice:
        """Read an address.

        Args:
            query: Its parameters; those that are unknown are kept for links.
            viewer: The viewer's time zone, where the address names none.

        Raises:
            GalleryError: If a value is out of range.
        """
        params = tuple((key, value) for key, value in query.multi_items() if value)
        if len(params) > _MAX_VALUES or any(len(value) > _MAX_LETTERS for _, value in params):
            raise GalleryError(f"an address may have {_MAX_VALUES} values of {_MAX_LETTERS} letters at most")
        zone = Zone.named(query.get("tz") or viewer)
        cameras, classes, persons = (query.getlist(key) for key in ("camera", "cls", "person"))
        where = Filter(
            identities=_numbers(persons, "person", LAST_ID),
            cameras=frozenset(c for c in cameras if c) or None,
            classes=_numbers(classes, "cls", LAST_CLASS),
            since=zone.parse(query.get("from", "")),
            until=zone.parse(query.get("to", ""), end=True),
        )
        if where.since is not None and where.until is not None and where.since > where.until:
            raise GalleryError("'from' must not be after 'to'")
        return cls(where, zone, params)

    def get(self, key: str, default: str = "") -> str:
        """The last value of a parameter."""
        return dict(self.params).get(key, default)

    def number(self, key: str, default: int, most: int) -> int:
        """A whole number in [1, `most`]; the default for anything else."""
        given = parse_whole(self.get(key))
        return default if given is None else min(max(given, 1), most)

    def one_of(self, key: str, allowed: Iterable[str]) -> str:
        """A parameter's value if it is one of these; the first of them otherwise."""
        listed = list(allowed)
        value = self.get(key)
        return value if value in listed else listed[0]

    def query(self, **changes: str | int | None) -> str:
        """The address's parameters with some changed, or left out by None."""
        kept = [(key, value) for key, value in self.params if key not in changes]
        added = [(key, str(value)) for key, value in changes.items() if value not in (None, "")]
        return urlencode(kept + added)


def _numbers(texts: list[str], key: str, most: int) -> frozenset[int] | None:
    found = set()
    for text in filter(None, texts):
        number = parse_whole(text, most)
        if number is None:
            raise GalleryError(f"{key!r} must be a whole number in [0, {most}], got {text[:40]!r}")
        found.add(number)
    return frozenset(found) or None
