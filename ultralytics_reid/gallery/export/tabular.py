"""Export tables from a gallery: Parquet and CSV files, and short Markdown tables for the terminal.

Files are written in batches of rows, so that memory stays bounded. Polars writes a Parquet file at once, or streams it
from other Parquet files: each batch becomes a temporary file in a hidden folder beside the result, which takes the same
disk space again meanwhile.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..._typing import Doubles, Floats
from ...errors import GalleryError
from ...evaluation.markdown import table
from ..journeys import Dwell, Journey, Stay, Transition
from ..ledger.rows import pages
from ..records import ENROLLED, Records, Visit, nothing
from ..times import duration, moment
from .atomic_file import atomic_write

if TYPE_CHECKING:
    import polars as pl

PARQUET, CSV = ".parquet", ".csv"

_BATCH = 10_000
# The first second of year 1 and the last of year 9999, the range of times in other programs.
_FIRST_TIME, _LAST_TIME = -62_135_596_800, 253_402_300_799
_PATH = ("seconds", "left", "top", "right", "bottom")
_SECONDS_DIGITS, _PATH_DIGITS = 3, 6
_INSTANT = "%Y-%m-%dT%H:%M:%S%.6f%:z"


def save_visits(
    path: str | Path,
    visits: Iterable[Visit],
    names: Mapping[int, str] | None = None,
    class_names: Mapping[int, str] | None = None,
    *,
    overwrite: bool = False,
) -> int:
    """Write visits, without their crops, as `.parquet` or `.csv`.

    The columns are `id`, `identity`, `name`, `camera`, `class` (index), `class_name`, `first` and `last` (UTC, to the
    microsecond), `seconds` (to the millisecond), `link_probability` (`Visit.probability` where the gallery linked the
    visit, else nothing), and `path`: in Parquet a list of structs of `seconds` since `first`, `left`, `top`, `right`
    and `bottom`, in CSV a JSON list of such lists, the seconds to the millisecond and the others to six decimals.

    Args:
        path: File to write, in an existing folder; written atomically.
        visits: The visits, which are streamed.
        names: Names by identity.
        class_names: Names by class index.
        overwrite: Whether to replace an existing file.

    Returns:
        Number of rows.

    Raises:
        GalleryError: If the suffix is not allowed, the file exists or can't be written, or a time isn't in the years
            1 to 9999.
    """
    names, class_names, text = names or {}, class_names or {}, _is_csv(path)
    frames = (_visits(batch, names, class_names, text) for batch in pages(visits, _BATCH))
    return _save(path, frames, _visits((), names, class_names, text), (PARQUET, CSV), overwrite)


def save_journeys(path: str | Path, journeys: Iterable[Journey], *, overwrite: bool = False) -> int:
    """Write all stays of journeys, a row each, as `.parquet` or `.csv`.

    The columns are `identity`, `name`, `camera`, `first`, `last`, `seconds`, `visits` (number joined) and `path`;
    see `save_visits`, also for arguments, result and errors.
    """
    rows, text = ((journey, stay) for journey in journeys for stay in journey.stays), _is_csv(path)
    return _save(
        path, (_stays(batch, text) for batch in pages(rows, _BATCH)), _stays((), text), (PARQUET, CSV), overwrite
    )


def save_sightings(
    path: str | Path,
    batches: Iterable[Records],
    dim: int,
    names: Mapping[int, str] | None = None,
    class_names: Mapping[int, str] | None = None,
    *,
    overwrite: bool = False,
) -> int:
    """Write sightings with their embeddings, as `.parquet`.

    The columns are `id`, `identity`, `name`, `visit`, `camera`, `time` (UTC, to the microsecond), `class` (index),
    `class_name`, `quality` and `embedding`, an array of float32.

    Args:
        path: File to write, in an existing folder; written atomically.
        batches: Batches from `Store.scan`, which are streamed.
        dim: `D` of the embeddings.
        names: Names by identity.
        class_names: Names by class index.
        overwrite: Whether to replace an existing file.

    Returns:
        Number of rows.

    Raises:
        GalleryError: If the suffix is not allowed, the file exists or can't be written, or a time isn't in the years
            1 to 9999.
    """
    names, class_names = names or {}, class_names or {}
    frames = (_sightings(batch, names, class_names) for batch in _merge_batches(batches, dim))
    return _save(path, frames, _sightings(nothing(dim), names, class_names), (PARQUET,), overwrite)


def _is_csv(path: str | Path) -> bool:
    return Path(path).suffix.lower() == CSV


def _merge_batches(batches: Iterable[Records], dim: int) -> Iterator[Records]:
    """Join small batches until they have `_BATCH` rows."""
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
    """Write frames with the columns of an empty one; returns the number of rows."""
    from polars.exceptions import PolarsError

    with atomic_write(path, suffixes, overwrite=overwrite) as part:
        try:
            return (_write_csv if _is_csv(path) else _write_parquet)(part, frames, empty)
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
        # Without globbing: folders may have brackets in their names.
        pl.scan_parquet(parts, glob=False).sink_parquet(path, row_group_size=_BATCH)
    return rows


def _visits(
    visits: Sequence[Visit], names: Mapping[int, str], class_names: Mapping[int, str], text: bool
) -> pl.DataFrame:
    import polars as pl

    return pl.DataFrame(
        [
            pl.Series("id", [v.id for v in visits], dtype=pl.Int64),
            *_identity_columns([v.identity for v in visits], [v.camera for v in visits], names),
            *_class_columns([v.cls for v in visits], class_names),
            *_interval_columns([v.first for v in visits], [v.last for v in visits]),
            # 1 where the gallery linked nothing; a link's is never that sure, see `OUTLIER_PAIRS`.
            pl.Series(
                "link_probability", [v.probability if v.probability < 1 else None for v in visits], dtype=pl.Float64
            ),
            _path_column([v.path for v in visits], text),
        ]
    )


def _stays(rows: Sequence[tuple[Journey, Stay]], text: bool) -> pl.DataFrame:
    import polars as pl

    names = {journey.identity: journey.name for journey, _ in rows}
    return pl.DataFrame(
        [
            *_identity_columns([journey.identity for journey, _ in rows], [stay.camera for _, stay in rows], names),
            *_interval_columns([stay.first for _, stay in rows], [stay.last for _, stay in rows]),
            pl.Series("visits", [len(stay.visits) for _, stay in rows], dtype=pl.Int64),
            _path_column([stay.path for _, stay in rows], text),
        ]
    )


def _sightings(records: Records, names: Mapping[int, str], class_names: Mapping[int, str]) -> pl.DataFrame:
    import polars as pl

    embeddings = pl.Array(pl.Float32, records.embeddings.shape[1])
    return pl.DataFrame(
        [
            pl.Series("id", records.ids, dtype=pl.Int64),
            *_identity_columns(records.identities.tolist(), records.cameras, names),
            pl.Series("visit", records.visits, dtype=pl.Int64),
            _time_column("time", records.times),
            *_class_columns(records.classes.tolist(), class_names),
            pl.Series("quality", records.qualities, dtype=pl.Float32),
            pl.Series("embedding", records.embeddings, dtype=embeddings),
        ]
    )


def _identity_columns(identities: Sequence[int], cameras: Sequence[str], names: Mapping[int, str]) -> list[pl.Series]:
    import polars as pl

    return [
        pl.Series("identity", identities, dtype=pl.Int64),
        pl.Series("name", [names.get(identity) or None for identity in identities], dtype=pl.String),
        pl.Series("camera", cameras, dtype=pl.String),
    ]


def _class_columns(classes: Sequence[int], class_names: Mapping[int, str]) -> list[pl.Series]:
    import polars as pl

    return [
        pl.Series("class", classes, dtype=pl.Int64),
        pl.Series("class_name", [class_names.get(c) for c in classes], dtype=pl.String),
    ]


def _interval_columns(first: Sequence[float], last: Sequence[float]) -> list[pl.Series]:
    import polars as pl

    begin, end = np.array(first, np.float64), np.array(last, np.float64)
    return [
        _time_column("first", begin),
        _time_column("last", end),
        # Differences of seconds since 1970 have noise below the microsecond.
        pl.Series("seconds", np.round(end - begin, _SECONDS_DIGITS), dtype=pl.Float64),
    ]


def _time_column(name: str, times: Doubles) -> pl.Series:
    import polars as pl

    wrong = (times < _FIRST_TIME) | (times > _LAST_TIME)
    if wrong.any():
        raise GalleryError(f"a time must be in the years 1 to 9999, got {times[wrong][0]} seconds since 1970")
    micros = np.rint(times * 1e6).astype("datetime64[us]")
    return pl.Series(name, micros, dtype=pl.Datetime("us")).dt.replace_time_zone("UTC")


def _path_column(paths: Sequence[Floats], text: bool) -> pl.Series:
    import polars as pl

    if text:
        return pl.Series("path", [json.dumps(_rounded(path)) for path in paths], dtype=pl.String)
    every = np.concatenate([np.zeros((0, len(_PATH)), np.float32), *paths])
    rows = pl.Series("row", np.repeat(np.arange(len(paths)), [len(path) for path in paths]))
    points = pl.DataFrame(every, schema=dict.fromkeys(_PATH, pl.Float32)).select(rows, path=pl.struct(*_PATH))
    lists = points.group_by("row", maintain_order=True).agg("path")
    # Paths without points have no group.
    joined = pl.DataFrame({"row": np.arange(len(paths))}).join(lists, on="row", how="left", maintain_order="left")
    return joined["path"].fill_null([])


def _rounded(path: Floats) -> list[list[float]]:
    """A path's points, without the noise of float32."""
    points = np.round(path.astype(np.float64), _PATH_DIGITS)
    points[:, 0] = np.round(points[:, 0], _SECONDS_DIGITS)
    rows: list[list[float]] = points.tolist()
    return rows


def journey_table(journeys: Iterable[Journey]) -> str:
    """Markdown table of stays, a line each; times are local, see `moment`."""
    rows = [
        [
            _cell(f"{journey.identity} {journey.name}".rstrip()),
            _camera(stay.camera),
            moment(stay.first),
            moment(stay.last),
            duration(stay.seconds),
        ]
        for journey in journeys
        for stay in journey.stays
    ]
    return table(["identity", "camera", "first seen", "last seen", "stayed"], rows)


def dwell_table(dwells: Iterable[Dwell]) -> str:
    """Markdown table of dwell times, a line for each camera."""
    rows = [
        [_camera(d.camera), str(d.identities), str(d.stays), *map(duration, (d.seconds, d.median, d.longest))]
        for d in dwells
    ]
    return table(["camera", "identities", "stays", "total", "median", "longest"], rows)


def transition_table(transitions: Iterable[Transition]) -> str:
    """Markdown table of transitions, a line for each pair of cameras."""
    rows = [
        [f"{_camera(t.before)} → {_camera(t.after)}", str(t.count), str(t.overlapping)]
        + [duration(seconds) for seconds in (t.shortest, t.median, t.longest)]
        for t in transitions
    ]
    return table(["from → to", "count", "overlapping", "shortest", "median", "longest"], rows)


def _camera(name: str) -> str:
    return _cell(name) if name != ENROLLED else "(enrolled)"


def _cell(text: str) -> str:
    return text.replace("|", r"\|")
