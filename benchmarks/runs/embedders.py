"""The same YAML for every embedder: from ReID models down to noise, this package's tracker beside stock BoT-SORT."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator

from ultralytics_reid.evaluation.markdown import table

from ..harness.contenders.stock import BOTSORT, BOTSORT_LONG, BOTSORT_REID, REID_BOTSORT
from ..harness.data.features import EMBEDDERS, add_choice, embedded, usable
from ..harness.data.sequences import Sequence, load_clip
from ..harness.options import CAMPUS, PETS, TUD, add_features, add_shared, add_write, need_clips
from ..harness.report import cells, figures, present
from ..harness.tracking import run_cached

TITLES = {
    PETS: "PETS by person",
    TUD: "TUD-Stadtmitte, without returns",
    CAMPUS[0]: "EPFL campus4, camera 0, by person",
    CAMPUS[1]: "EPFL campus4, camera 1, by person",
}
COLUMNS = ["IDF1", "MOTA", "returns recognized", "false revivals", "ids", "IDSW"]
CONTENDERS = (BOTSORT_REID, BOTSORT_LONG, REID_BOTSORT)
NOTE = (
    "The same detections (YOLO11n INT8) for all; only the embeddings handed to the trackers differ. Every tracker with "
    "its YAML's defaults but for what its row says, camera motion (`gmc_method`) as there, on the video's real frames."
)


def run(args: Namespace) -> None:
    need_clips(args.shared, args.clips)
    able = usable(args.embedders, args.clips, args.shared, args.features)
    parts = [part for clip in args.clips for part in _clip(args, clip, able)]
    present("embedders", [*parts, NOTE], write=args.write)


def add_arguments(parser: ArgumentParser) -> None:
    add_shared(parser)
    add_features(parser)
    add_choice(parser, TITLES, default=(PETS, TUD))
    add_write(parser)


def _clip(args: Namespace, clip: str, embedders: list[str]) -> Iterator[str]:
    sequence = load_clip(args.shared, clip)
    yield f"**{TITLES[clip]}**"
    yield table(["embedder", "tracker", *COLUMNS], list(_rows(args, clip, sequence, embedders)))


def _rows(args: Namespace, clip: str, sequence: Sequence, embedders: list[str]) -> Iterator[list[str]]:
    plans = [("none", "msmt17", (BOTSORT,)), *((EMBEDDERS[e], e, CONTENDERS) for e in embedders)]
    for label, embedder, contenders in plans:
        cache = embedded(clip, embedder, args.shared, args.features)
        for contender in contenders:
            tracked = run_cached(contender, sequence, cache)
            yield [label, contender.label, *cells(figures(sequence, tracked), COLUMNS)]
