"""Tables out of a gallery: Parquet and CSV files for other programs, short ones to read on a terminal.

Files are written a few thousand rows at a time, so that millions need no more memory than a few thousand do. In CSV
that is simple. Polars writes a Parquet file in one go, or streams it out of other Parquet files: so each batch becomes
a file of its own first, in a hidden folder beside what is written, which takes as much disk again meanwhile.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from ..._typing import Doubles, Floats
from ...errors import GalleryError
from ...evaluation.markdown import table
from ..journeys import Dwell, Journey, Stay, Transition
from ..records import ENROLLED, Records, Visit, nothing
from ..times import duration, moment
from .atomic_file import whole

if TYPE_CHECKING:
    import polars as pl

PARQUET, CSV = ".parquet", ".csv"

_BATCH = 10_000
# The first second of year 1 and the last of year 9999; what other programs take for a time lies between.
_FIRST_TIME, _LAST_TIME = -62_135_596_800, 253_402_300_799
_PATH = ("seconds", "left", "top", "right", "bottom")
_PATH_DIGITS = 6
_INSTANT = "%Y-%m-%dT%H:%M:%S%.6f%:z"

_Row = TypeVar("_Row")


def save_visits(
    path: str | Path, visits: Iterable[Visit], names: Mapping[int, str] | None = None, *, overwrite: bool = False
) -> int:
    """Write visits, without their crops, as `.parquet` or `.csv`.

    The columns are `id`, `identity`, `name`, `camera`, `class`, `first` and `last` (UTC, to the microsecond),
    `seconds`, `probability`, and `path`: in Parquet a list of structs of `seconds` since `first`, `left`, `top`,
    `right` and `bottom`, in CSV a list of such lists as JSON, to six decimals.

    Args:
        path: What to write, whole or not at all, in a folder that exists.
        visits: Gone through once, and not kept.
        names: By identity.
        overwrite: Whether to replace a file that is there.

    Returns:
        How many rows were written.

    Raises:
        GalleryError: If the suffix is another, the file is there already or can't be written, or a time isn't in the
            years 1 to 9999.
    """
    called, text = names or {}, _is_text(path)
    frames = (_visits(some, called, text) for some in _batches(visits))
    return _save(path, frames, _visits((), called, text), (PARQUET, CSV), overwrite)


def save_journeys(path: str | Path, journeys: Iterable[Journey], *, overwrite: bool = False) -> int:
    """Write all stays of journeys, a row each, as `.parquet` or `.csv`.

    The columns are `identity`, `name`, `camera`, `first`, `last`, `seconds`, `visits` (how many were joined) and
    `path`; see `save_visits`, also for arguments, the result and errors.
    """
    rows, text = ((journey, stay) for journey in journeys for stay in journey.stays), _is_text(path)
    return _save(path, (_stays(some, text) for some in _batches(rows)), _stays((), text), (PARQUET, CSV), overwrite)


def save_sightings(
    path: str | Path,
    batches: Iterable[Records],
    dim: int,
    names: Mapping[int, str] | None = None,
    *,
    overwrite: bool = False,
) -> int:
    """Write sightings with their embeddings, as `.parquet`.

    The columns are `id`, `identity`, `name`, `visit`, `camera`, `time` (UTC, to the microsecond), `class`, `quality`
    and `embedding`, an array of float32.

    Args:
        path: What to write, whole or not at all, in a folder that exists.
        batches: As `Store.scan` gives them; gone through once, and not kept.
        dim: `D` of the embeddings.
        names: By identity.
        overwrite: Whether to replace a file that is there.

    Returns:
        How many rows were written.

    Raises:
        GalleryError: If the suffix is another, the file is there already or can't be written, or a time isn't in the
            years 1 to 9999.
    """
    called = names or {}
    frames = (_sightings(some, called) for some in _gathered(batches, dim))
    return _save(path, frames, _sightings(nothing(dim), called), (PARQUET,), overwrite)


def _is_text(path: str | Path) -> bool:
    return Path(path).suffix.lower() == CSV


def _batches(rows: Iterable[_Row]) -> Iterator[tuple[_Row, ...]]:
    rest = iter(rows)
    while some := tuple(islice(rest, _BATCH)):
        yield some


def _gathered(batches: Iterable[Records], dim: int) -> Iterator[Records]:
    """Batches joined until they are worth a file."""
    held: list[Records] = []
    for batch in batches:
        held.append(batch)
        if sum(map(len, held)) >= _BATCH:
            yield Records.joined(held, dim)
            held = []
    if held:
        yield Records.joined(held, dim)


def _save(
    path: str | Path, frames: Iterable[pl.DataFrame], empty: pl.DataFrame, suffixes: Sequence[str], overwrite: bool
) -> int:
    """Write frames that have the columns of an empty one; returns how many rows they had."""
    from polars.exceptions import PolarsError

    with whole(path, suffixes, overwrite=overwrite) as part:
        try:
            return (_write_csv if _is_text(path) else _write_parquet)(part, frames, empty)
        except PolarsError as error:
            raise GalleryError(f"{path} can't be written: {error}") from error


def _write_csv(path: Path, frames: Iterable[pl.DataFrame], empty: pl.DataFrame) -> int:
    rows = 0
    with path.open("wb") as file:
        empty.write_csv(file)
        for frame in frames:
            frame.write_csv(file, include_header=False, datetime_format=_INSTANT)
            rows += len(frame)
    return rows


def _write_parquet(path: Path, frames: Iterable[pl.DataFrame], empty: pl.DataFrame) -> int:
    import polars as pl

    rows = 0
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".unfinished-") as folder:
        parts = [Path(folder, "0.parquet")]
        empty.write_parquet(parts[0])
        for frame in frames:
            parts.append(Path(folder, f"{len(parts)}.parquet"))
            frame.write_parquet(parts[-1])
            rows += len(frame)
        # No globbing, as folders may have brackets in their names.
        pl.scan_parquet(parts, glob=False).sink_parquet(path, row_group_size=_BATCH)
    return rows


def _visits(visits: Sequence[Visit], names: Mapping[int, str], text: bool) -> pl.DataFrame:
    import polars as pl

    return pl.DataFrame(
        [
            pl.Series("id", [v.id for v in visits], dtype=pl.Int64),
            *_whose([v.identity for v in visits], [v.camera for v in visits], names),
            pl.Series("class", [v.cls for v in visits], dtype=pl.Int64),
            *_spell([v.first for v in visits], [v.last for v in visits]),
            pl.Series("probability", [v.probability for v in visits], dtype=pl.Float64),
            _paths([v.path for v in visits], text),
        ]
    )


def _stays(rows: Sequence[tuple[Journey, Stay]], text: bool) -> pl.DataFrame:
    import polars as pl

    names = {journey.identity: journey.name for journey, _ in rows}
    return pl.DataFrame(
        [
            *_whose([journey.identity for journey, _ in rows], [stay.camera for _, stay in rows], names),
            *_spell([stay.first for _, stay in rows], [stay.last for _, stay in rows]),
            pl.Series("visits", [len(stay.visits) for _, stay in rows], dtype=pl.Int64),
            _paths([stay.path for _, stay in rows], text),
        ]
    )


def _sightings(records: Records, names: Mapping[int, str]) -> pl.DataFrame:
    import polars as pl

    embeddings = pl.Array(pl.Float32, records.embeddings.shape[1])
    return pl.DataFrame(
        [
            pl.Series("id", records.ids, dtype=pl.Int64),
            *_whose(records.identities.tolist(), records.cameras, names),
            pl.Series("visit", records.visits, dtype=pl.Int64),
            _instants("time", records.times),
            pl.Series("class", records.classes, dtype=pl.Int64),
            pl.Series("quality", records.qualities, dtype=pl.Float32),
            pl.Series("embedding", records.embeddings, dtype=embeddings),
        ]
    )


def _whose(identities: Sequence[int], cameras: Sequence[str], names: Mapping[int, str]) -> list[pl.Series]:
    import polars as pl

    return [
        pl.Series("identity", identities, dtype=pl.Int64),
        pl.Series("name", [names.get(who) or None for who in identities], dtype=pl.String),
        pl.Series("camera", cameras, dtype=pl.String),
    ]


def _spell(first: Sequence[float], last: Sequence[float]) -> list[pl.Series]:
    import polars as pl

    begin, end = np.array(first, np.float64), np.array(last, np.float64)
    return [_instants("first", begin), _instants("last", end), pl.Series("seconds", end - begin, dtype=pl.Float64)]


def _instants(name: str, times: Doubles) -> pl.Series:
    import polars as pl

    wrong = (times < _FIRST_TIME) | (times > _LAST_TIME)
    if wrong.any():
        raise GalleryError(f"a time must be in the years 1 to 9999, got {times[wrong][0]} seconds since 1970")
    micros = np.rint(times * 1e6).astype("datetime64[us]")
    return pl.Series(name, micros, dtype=pl.Datetime("us")).dt.replace_time_zone("UTC")


def _paths(paths: Sequence[Floats], text: bool) -> pl.Series:
    import polars as pl

    if text:
        rounded = [np.round(path.astype(np.float64), _PATH_DIGITS).tolist() for path in paths]
        return pl.Series("path", [json.dumps(path) for path in rounded], dtype=pl.String)
    every = np.concatenate([np.zeros((0, len(_PATH)), np.float32), *paths])
    rows = pl.Series("row", np.repeat(np.arange(len(paths)), [len(path) for path in paths]))
    points = pl.DataFrame(every, schema=dict.fromkeys(_PATH, pl.Float32)).select(rows, path=pl.struct(*_PATH))
    lists = points.group_by("row", maintain_order=True).agg("path")
    # Those without points have no group.
    joined = pl.DataFrame({"row": np.arange(len(paths))}).join(lists, on="row", how="left", maintain_order="left")
    return joined["path"].fill_null([])


def journey_table(journeys: Iterable[Journey]) -> str:
    """All stays, a line each, as a Markdown table; times are local, see `moment`."""
    rows = [
        [_called(journey), _camera(stay.camera), moment(stay.first), moment(stay.last), duration(stay.seconds)]
        for journey in journeys
        for stay in journey.stays
    ]
    return table(["identity", "camera", "first seen", "last seen", "stayed"], rows)


def dwell_table(dwells: Iterable[Dwell]) -> str:
    """How long identities stayed, a line a camera, as a Markdown table."""
    rows = [
        [_camera(d.camera), str(d.identities), str(d.stays), *map(duration, (d.seconds, d.median, d.longest))]
        for d in dwells
    ]
    return table(["camera", "identities", "stays", "in all", "median", "longest"], rows)


def transition_table(transitions: Iterable[Transition]) -> str:
    """How identities got from camera to camera, a line for each two, as a Markdown table."""
    rows = [
        [f"{_camera(t.before)} → {_camera(t.after)}", str(t.count), str(t.overlapping)]
        + [duration(seconds) for seconds in (t.shortest, t.median, t.longest)]
        for t in transitions
    ]
    return table(["from → to", "times", "overlapping", "shortest", "median", "longest"], rows)


def _called(one: Journey) -> str:
    return _cell(f"{one.identity} {one.name}".rstrip())


def _camera(name: str) -> str:
    return _cell(name) if name != ENROLLED else "(enrolled)"


def _cell(text: str) -> str:
    return text.replace("|", r"\|")
