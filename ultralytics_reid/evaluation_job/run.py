"""Run an evaluation: embed, score, track, print the report and write files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from .._typing import Floats, as_floats
from ..errors import ConfigError
from ..gallery.commands.terminal import print_note
from ..gallery.export.atomic_file import atomic_write
from .crop_embedder import ImageBatchEmbedder
from .embeddings import EmbeddingCache
from .options import EvaluationOptions
from .plot import save_plot
from .report import Evaluation, as_json, as_markdown
from .scoring import LabeledSet, Line, load_set, score_plain, score_variants
from .sheet import save_sheet
from .video import TrackingScores, load_video, score_video

REPORT, SCORES, PLOT, SHEET = "report.md", "scores.json", "accuracy.png", "queries-"


def evaluate(options: EvaluationOptions) -> Evaluation:
    """Evaluate embedders on sets of labeled crops and on a video; print the report, and write files where asked for.

    Args:
        options: Options of the evaluation.

    Raises:
        ReIDError: If a set, a model, the video or its ground truth can't be used, or a file can't be written.
    """
    video = None if options.video is None else load_video(options.video, options.detector)
    sets = [load_set(name, folder, options) for name, folder in options.labeled_sets()]
    cache = EmbeddingCache(options.cache)
    if options.out is not None:
        _prepare(options.out, options)
    # All of them first: a wrong name of the last one is told before the first one's crops are embedded.
    embedders = {name: ImageBatchEmbedder(model, options.detector) for name, model in options.labeled_models()}
    lines: dict[str, list[Line]] = {labeled.name: [] for labeled in sets}
    for name, embedder in embedders.items():
        for labeled, line in _score_model(name, embedder, sets, cache, options):
            lines[labeled.name].append(line)
    tracking: tuple[TrackingScores, ...] = ()
    if video is not None:
        tracking = tuple(score_video(video, name, m) for name, m in options.labeled_models())
    evaluation = Evaluation(tuple((labeled, tuple(lines[labeled.name])) for labeled in sets), tracking)
    print(as_markdown(evaluation), flush=True)
    if options.out is not None:
        _write(options.out, evaluation, options)
    return evaluation


def _score_model(
    name: str, embedder: ImageBatchEmbedder, sets: list[LabeledSet], cache: EmbeddingCache, options: EvaluationOptions
) -> Iterator[tuple[LabeledSet, Line]]:
    """Lines of a model, set by set."""
    for labeled in sets:
        label = f"{name} on {labeled.name}"
        embedded = cache.embedded(embedder, labeled.crops, label)
        plain = score_plain(labeled, name, replace(embedded, rows=_mapped(embedder, embedded.rows)))
        yield labeled, plain
        flipped = None
        if options.flip:
            mirrored = cache.embedded(embedder, labeled.crops, f"{label}, mirrored", mirrored=True)
            flipped = _mapped(embedder, as_floats((embedded.rows + mirrored.rows) / 2))
        for variant in score_variants(labeled, plain, flipped, reranked=options.rerank):
            yield labeled, variant


def _mapped(embedder: ImageBatchEmbedder, rows: Floats) -> Floats:
    return rows if embedder.head is None else embedder.head(rows)


def _prepare(out: Path, options: EvaluationOptions) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--out {out} can't be made: {error.strerror or error}") from error
    patterns = (REPORT, SCORES, PLOT, *([f"{SHEET}*.png"] if options.sheets else []))
    there = [file.name for pattern in patterns for file in out.glob(pattern)]
    if there and not options.overwrite:
        raise ConfigError(f"--out {out} already has {there[0]}: choose another folder, or --overwrite")


def _write(out: Path, evaluation: Evaluation, options: EvaluationOptions) -> None:
    over = options.overwrite
    with atomic_write(out / REPORT, (".md",), overwrite=over) as part:
        part.write_text(f"# Embedders\n\n{as_markdown(evaluation)}\n", encoding="utf-8")
    with atomic_write(out / SCORES, (".json",), overwrite=over) as part:
        part.write_text(json.dumps(as_json(evaluation), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    written = [REPORT, SCORES]
    if evaluation.sets:
        save_plot(out / PLOT, evaluation, overwrite=over)
        written.append(PLOT)
    for labeled, lines in evaluation.sets if options.sheets else ():
        for line in lines:
            if not line.variant and line.scores.queries:
                file = f"{SHEET}{_safe(labeled.name)}-{_safe(line.model)}.png"
                save_sheet(out / file, labeled, line, overwrite=over)
                written.append(file)
    for file in written:
        print_note(f"wrote {out / file}")


def _safe(text: str) -> str:
    return re.sub(r"[^\w.-]+", "_", text)
