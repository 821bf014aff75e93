"""Track a video with stock BoT-SORT and with this package's tracker, and show who came back."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from dataclasses import dataclass
from pathlib import Path

from harness.runs import OURS, Contender, live, of_result
from harness.scores import Returns, returns
from harness.sequences import Frame, load_sequence
from harness.setting import PETS, add_shared, facts, need, progress, table
from harness.sheet import Gallery
from harness.video import Annotator
from ultralytics import YOLO

from ultralytics_reid import Revival, revivals

STOCK = Contender("botsort.yaml", "botsort.yaml")
SHEET_ROWS = 20


@dataclass(frozen=True)
class Demo:
    """What a run left behind.

    Attributes:
        frames: Boxes and ids by frame.
        events: What was revived.
    """

    frames: list[Frame]
    events: list[Revival]

    @property
    def ids(self) -> set[int]:
        """All ids used."""
        return {int(i) for frame in self.frames for i in frame.ids}


def main() -> None:
    args = _arguments()
    args.out.mkdir(parents=True, exist_ok=True)
    ours = _ours(args)
    # A camera can't be asked for the same frames again.
    stock = _stock(args) if Path(args.source).exists() else None
    print(_report(args, ours, stock))


def _arguments() -> Namespace:
    parser = ArgumentParser(description=__doc__)
    add_shared(parser)
    parser.add_argument("--source", metavar="VIDEO", help="file, folder, camera or URL (default: PETS' vtest.avi)")
    parser.add_argument("--model", metavar="FILE", help="YOLO detector (default: the shared yolo11n.pt)")
    parser.add_argument("--classes", type=int, nargs="*", default=[0], help="class numbers (default: 0; none: all)")
    parser.add_argument("--out", type=Path, default=Path("demo-output"), metavar="DIR", help="default: demo-output")
    args = parser.parse_args()
    if args.source is None:
        args.source = str(args.shared / "data" / PETS / "vtest.avi")
        need(Path(args.source))
    if args.model is None:
        args.model = args.shared / "models" / "yolo11n.pt"
        need(args.model)
    return args


def _stock(args: Namespace) -> Demo:
    results = live(STOCK, args.model, args.source, classes=args.classes or None)
    return Demo([of_result(result) for result in results], [])


def _ours(args: Namespace) -> Demo:
    demo, gallery = Demo([], []), Gallery(SHEET_ROWS)
    model = YOLO(args.model)
    results = model.track(args.source, tracker=OURS, stream=True, verbose=False, classes=args.classes or None)
    with Annotator(args.out / "tracked.mp4") as video:
        try:
            for result in progress(results, OURS):
                clock = model.predictor.trackers[0].clock
                video.add(result, clock.now, clock.fps)
                gallery.add(result, clock.now)
                demo.frames.append(of_result(result))
                demo.events.extend(revivals(result))
        except KeyboardInterrupt:
            print("stopped; here is what there is until now")
    gallery.save(args.out / "identities.png")
    return demo


def _report(args: Namespace, ours: Demo, stock: Demo | None) -> str:
    parts = [_revival_table(ours.events) if ours.events else "Nobody came back."]
    parts.append(_id_table(args, ours, stock))
    if stock is None:
        parts.append("botsort.yaml was left out: the source is no file that could be tracked twice.")
    parts.append(f"{args.out / 'tracked.mp4'}: the video; {args.out / 'identities.png'}: who was seen when")
    return "\n\n".join([*parts, facts()])


def _revival_table(events: list[Revival]) -> str:
    rows = [
        [
            f"{e.time:.1f} s",
            str(e.identity_id),
            f"{e.gap:.1f} s",
            f"{e.similarity:.2f}",
            "a mix-up put right" if e.corrected else "back",
        ]
        for e in events
    ]
    return "Back from memory:\n\n" + table(["at", "id", "after", "similarity", "what"], rows)


def _id_table(args: Namespace, ours: Demo, stock: Demo | None) -> str:
    runs = {STOCK.label: stock, OURS: ours}
    demos = {label: demo for label, demo in runs.items() if demo is not None}
    rows = [[label, str(len(demo.frames)), str(len(demo.ids))] for label, demo in demos.items()]
    found = [f for demo in demos.values() if (f := _returns(args, demo))]
    if len(found) < len(rows):
        return table(["tracker", "frames", "ids"], rows)
    rows = [[*row, f"{f.recognised} of {f.total}", str(f.false)] for row, f in zip(rows, found, strict=True)]
    return table(["tracker", "frames", "ids", "returns recognised", "false revivals"], rows)


def _returns(args: Namespace, demo: Demo) -> Returns | None:
    """What became of returns, where the source lies in a folder with ground truth of them, and was seen to the end."""
    folder = Path(args.source).parent
    if not (folder / "reentry.csv").exists():
        return None
    truth = load_sequence(folder)
    return returns(truth, demo.frames) if len(truth.frames) == len(demo.frames) else None


if __name__ == "__main__":
    main()
