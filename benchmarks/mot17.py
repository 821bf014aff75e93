"""MOT17, or anything in MOTChallenge's form, by its own rules: any tracker on the same detections and embeddings.

Without --data: MOT17's validation half as it lies in the shared folder, motion only, and with SIMULATED appearance, as
there are no pictures.
"""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.mot.bundle import bundle
from harness.mot.cache import Cache, slug
from harness.mot.choice import Choice
from harness.mot.choosing import choose
from harness.mot.embedding import need_embedder
from harness.mot.errors import ChoiceError, DataError, MotError
from harness.mot.host import HostChoice, told_embedder
from harness.mot.known import check_halves, counted
from harness.mot.layout import ALL, Clip, all_notes, find_clips
from harness.mot.options import KEYS, arguments
from harness.mot.plots import draw
from harness.mot.recipe import AUTO, NONE, SIMULATED, Detector, Recipe
from harness.mot.tables import Part, difference_table, rows_of, tables, write_csv
from harness.mot.telling import tell
from harness.mot.work import Prepare, Track, do_all, seeds_of
from harness.report import publish
from harness.runs import OURS, Contender
from harness.setting import facts, has
from harness.stock import BOTSORT, BOTSORT_LONG, BOTSORT_REID, BYTETRACK, DEEPOCSORT_REID, TRACKTRACK_REID

TITLES = {
    NONE: "Motion only: no embeddings",
    SIMULATED: "SIMULATED appearance: made-up embeddings as alike as real ones are, the same for all",
    AUTO: "The detector's own features",
}
MEMORYLESS = Contender("reid_botsort, memory_seconds 0", OURS, {"memory_seconds": 0.0})
MOTION = (BYTETRACK, BOTSORT, Contender("tracktrack", "tracktrack.yaml"), Contender("**reid_botsort**", OURS))
LOOKS = (
    *(BYTETRACK, BOTSORT, BOTSORT_REID, BOTSORT_LONG, TRACKTRACK_REID, DEEPOCSORT_REID),
    Contender("**reid_botsort**", OURS),
    MEMORYLESS,
)
RULE = """\
MOTChallenge's rule: what matches a distractor is dropped; who left the picture and comes back is somebody new, so a
return that is recognized counts as a mistake."""
TIMES = """\
`ms` are median times a frame, in the mean over the sequences, of when it was computed; `track` is the tracker's alone,
without detecting, embedding and finding out the camera motion."""
SEEDED = "Figures of trackers that use appearance are means over {} seeds of the simulation, ± half the range."


@dataclass(frozen=True)
class Asked:
    """Trackers that shall be fed the same.

    Attributes:
        recipe: Where their inputs come from.
        choices: The trackers.
    """

    recipe: Recipe
    choices: list[Choice]

    @property
    def folder(self) -> str:
        """What its results' folder is called."""
        return slug(self.recipe.embedder)


def main() -> None:
    args = arguments(__doc__ or "")
    try:
        _run(args)
    except MotError as error:
        print(f"mot17.py: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted; what is in the cache will not be computed again", file=sys.stderr)
        sys.exit(130)


def _run(args: Namespace) -> None:
    clips = find_clips(args.data, args.split, args.public, args.sequences, args.partial)
    asked = [_asked(args, embedder, clips) for embedder in args.embedders]
    known = [] if args.split == "test" else _checked(args, clips)
    if args.split == "test":
        _need_unscored(clips)
    for note in (*all_notes(clips), *known):
        tell(note)
    args.out.mkdir(parents=True, exist_ok=True)
    parts = [_part(args, clips, a) for a in asked]
    if args.split == "test":
        _bundles(args, clips, asked)
    else:
        strange = [note for part in parts for note in part.notes]
        _tell(args, parts, list(dict.fromkeys([*all_notes(clips), *strange, *known, *_notes(args, asked)])))


def _asked(args: Namespace, embedder: str, clips: Sequence[Clip]) -> Asked:
    choices = _choices(args, embedder)
    looks = any(choice.appearance for choice in choices)
    if args.baseline and args.baseline not in {c.label for c in choices}:
        raise ChoiceError(f"--baseline {args.baseline} is none of the trackers: {', '.join(c.label for c in choices)}")
    recipe = replace(_recipe(args), embedder=embedder if looks else NONE)
    recipe = replace(recipe, motion=tuple(sorted({c.motion for c in choices if c.motion})))
    need_embedder(recipe)
    if recipe.embeds_pictures or recipe.detects:
        for clip in clips:
            clip.pictures()
    return Asked(recipe, choices)


def _choices(args: Namespace, embedder: str) -> list[Choice]:
    if args.trackers:
        return choose(args.trackers, args.thresholds, embedder)
    told = {KEYS[t]: v for t, v in args.thresholds.items()}
    contenders = MOTION if embedder == NONE else LOOKS
    made = [HostChoice(c.yaml, c.label, {**c.changes, **told}) for c in contenders]
    return [told_embedder(choice, embedder) for choice in made]


def _recipe(args: Namespace) -> Recipe:
    detector = _detector(args) if args.detector else None
    given = args.detections in ("given", "public") or (args.detections is None and detector is None)
    folder = None if given or args.detections is None else Path(args.detections)
    if folder is not None and not folder.is_dir():
        raise DataError(f"--detections {folder} is no folder; given stands for the sequences' own det/det.txt")
    weights = {"weights": args.weights, "device": args.device}
    return Recipe(Cache(args.cache), boxes=folder, given=given, detector=detector, **weights)


def _detector(args: Namespace) -> Detector:
    from ultralytics.utils.downloads import attempt_download_asset

    path = Path(args.detector)
    found = path if path.exists() else Path(attempt_download_asset(args.detector))
    if not found.exists():
        raise DataError(f"--detector {args.detector}: no such file, and Ultralytics has none of that name")
    return Detector(found.resolve(), args.imgsz, args.conf, tuple(args.classes), args.device)


def _need_unscored(clips: Sequence[Clip]) -> None:
    """Refuse to bundle for the server what has ground truth, which its sequences never have."""
    for clip in clips:
        if clip.has_truth():
            raise DataError(f"--split test: {clip.folder} has ground truth, so the server wants none of it")


def _checked(args: Namespace, clips: Sequence[Clip]) -> list[str]:
    """What is known of the data's ground truth, compared with what is there."""
    if not has("trackeval"):
        raise ChoiceError("TrackEval, which does the scoring, isn't installed: pip install trackeval")
    lacking = [str(c.folder / "gt" / "gt.txt") for c in clips if not c.has_truth()]
    if lacking:
        raise DataError(f"without ground truth, only --split test: missing {', '.join(lacking)}")
    truths = {c.name: c.truth() for c in clips}
    halved = args.split == "val-half"
    return check_halves({name: counted(t.rows, t.classes) for name, t in truths.items()}) if halved else []


def _part(args: Namespace, clips: Sequence[Clip], asked: Asked) -> Part:
    title = TITLES.get(asked.recipe.embedder, f"Embeddings: {asked.recipe.embedder}")
    times, notes = _prepared(args, clips, asked)
    jobs = [
        Track(clip, asked.recipe, seed, choice, _result(args, asked, choice, clip, seed), args.split != "test")
        for choice in asked.choices
        for seed in seeds_of(choice, asked.recipe, args.seeds)
        for clip in clips
    ]
    return Part(title, asked.choices, [c.name for c in clips], do_all(jobs, args.jobs, "trackers"), times, notes)


def _prepared(args: Namespace, clips: Sequence[Clip], asked: Asked) -> tuple[dict[str, dict[str, float]], list[str]]:
    """Compute what all trackers are fed; returns the times it took, and what is strange about it, which it tells."""
    seeds = range(args.seeds if asked.recipe.embedder == SIMULATED else 1)
    jobs = [Prepare(clip, asked.recipe, seed) for seed in seeds for clip in clips]
    found = do_all(jobs, _workers(args, asked.recipe), "inputs")
    strange = list(dict.fromkeys(note for _, notes in found for note in notes))
    for note in strange:
        tell(note)
    return {clip.name: times for clip, (times, _) in zip(clips, found, strict=False)}, strange


def _workers(args: Namespace, recipe: Recipe) -> int:
    """One process where there is a GPU: several would only take each other's memory."""
    if not (recipe.detects or recipe.embeds_pictures) or args.device == "cpu":
        return int(args.jobs)
    import torch

    return 1 if torch.cuda.is_available() else int(args.jobs)


def _result(args: Namespace, asked: Asked, choice: Choice, clip: Clip, seed: int) -> Path:
    seeds = seeds_of(choice, asked.recipe, args.seeds)
    folder = args.out / "results" / asked.folder / slug(choice.label)
    return Path(folder / (f"seed-{seed}" if len(seeds) > 1 else "data") / f"{clip.name}.txt")


def _bundles(args: Namespace, clips: Sequence[Clip], asked: Sequence[Asked]) -> None:
    for a in asked:
        for choice in a.choices:
            path = args.out / "server" / a.folder / f"{slug(choice.label)}.zip"
            results = [_result(args, a, choice, clip, 0) for clip in clips]
            missing = bundle(path, results, own_detections=not a.recipe.given)
            print(f"{choice.label}: {path}")
            if missing:
                told = ", ".join(missing)
                print(f"  the server wants {told} too: public detections differ, so run with --public {ALL}")


def _tell(args: Namespace, parts: Sequence[Part], notes: Sequence[str]) -> None:
    baseline = args.baseline or "botsort"
    compared = [difference_table(p, baseline, args.draws) for p in parts]
    shown = [t for p, d in zip(parts, compared, strict=True) for t in (*tables(p), d)]
    text = "\n\n".join([*shown, *notes])
    rows = list(rows_of(parts))
    asked = {"data": str(args.data), "split": args.split, "detector": args.detector, "detections": args.detections}
    told = {"machine": facts(), **asked, "notes": list(notes), "thresholds": args.thresholds, "scores": rows}
    (args.out / "table.md").write_text(text + "\n", encoding="utf-8")
    write_csv(args.out / "scores.csv", rows)
    for path in (args.out / "scores.json", args.json):
        if path is not None:
            path.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    _draw(args.out, parts)
    print(text)
    if args.write:
        kept = [t for p, d in zip(parts, compared, strict=True) for t in (*tables(p, each=False), d)]
        publish(args.write, "\n\n".join([*kept, *notes]))


def _draw(out: Path, parts: Sequence[Part]) -> None:
    for n, part in enumerate(parts):
        suffix = f"-{n + 1}" if len(parts) > 1 else ""
        draw(part, out / f"hota{suffix}.png", out / f"bars{suffix}.png")


def _notes(args: Namespace, asked: Sequence[Asked]) -> Iterator[str]:
    yield _sources(args, asked[0].recipe)
    yield RULE
    yield TIMES + (f" {args.jobs} jobs at once disturb times." if args.jobs > 1 else "")
    if args.seeds > 1 and any(a.recipe.embedder == SIMULATED for a in asked):
        yield SEEDED.format(args.seeds)
    yield "Thresholds on scores: " + "; ".join(_thresholds([c for a in asked for c in a.choices]))
    yield facts()


def _sources(args: Namespace, recipe: Recipe) -> str:
    if args.is_default:
        return "YOLOX-X detections of ByteTrack's ablation, camera motion of BoT-SORT's release."
    if recipe.detects and recipe.detector is not None:
        d = recipe.detector
        return f"Detections: {d.weights.name} at {d.imgsz}, from a score of {d.conf:g} on."
    return "Detections: the sequences' own det/det.txt." if recipe.given else "Detections: read from files."


def _thresholds(choices: Sequence[Choice]) -> list[str]:
    """What each used, those with the same together."""
    by_values: dict[str, list[str]] = {}
    for choice in choices:
        told = ", ".join(f"{key} {value:g}" for key, value in choice.thresholds().items())
        by_values.setdefault(told or "none", []).append(f"`{choice.label}`")
    return [f"{', '.join(dict.fromkeys(labels))}: {told}" for told, labels in by_values.items()]


if __name__ == "__main__":
    main()
