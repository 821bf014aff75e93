"""Times in the viewer's zone: parsed from forms, and written on pages."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone, tzinfo
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from ..errors import GalleryError

UTC = "UTC"
_LOCAL = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?)?", re.ASCII)


@cache
def _known() -> frozenset[str]:
    return frozenset(available_timezones())


@dataclass(frozen=True)
class Zone:
    """A time zone by its IANA name; UTC where the name isn't known."""

    name: str

    @classmethod
    def named(cls, name: str | None) -> Zone:
        """The zone that a browser names, or UTC."""
        return cls(name if name and name in _known() else UTC)

    @property
    def info(self) -> tzinfo:
        """For `datetime`."""
        return timezone.utc if self.name == UTC else ZoneInfo(self.name)

    def local(self, seconds: float) -> datetime:
        """A time, seconds since 1970 (UTC), in this zone.

        Raises:
            GalleryError: If it isn't in the years 1 to 9999.
        """
        try:
            return datetime.fromtimestamp(seconds, timezone.utc).astimezone(self.info)
        except (ValueError, OverflowError, OSError) as error:
            raise GalleryError(f"a time must be in the years 1 to 9999, got {seconds!r} seconds since 1970") from error

    def parse(self, text: str, *, end: bool = False) -> float | None:
        """Read a date, or a date and time, of this zone; None for an empty text.

        Args:
            text: As a browser's `datetime-local` or `date` field has it.
            end: Whether a date alone means the end of the day.

        Returns:
            Seconds since 1970 (UTC).

        Raises:
            GalleryError: If it is something else.
        """
        text = text.strip()
        if not text:
            return None
        try:
            if not _LOCAL.fullmatch(text):
                raise ValueError
            given = datetime.fromisoformat(text.replace(" ", "T")).replace(tzinfo=self.info)
            is_day = len(text) == len("2026-11-26")
            return (given + timedelta(days=1)).timestamp() - 1e-3 if end and is_day else given.timestamp()
        except (ValueError, OverflowError) as error:
            raise GalleryError(f"a time must be as 2026-11-26 or 2026-11-26T09:30, got {text[:40]!r}") from error

    def field(self, seconds: float | None) -> str:
        """A time as a `datetime-local` field takes it; empty for None."""
        return "" if seconds is None else self.local(seconds).strftime("%Y-%m-%dT%H:%M")

    def moment(self, seconds: float) -> str:
        """A time to the second, as `26 Nov 2026, 09:30:15`."""
        local = self.local(seconds)
        return f"{local.day} {local:%b} {local.year}, {local:%H:%M:%S}"

    def clock(self, seconds: float) -> str:
        """The time of the day, as `09:30`."""
        return f"{self.local(seconds):%H:%M}"

    def period(self, first: float, last: float) -> str:
        """A period, whose day isn't repeated."""
        if self.local(first).date() == self.local(last).date():
            return f"{self.moment(first)} – {self.local(last):%H:%M:%S}"
        return f"{self.moment(first)} – {self.moment(last)}"
