"""What a page shows, as its address says it: cameras, classes, times, persons, sorting."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.datastructures import QueryParams

from ..errors import GalleryError
from ..gallery.records import LAST_ID, Filter
from .zones import Zone

_MAX_CLASS = 2**31 - 1
_MAX_VALUES, _MAX_LETTERS = 100, 300
_KEYS = ("camera", "cls", "from", "to", "person")


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
            classes=_numbers(classes, "cls", _MAX_CLASS),
            since=zone.parse(query.get("from", "")),
            until=zone.parse(query.get("to", ""), end=True),
        )
        if where.since is not None and where.until is not None and where.since > where.until:
            raise GalleryError("'from' must not be after 'to'")
        return cls(where, zone, params)

    def get(self, key: str, default: str = "") -> str:
        """The last value of a parameter."""
        return dict(self.params).get(key, default)

    def all(self, key: str) -> list[str]:
        """All values of a parameter."""
        return [value for name, value in self.params if name == key]

    def number(self, key: str, default: int, most: int) -> int:
        """A whole number in [1, `most`]; the default for anything else."""
        text = self.get(key)
        return (
            min(max(int(text), 1), most)
            if text.isascii() and text.isdecimal() and len(text) < len("1" * 10)
            else default
        )

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

    def filter_query(self, **changes: str | int | None) -> str:
        """The parameters that choose visits, for links to other pages, with some changed."""
        kept = [(key, value) for key, value in self.params if key in (*_KEYS, "tz") and key not in changes]
        times = {"tz": self.zone.name} if any(key in ("from", "to") for key, _ in kept) else {}
        added = [(key, str(value)) for key, value in changes.items() if value not in (None, "")]
        return urlencode(kept + added + [(k, v) for k, v in times.items() if k not in dict(kept)])


def _numbers(texts: list[str], key: str, most: int) -> frozenset[int] | None:
    given = [text for text in texts if text]
    for text in given:
        if not (text.isascii() and text.isdecimal() and len(text) <= len(str(most)) and int(text) <= most):
            raise GalleryError(f"{key!r} must be a whole number in [0, {most}], got {text[:40]!r}")
    return frozenset(map(int, given)) or None
