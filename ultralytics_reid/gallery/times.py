"""Format times as local time with the offset from UTC, so that no hour is ambiguous."""

from __future__ import annotations

from datetime import datetime, timezone

from ..errors import GalleryError

# The year of this release began, seconds since 1970 (UTC): a clock that is behind it isn't set yet.
RELEASED = 1_767_225_600.0


def local_time(seconds: float) -> datetime:
    """Convert seconds since 1970 (UTC) to local time, with its offset.

    Raises:
        GalleryError: If the time isn't in the years 1 to 9999.
    """
    try:
        return datetime.fromtimestamp(seconds, timezone.utc).astimezone()
    except (ValueError, OverflowError, OSError) as error:
        raise GalleryError(f"a time must be in the years 1 to 9999, got {seconds!r} seconds since 1970") from error


def moment(seconds: float) -> str:
    """Format a time as `2026-10-25 02:30:00 UTC+01:00`.

    Args:
        seconds: Since 1970 (UTC).

    Raises:
        GalleryError: If the time isn't in the years 1 to 9999.
    """
    date, time, zone = _parts(seconds)
    return f"{date} {time} {zone}"


def date_and_time(seconds: float) -> tuple[str, str]:
    """Format a time as two lines, `2026-10-25` and `02:30:00 UTC+01:00`; see `moment`."""
    date, time, zone = _parts(seconds)
    return date, f"{time} {zone}"


def period(first: float, last: float) -> str:
    """Format an interval, without repeating a common date or offset; see `moment`."""
    (date, time, zone), (end_date, end_time, end_zone) = _parts(first), _parts(last)
    end = end_time if date == end_date else f"{end_date} {end_time}"
    if zone != end_zone:
        return f"{date} {time} {zone} – {end} {end_zone}"
    return f"{date} {time} – {end} {zone}"


def duration(seconds: float) -> str:
    """Format a duration as `8.4 s`, `2 min 05 s`, `3 h 07 min` or `2 d 04 h`."""
    if seconds < 59.95:  # noqa: PLR2004
        return f"{seconds:.1f} s"
    minutes, left = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours:02} h"
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {left:02} s"


def _parts(seconds: float) -> tuple[str, str, str]:
    local = local_time(seconds)
    offset = f"{local:%z}"
    zone = f"UTC{offset[:3]}:{offset[3:5]}" if local.utcoffset() else "UTC"
    return local.date().isoformat(), f"{local:%H:%M:%S}", zone
