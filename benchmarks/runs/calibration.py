"""Self-calibration against ground truth: log-likelihood ratios and false rates, predicted and observed, by embedder."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from ultralytics_reid.evaluation.markdown import table

from ..harness.calibration_plot import draw
from ..harness.data.features import EMBEDDERS, add_choice, embedded, usable
from ..harness.data.sequences import load_sequence
from ..harness.options import ASSETS, PETS, TUD, add_features, add_shared, add_write, need_clips, new_file
from ..harness.report import present
from ..harness.scoring.calibration import (
    EDGES,
    MIN_CROPS,
    MIN_PURITY,
    RATES,
    Pairs,
    bins,
    observe,
    observed,
    passing,
    separability,
)

TITLES = {PETS: "PETS by person", TUD: "TUD-Stadtmitte"}
# Seconds between a crop and what it is compared with: the one clip lasts two minutes, the other seven seconds.
AGO = {PETS: 10.0, TUD: 3.0}


def run(args: Namespace) -> None:
    need_clips(args.shared, args.clips)
    able = usable(args.embedders, args.clips, args.shared, args.features)
    found = {clip: {e: _observe(args, clip, e) for e in able} for clip in args.clips}
    tables = [part for clip in args.clips for part in _tables(clip, found[clip])]
    present("calibration", [*tables, *_notes()], write=args.write)
    clip = args.clips[0]
    draw(TITLES[clip], found[clip], args.out)
    print(f"wrote {args.out}")


def add_arguments(parser: ArgumentParser) -> None:
    add_shared(parser)
    add_features(parser)
    add_choice(parser, TITLES, "; the first is drawn")
    parser.add_argument("--out", type=new_file, default=ASSETS / "calibration.png", metavar="FILE")
    add_write(parser)


def _observe(args: Namespace, clip: str, embedder: str) -> Pairs:
    cache = embedded(clip, embedder, args.shared, args.features)
    return observe(load_sequence(args.shared / "data" / clip), cache, AGO[clip])


def _tables(clip: str, found: dict[str, Pairs]) -> Iterator[str]:
    for title, head, cells in (
        ("cosines of genuine and of impostor pairs", _KINDS, _kinds),
        ("observed log-odds, nats, where the tracker said … (genuine / impostor pairs)", _ranges(), _reliability),
        ("share of impostor / genuine pairs, in %, above the bound of a false rate of …", _PROMISES, _promises),
    ):
        yield f"**{TITLES[clip]}: {title}**"
        yield table(["embedder", *head], [[EMBEDDERS[e], *cells(pairs)] for e, pairs in found.items()])


_KINDS = ["genuine pairs (couples)", "mean ± sd", "impostor pairs (couples)", "mean ± sd", "AUC"]
_PROMISES = [f"{100 * rate:g} %" for rate in RATES]


def _ranges() -> list[str]:
    inner = [f"{low:+.0f} … {high:+.0f}" for low, high in pairwise(EDGES)]
    return [f"below {EDGES[0]:+.0f}", *inner, f"above {EDGES[-1]:+.0f}"]


def _kinds(pairs: Pairs) -> list[str]:
    cells = [cell for same in (True, False) for cell in _spread(pairs.of_kind(same=same))]
    return [*cells, f"{separability(pairs):.3f}"]


def _spread(pairs: Pairs) -> tuple[str, str]:
    couples, scores = len(np.unique(pairs.couple, axis=0)), pairs.score
    return f"{len(scores)} ({couples})", f"{scores.mean():.2f} ± {scores.std():.2f}" if len(scores) else "-"


def _reliability(pairs: Pairs) -> list[str]:
    found, place = observed(pairs, np.ones(len(pairs.same))), bins(pairs)
    counts = [(int(pairs.same[place == n].sum()), int((~pairs.same[place == n]).sum())) for n in range(len(found))]
    return [f"{f:+.1f} ({s} / {d})" if s + d else "-" for f, (s, d) in zip(found, counts, strict=True)]


def _promises(pairs: Pairs) -> list[str]:
    impostor, genuine = (pairs.of_kind(same=same) for same in (False, True))
    shares = [100 * passing(p, np.ones(len(p.same))) for p in (impostor, genuine)]
    return [f"{i:.1f} / {g:.0f}" for i, g in zip(*shares, strict=True)]


def _notes() -> Iterator[str]:
    ago = ", ".join(f"{seconds:g} s in {TITLES[clip]}" for clip, seconds in AGO.items())
    yield (
        f"Once a second the mean of each settled tracklet's last second of clean crops ({MIN_CROPS} or more) is "
        f"compared with memory as it was some time ago ({ago}): with its own identity, and with those that are not "
        "visible. Genuine: the same person in the ground truth. Left out: tracklets and identities that were on one "
        f"person in less than {100 * MIN_PURITY:.0f} % of their boxes, and everything before the tracker trusts its "
        "own calibration. Log-odds are corrected for how many pairs there are of either kind. One YAML for all, the "
        "shipped one but for `gmc_method: none`, for speed. A couple is a query's person and the identity it is "
        "compared with; it recurs every second, so pairs are far from independent."
    )
