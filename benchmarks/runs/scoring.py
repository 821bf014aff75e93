"""Time and memory of scoring embeddings, on random vectors: retrieval, verification, tracklets, re-ranking."""

from __future__ import annotations

import resource
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from time import process_time

import numpy as np

from ultralytics_reid._typing import Floats
from ultralytics_reid.evaluation.embedding_scores import cosine, score_search
from ultralytics_reid.evaluation.markdown import table
from ultralytics_reid.evaluation.protocol import SearchProtocol, protocol_of
from ultralytics_reid.evaluation.rerank import rerank
from ultralytics_reid.evaluation.tracklet_scores import score_tracklets

from ..harness.options import add_write, whole
from ..harness.report import present

_SEED, _CAMERAS = 0, 6
# `ru_maxrss` is in KiB on Linux.
_KIBI = 1024
# Of images around the mean of their identity, whose components have a deviation of 1.
_NOISE = 3.0


def run(args: Namespace) -> None:
    protocol, rows = _random_set(args)
    steps: dict[str, Callable[[], object]] = {
        "retrieval and verification, with intervals": lambda: score_search(protocol, cosine(protocol, rows)),
        "tracklets, 1 to 10 crops a side": lambda: score_tracklets(protocol, rows),
        "re-ranking": lambda: rerank(rows, protocol.queries, protocol.gallery),
    }
    lines = []
    for name, step in steps.items():
        begin = process_time()
        step()
        took = process_time() - begin
        lines.append([name, f"{took:.1f}", f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _KIBI:.0f}"])
    told = f"{args.queries:,} queries in {args.images:,} images, {args.identities:,} identities, {args.dim} numbers"
    note = f"{told}. Memory: the most that the process has had until then."
    present("scoring", [table(["step", "processor time, s", "MB"], lines), note], write=args.write)


def add_arguments(parser: ArgumentParser) -> None:
    for name, default in (("queries", 3000), ("images", 15_000), ("identities", 750), ("dim", 512)):
        parser.add_argument(f"--{name}", type=whole, default=default, metavar="N", help=f"default: {default}")
    add_write(parser)


def _random_set(args: Namespace) -> tuple[SearchProtocol, Floats]:
    rng = np.random.default_rng(_SEED)
    count = args.queries + args.images
    identities = rng.integers(0, args.identities, count)
    rows = rng.normal(size=(args.identities, args.dim))[identities] + _NOISE * rng.normal(size=(count, args.dim))
    cameras = rng.integers(0, _CAMERAS, count)
    return protocol_of(identities, cameras, queries=np.arange(count) < args.queries), rows.astype(np.float32)
