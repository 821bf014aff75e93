"""The report: one HTML page that needs nothing else, with a timeline, crops of each identity, and events."""

from __future__ import annotations

from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path

from .. import __version__
from ..drawing.colors import (
    FAINT,
    INK,
    LINE,
    NIGHT_FAINT,
    NIGHT_INK,
    NIGHT_LINE,
    NIGHT_PAPER,
    PAPER,
    color_of,
)
from ..events import Event, Linked, Revival, RevivalReverted
from ..gallery.export.atomic_file import atomic_write
from ..gallery.times import duration
from ..refinement.changes import ABSORBED, DROPPED, Change
from .crops import MAX_IDENTITIES, Crop, sheet_identities
from .options import SUFFIXES
from .outcomes import Outcome, outcomes
from .timeline import timeline_svg
from .tracked import IdentityTrack, TrackedVideo

# Rows listed of a table; more are counted.
_MAX_EVENTS = 200
# Merges of a lower probability are marked.
_SURE = 0.8
# Seconds below which an absence is shown as none.
_MIN_GAP = 0.05
_PRIVACY = (
    "This page shows people, and which images show the same person. Re-identification of people is regulated in many "
    "places: share it only with those who may see it, and delete it when it has served its purpose."
)
# The page may load nothing: neither from the network nor from the disk.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
# Ids keep their colors, lighter on a dark page. On a narrow one crops stand below their id, and wide parts scroll.
_STYLE = f"""
:root {{ color-scheme: light dark; --ink: {INK}; --paper: {PAPER}; --faint: {FAINT}; --line: {LINE}; }}
body {{ font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 1120px;
  margin: 32px auto; padding: 0 20px; }}
h1 {{ font-size: 26px; margin: 0; overflow-wrap: anywhere; }} h2 {{ font-size: 19px; margin: 36px 0 10px; }}
.faint {{ color: var(--faint); }} .figures {{ display: flex; flex-wrap: wrap; gap: 12px 40px; margin: 20px 0; }}
.figures b {{ display: block; font-size: 24px; line-height: 1.2; }}
.identity {{ border-top: 1px solid var(--line); padding: 10px 0; display: flex; gap: 16px; }}
.who {{ flex: 0 0 170px; border-left: 6px solid; padding-left: 12px; }} .who b {{ font-size: 19px; }}
.crops {{ display: flex; flex-wrap: wrap; gap: 8px; }} figure {{ margin: 0; }}
figure img {{ display: block; height: 128px; border-radius: 3px; }}
figcaption {{ font-size: 12px; color: var(--faint); }}
table {{ border-collapse: collapse; }} th, td {{ text-align: left; padding: 3px 18px 3px 0; vertical-align: top; }}
th {{ color: var(--faint); font-weight: normal; border-bottom: 1px solid var(--line); }}
.wide {{ overflow-x: auto; }} svg {{ width: 100%; min-width: 760px; height: auto; }}
footer {{ margin-top: 40px; border-top: 1px solid var(--line); padding-top: 12px; font-size: 13px; }}
@media (max-width: 640px) {{
  body {{ margin: 16px auto; padding: 0 12px; }} td, th {{ padding-right: 10px; }}
  .identity {{ flex-direction: column; gap: 8px; }} .who {{ flex: none; }}
  .crops {{ flex-wrap: nowrap; overflow-x: auto; }} figure {{ flex: none; }} figure img {{ height: 96px; }}
}}
@media (prefers-color-scheme: dark) {{
  :root {{ --ink: {NIGHT_INK}; --paper: {NIGHT_PAPER}; --faint: {NIGHT_FAINT}; --line: {NIGHT_LINE}; }}
  .who b, svg [data-id] {{ filter: brightness(1.7); }}
}}
"""


def write_report(path: Path, tracked: TrackedVideo, crops: Mapping[int, Sequence[Crop]], how: str) -> None:
    """Write the report.

    Args:
        path: The `.html` to write.
        tracked: The tracked video, with final ids.
        crops: Crops by identity.
        how: How it was made: model, tracker, and so on.

    Raises:
        GalleryError: If it can't be written.
    """
    with atomic_write(path, (SUFFIXES["report"],)) as part:
        part.write_text(report_html(tracked, crops, how), encoding="utf-8")


def report_html(tracked: TrackedVideo, crops: Mapping[int, Sequence[Crop]], how: str) -> str:
    """Build the page; see `write_report`. All names are escaped."""
    name = escape(tracked.name)
    parts = [
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{name}: identities</title>',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<style>{_STYLE}</style>\n</head>\n<body>",
        f"<h1>{name}</h1>",
        _figures(tracked),
        *_identities(tracked, crops),
        *_events(tracked.events),
        *_second_pass(tracked),
        f"<footer><p>{_PRIVACY}</p>",
        f'<p class="faint">{escape(how)}; ultralytics-reid {escape(__version__)}</p></footer>\n</body>\n</html>\n',
    ]
    return "\n".join(parts)


def _figures(tracked: TrackedVideo) -> str:
    tracks = tracked.identities
    counts = Counter(tracked.class_name(track.cls) for track in tracks)
    figures = [(f"{n:,}", f"{'id' if n == 1 else 'ids'}, {name}") for name, n in counts.most_common()] or [("0", "ids")]
    figures += [
        (duration(len(tracked.times) / tracked.fps), f"{len(tracked.times):,} frames, {tracked.fps:.3g} per second"),
        (f"{sum(len(track.absences) for track in tracks):,}", "times back after a second or more"),
        (f"{len(tracked.rows):,}", "boxes with an id"),
    ]
    shown = (f"<div><b>{escape(figure)}</b>{escape(text)}</div>" for figure, text in figures)
    return f'<div class="figures">{"".join(shown)}</div>'


def _identities(tracked: TrackedVideo, crops: Mapping[int, Sequence[Crop]]) -> Iterable[str]:
    if not tracked.identities:
        yield "<p>No individual was tracked.</p>"
        return
    yield "<h2>When each was in view</h2>"
    yield f'<div class="wide">{timeline_svg(tracked)}</div>'
    yield "<h2>What each looks like</h2>"
    if not crops:
        yield '<p class="faint">There are no images.</p>'
    for track in sheet_identities(tracked):
        yield _identity(track, tracked, crops.get(track.identity, ()))
    if more := len(tracked.identities) - MAX_IDENTITIES:
        yield f'<p class="faint">and {more:,} more with fewer boxes</p>' if more > 0 else ""


def _identity(track: IdentityTrack, tracked: TrackedVideo, crops: Sequence[Crop]) -> str:
    away = len(track.absences)
    lines = [
        escape(tracked.class_name(track.cls)),
        f"{duration(track.first)} to {duration(track.last)}",
        f"in view {duration(track.seconds)}",
        f"back {away} {'time' if away == 1 else 'times'}" if away else "",
    ]
    text = "<br>".join(line for line in lines if line)
    color = color_of(track.identity)
    who = (
        f'<div class="who" style="border-color: {color}"><b style="color: {color}">{track.identity}</b><br>{text}</div>'
    )
    shown = "".join(_crop(crop, track, tracked) for crop in crops)
    return f'<div class="identity">{who}<div class="crops">{shown}</div></div>'


def _crop(crop: Crop, track: IdentityTrack, tracked: TrackedVideo) -> str:
    seconds = duration(tracked.time_of(crop.frame))
    image = b64encode(crop.jpeg).decode("ascii")
    source = f'src="data:image/jpeg;base64,{image}" alt="{track.identity} at {seconds}"'
    return f"<figure><img {source}><figcaption>{seconds}</figcaption></figure>"


def _events(events: Sequence[Event]) -> Iterable[str]:
    if not events:
        return
    rows = [_event_row(event) for event in events[:_MAX_EVENTS]]
    head = "<tr><th>at</th><th>id</th><th>what the tracker decided then</th></tr>"
    yield f'<h2>Events</h2>\n<div class="wide"><table>{head}{"".join(rows)}</table></div>'
    if len(events) > _MAX_EVENTS:
        yield f'<p class="faint">and {len(events) - _MAX_EVENTS:,} more</p>'


def _event_row(event: Event) -> str:
    identity = getattr(event, "identity_id", None)
    shown = "" if identity is None else str(identity)
    return f"<tr><td>{duration(event.time)}</td><td>{shown}</td><td>{escape(event_text(event))}</td></tr>"


def _second_pass(tracked: TrackedVideo) -> Iterable[str]:
    if tracked.before is None:
        return
    yield "<h2>What the second pass changed</h2>"
    made = [_outcome_cells(outcome) for outcome in outcomes(tracked)]
    out = [_left_out_cells(change, tracked) for change in tracked.changes if change.kind in (DROPPED, ABSORBED)]
    if not made and not out:
        yield "<p>Nothing.</p>"
    yield from _table(("id", "made of the first pass's", "least probability of its merges", ""), made)
    yield from _table(("frames", "left out of the first pass's", "why"), out)
    yield '<p class="faint">Events of the tracker name ids of the first pass, and are not listed.</p>'


def _outcome_cells(outcome: Outcome) -> tuple[str, ...]:
    made_of = ", ".join(str(i) if share == 1 else f"a part of {i}" for i, share in outcome.shares.items())
    if outcome.probability is None:
        return (str(outcome.identity), made_of, "", "")
    sure = "" if outcome.probability >= _SURE else "less sure"
    return (str(outcome.identity), made_of, f"{outcome.probability:.2f}", sure)


def _left_out_cells(change: Change, tracked: TrackedVideo) -> tuple[str, ...]:
    frames = "–".join(str(tracked.source_frame(frame)) for frame in change.frames)
    return frames, " ".join(map(str, change.ids)), change.reason


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterable[str]:
    if not rows:
        return
    lines = [f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows[:_MAX_EVENTS]]
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    yield f'<div class="wide"><table><tr>{top}</tr>{"".join(lines)}</table></div>'
    if len(rows) > _MAX_EVENTS:
        yield f'<p class="faint">and {len(rows) - _MAX_EVENTS:,} more</p>'


def event_text(event: Event) -> str:
    """Say what an event is, in words."""
    if isinstance(event, Revival):
        before = f", shown as {event.previous_id} until then" if event.previous_id is not None else ""
        if event.corrected:
            return f"id switch corrected{before}"
        when = f"after {duration(event.gap)}" if event.gap >= _MIN_GAP else "at once"
        return f"recognized {when} (similarity {event.similarity:.2f}){before}"
    if isinstance(event, RevivalReverted):
        return f"recognition as {event.previous_id} reverted"
    if isinstance(event, Linked):
        what = (
            "new to the gallery" if event.new else f"known to the gallery from {event.camera_id or 'enrolled images'}"
        )
        return f"{what}, shown as {event.previous_id} until then"
    return type(event).__name__
