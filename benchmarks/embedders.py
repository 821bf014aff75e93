"""The same YAML for every embedder: from ReID models down to noise, this package's tracker beside stock BoT-SORT."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Iterator

from harness.features import EMBEDDERS, add_choice, add_features, embedded, need_clips, usable
from harness.report import add_write, cells, figures, publish
from harness.runs import OURS, Contender, run_cached
from harness.scores import DEFINITIONS
from harness.sequences import Sequence, load_sequence
from harness.setting import PETS, TUD, add_shared, facts, table
from harness.stock import BOTSORT, BOTSORT_LONG, BOTSORT_REID

TITLES = {PETS: "PETS by person", TUD: "TUD-Stadtmitte, where nobody comes back"}
COLUMNS = ["IDF1", "MOTA", "returns recognized", "false revivals", "ids", "IDSW"]
CONTENDERS = (BOTSORT_REID, BOTSORT_LONG, Contender("**reid_botsort**", OURS))
NOTE = (
    "The same detections (YOLO11n INT8) for all; only the embeddings handed to the trackers differ. Every tracker with "
    "its YAML's defaults but for what its row says, camera motion (`gmc_method`) as there, on the video's real frames."
)


def main() -> None:
    args = _arguments()
    able = usable(args.embedders, args.clips, args.shared, args.features)
    parts = [part for clip in args.clips for part in _clip(args, clip, able)]
    text = "\n\n".join([*parts, NOTE, facts()])
    print(text)
    if args.write:
        publish("embedders", text)


def _arguments() -> Namespace:
    parser = ArgumentParser(description=__doc__, epilog=DEFINITIONS, formatter_class=RawDescriptionHelpFormatter)
    add_shared(parser)
    add_features(parser)
    add_choice(parser, TITLES)
    add_write(parser)
    args = parser.parse_args()
    need_clips(args.shared, args.clips)
    return args


def _clip(args: Namespace, clip: str, embedders: list[str]) -> Iterator[str]:
    sequence = load_sequence(args.shared / "data" / clip)
    yield f"**{TITLES[clip]}**"
    yield table(["embedder", "tracker", *COLUMNS], list(_rows(args, clip, sequence, embedders)))


def _rows(args: Namespace, clip: str, sequence: Sequence, embedders: list[str]) -> Iterator[list[str]]:
    plans = [("none", "msmt17", (BOTSORT,)), *((EMBEDDERS[e], e, CONTENDERS) for e in embedders)]
    for label, embedder, contenders in plans:
        cache = embedded(clip, embedder, args.shared, args.features)
        for contender in contenders:
            run = run_cached(contender, sequence, cache)
            yield [label, contender.label, *cells(figures(sequence, run), COLUMNS)]


if __name__ == "__main__":
    main()
