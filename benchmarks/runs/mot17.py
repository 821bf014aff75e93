"""Any tracker on MOT17, or on anything in MOTChallenge's form, by MOTChallenge's rule.

All trackers get the same detections, embeddings and camera motion. Without --data: MOT17's validation half in the
shared folder, motion only, and with SIMULATED appearance, as there are no images.
"""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ultralytics_reid.errors import DatasetError
from ultralytics_reid.evaluation.markdown import facts

from ..harness.contenders.base import Contender
from ..harness.contenders.choosing import choose
from ..harness.contenders.host import THRESHOLD_KEYS, with_embedder
from ..harness.contenders.stock import (
    BOTSORT,
    BYTETRACK,
    MEMORYLESS,
    REID_BOTSORT,
    STOCK_REID,
    TRACKTRACK,
)
from ..harness.data.cache import Cache, slug
from ..harness.data.embedding import need_embedder
from ..harness.data.known import check_halves, counted
from ..harness.data.layout import ALL, Clip, all_notes, find_clips
from ..harness.data.recipe import AUTO, NONE, SIMULATED, Detector, Recipe
from ..harness.errors import ChoiceError
from ..harness.jobs import do_all
from ..harness.mot17.arguments import add_arguments, resolve
from ..harness.mot17.bundle import bundle
from ..harness.mot17.jobs import Prepare, Track, seeds_of
from ..harness.mot17.plots import draw
from ..harness.mot17.tables import Comparison, difference_table, rows_of, tables, write_csv
from ..harness.packages import has
from ..harness.progress import tell
from ..harness.report import page, publish

__all__ = ["add_arguments", "run"]

TITLES = {
    NONE: "Motion only: no embeddings",
    SIMULATED: "SIMULATED appearance: made-up embeddings as alike as real ones are, the same for all",
    AUTO: "The detector's own features",
}
MOTION_ONLY = (BYTETRACK, BOTSORT, TRACKTRACK, REID_BOTSORT)
WITH_APPEARANCE = (BYTETRACK, *STOCK_REID, REID_BOTSORT, MEMORYLESS)
RULE = """\
MOTChallenge's rule: what matches a distractor is dropped; a person that leaves and returns is a new identity,
so a return that is recognized counts as a mistake."""
TIMES = """\
`ms` are median times a frame, in the mean over the sequences, of when it was computed; `track` is the tracker's alone,
without detection, embedding and camera motion."""
SEEDED = "Figures of trackers that use appearance are means over {} seeds of the simulation, ± half the range."


@dataclass(frozen=True)
class Plan:
    """Trackers that get the same inputs.

    Attributes:
        recipe: Where their inputs come from.
        contenders: The trackers.
    """

    recipe: Recipe
    contenders: list[Contender]

    @property
    def folder(self) -> str:
        """The name of the folder of its results."""
        return slug(self.recipe.embedder)


def run(args: Namespace) -> None:
    resolve(args)
    clips = find_clips(args.data, args.split, args.public, args.sequences, args.partial)
    plans = [_plan(args, embedder, clips) for embedder in args.embedders]
    known = [] if args.split == "test" else _checked(args, clips)
    if args.split == "test":
        _need_unscored(clips)
    for note in (*all_notes(clips), *known):
        tell(note)
    args.out.mkdir(parents=True, exist_ok=True)
    comparisons = [_compared(args, clips, plan) for plan in plans]
    if args.split == "test":
        _bundles(args, clips, plans)
        return
    strange = [note for comparison in comparisons for note in comparison.notes]
    _report(args, comparisons, list(dict.fromkeys([*all_notes(clips), *strange, *known, *_notes(args, plans)])))


def _plan(args: Namespace, embedder: str, clips: Sequence[Clip]) -> Plan:
    contenders = _contenders(args, embedder)
    labels = [c.label for c in contenders]
    if args.baseline and args.baseline not in labels:
        raise ChoiceError(f"--baseline {args.baseline} is none of the trackers: {', '.join(labels)}")
    embeds = any(c.appearance for c in contenders)
    motion = tuple(sorted({c.motion for c in contenders if c.motion}))
    recipe = replace(_recipe(args), embedder=embedder if embeds else NONE, motion=motion)
    need_embedder(recipe)
    if recipe.embeds_images or recipe.detects:
        for clip in clips:
            clip.images()
    return Plan(recipe, contenders)


def _contenders(args: Namespace, embedder: str) -> list[Contender]:
    if args.trackers:
        return choose(args.trackers, args.thresholds, embedder)
    thresholds = {THRESHOLD_KEYS[t]: v for t, v in args.thresholds.items()}
    stock = MOTION_ONLY if embedder == NONE else WITH_APPEARANCE
    return [with_embedder(replace(c, changes={**c.changes, **thresholds}), embedder) for c in stock]


def _recipe(args: Namespace) -> Recipe:
    detector = _detector(args) if args.detector else None
    given = args.detections in ("given", "public") or (args.detections is None and detector is None)
    folder = None if given or args.detections is None else Path(args.detections)
    if folder is not None and not folder.is_dir():
        raise DatasetError(f"--detections {folder} is no folder; given stands for the sequences' own det/det.txt")
    weights = {"weights": args.weights, "device": args.device}
    return Recipe(Cache(args.cache), boxes=folder, given=given, detector=detector, **weights)


def _detector(args: Namespace) -> Detector:
    from ultralytics.utils.downloads import attempt_download_asset

    path = Path(args.detector)
    found = path if path.exists() else Path(attempt_download_asset(args.detector))
    if not found.exists():
        raise DatasetError(f"--detector {args.detector}: no such file, and Ultralytics has none of that name")
    return Detector(found.resolve(), args.imgsz, args.conf, tuple(args.classes), args.device)


def _need_unscored(clips: Sequence[Clip]) -> None:
    """Raise `DatasetError` for sequences with ground truth, which the server's never have."""
    for clip in clips:
        if clip.has_truth():
            raise DatasetError(f"--split test: {clip.folder} has ground truth, so the server wants none of it")


def _checked(args: Namespace, clips: Sequence[Clip]) -> list[str]:
    """Compare the ground truth with what is known of it; returns notes."""
    if not has("trackeval"):
        raise ChoiceError("TrackEval, which does the scoring, isn't installed: pip install trackeval")
    lacking = [str(c.folder / "gt" / "gt.txt") for c in clips if not c.has_truth()]
    if lacking:
        raise DatasetError(f"without ground truth, only --split test: missing {', '.join(lacking)}")
    truths = {c.name: c.truth() for c in clips}
    halved = args.split == "val-half"
    return check_halves({name: counted(t.rows, t.classes) for name, t in truths.items()}) if halved else []


def _compared(args: Namespace, clips: Sequence[Clip], plan: Plan) -> Comparison:
    title = TITLES.get(plan.recipe.embedder, f"Embeddings: {plan.recipe.embedder}")
    times, notes = _prepared(args, clips, plan)
    jobs = [
        Track(clip, plan.recipe, seed, contender, _result(args, plan, contender, clip, seed), args.split != "test")
        for contender in plan.contenders
        for seed in seeds_of(contender, plan.recipe, args.seeds)
        for clip in clips
    ]
    return Comparison(
        title, plan.contenders, [c.name for c in clips], do_all(jobs, args.jobs, "trackers"), times, notes
    )


def _prepared(args: Namespace, clips: Sequence[Clip], plan: Plan) -> tuple[dict[str, dict[str, float]], list[str]]:
    """Compute the inputs of all trackers; returns the times it took, and notes, which are printed too."""
    seeds = range(args.seeds if plan.recipe.embedder == SIMULATED else 1)
    jobs = [Prepare(clip, plan.recipe, seed) for seed in seeds for clip in clips]
    found = do_all(jobs, _workers(args, plan.recipe), "inputs")
    strange = list(dict.fromkeys(note for _, notes in found for note in notes))
    for note in strange:
        tell(note)
    return {clip.name: times for clip, (times, _) in zip(clips, found, strict=False)}, strange


def _workers(args: Namespace, recipe: Recipe) -> int:
    """One process where there is a GPU: several would only take each other's memory."""
    if not (recipe.detects or recipe.embeds_images) or args.device == "cpu":
        return int(args.jobs)
    import torch

    return 1 if torch.cuda.is_available() else int(args.jobs)


def _result(args: Namespace, plan: Plan, contender: Contender, clip: Clip, seed: int) -> Path:
    seeds = seeds_of(contender, plan.recipe, args.seeds)
    folder = args.out / "results" / plan.folder / slug(contender.label)
    return Path(folder / (f"seed-{seed}" if len(seeds) > 1 else "data") / f"{clip.name}.txt")


def _bundles(args: Namespace, clips: Sequence[Clip], plans: Sequence[Plan]) -> None:
    for plan in plans:
        for contender in plan.contenders:
            path = args.out / "server" / plan.folder / f"{slug(contender.label)}.zip"
            results = [_result(args, plan, contender, clip, 0) for clip in clips]
            missing = bundle(path, results, own_detections=not plan.recipe.given)
            print(f"{contender.label}: {path}")
            if missing:
                told = ", ".join(missing)
                print(f"  the server wants {told} too: public detections differ, so run with --public {ALL}")


def _report(args: Namespace, comparisons: Sequence[Comparison], notes: Sequence[str]) -> None:
    baseline = args.baseline or "botsort"
    compared = [difference_table(p, baseline, args.draws) for p in comparisons]
    shown = [t for p, d in zip(comparisons, compared, strict=True) for t in (*tables(p), d)]
    text = "\n\n".join([*shown, *notes])
    rows = list(rows_of(comparisons))
    asked = {"data": str(args.data), "split": args.split, "detector": args.detector, "detections": args.detections}
    told = {"machine": facts(), **asked, "notes": list(notes), "thresholds": args.thresholds, "scores": rows}
    (args.out / "table.md").write_text(text + "\n", encoding="utf-8")
    write_csv(args.out / "scores.csv", rows)
    for path in (args.out / "scores.json", args.json):
        if path is not None:
            path.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    _draw(args.out, comparisons)
    print(text)
    if args.write:
        kept = [t for p, d in zip(comparisons, compared, strict=True) for t in (*tables(p, each=False), d)]
        publish(args.write, "\n\n".join([*kept, *notes]), page("mot17"))


def _draw(out: Path, comparisons: Sequence[Comparison]) -> None:
    for n, comparison in enumerate(comparisons):
        suffix = f"-{n + 1}" if len(comparisons) > 1 else ""
        draw(comparison, out / f"hota{suffix}.png", out / f"bars{suffix}.png")


def _notes(args: Namespace, plans: Sequence[Plan]) -> Iterator[str]:
    yield _sources(args, plans[0].recipe)
    yield RULE
    yield TIMES + (f" {args.jobs} jobs at once disturb times." if args.jobs > 1 else "")
    if args.seeds > 1 and any(plan.recipe.embedder == SIMULATED for plan in plans):
        yield SEEDED.format(args.seeds)
    yield "Thresholds on scores: " + "; ".join(_thresholds([c for plan in plans for c in plan.contenders]))
    yield facts()


def _sources(args: Namespace, recipe: Recipe) -> str:
    if args.is_default:
        return "YOLOX-X detections of ByteTrack's ablation, camera motion of BoT-SORT's release."
    if recipe.detects and recipe.detector is not None:
        d = recipe.detector
        return f"Detections: {d.weights.name} at {d.imgsz}, from a score of {d.conf:g} on."
    return "Detections: the sequences' own det/det.txt." if recipe.given else "Detections: read from files."


def _thresholds(contenders: Sequence[Contender]) -> list[str]:
    """Thresholds of each tracker, those with the same together."""
    by_values: dict[str, list[str]] = {}
    for contender in contenders:
        told = ", ".join(f"{key} {value:g}" for key, value in contender.thresholds().items())
        by_values.setdefault(told or "none", []).append(f"`{contender.label}`")
    return [f"{', '.join(dict.fromkeys(labels))}: {told}" for told, labels in by_values.items()]
