"""Times as people read them: this machine's local time, with its offset from UTC, so that no hour is ambiguous."""

from __future__ import annotations

from datetime import datetime, timezone

from ..errors import GalleryError


def moment(seconds: float) -> str:
    """A time as `2026-10-25 02:30:00 UTC+01:00`.

    Args:
        seconds: Since 1970 (UTC).

    Raises:
        GalleryError: If that isn't between the years 1 and 9999.
    """
    date, time, zone = _parts(seconds)
    return f"{date} {time} {zone}"


def date_and_time(seconds: float) -> tuple[str, str]:
    """A time as two lines, `2026-10-25` and `02:30:00 UTC+01:00`; see `moment`."""
    date, time, zone = _parts(seconds)
    return date, f"{time} {zone}"


def period(first: float, last: float) -> str:
    """From one time to another, in words as short as are clear; see `moment`."""
    (date, time, zone), (end_date, end_time, end_zone) = _parts(first), _parts(last)
    end = end_time if date == end_date else f"{end_date} {end_time}"
    if zone != end_zone:
        return f"{date} {time} {zone} – {end} {end_zone}"
    return f"{date} {time} – {end} {zone}"


def duration(seconds: float) -> str:
    """A length of time as `8.4 s`, `2 min 05 s`, `3 h 07 min` or `2 d 04 h`."""
    if seconds < 59.95:  # noqa: PLR2004
        return f"{seconds:.1f} s"
    minutes, left = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours:02} h"
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {left:02} s"


def _parts(seconds: float) -> tuple[str, str, str]:
    try:
        local = datetime.fromtimestamp(seconds, timezone.utc).astimezone()
    except (ValueError, OverflowError, OSError) as error:
        raise GalleryError(f"a time must be in the years 1 to 9999, got {seconds!r} seconds since 1970") from error
    offset = f"{local:%z}"
    return local.date().isoformat(), f"{local:%H:%M:%S}", f"UTC{offset[:3]}:{offset[3:5]}"
