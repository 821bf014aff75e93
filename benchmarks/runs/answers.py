"""What twenty answers on the Review page correct, on four cameras that share a gallery."""

from __future__ import annotations

import sqlite3
import tempfile
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from ultralytics_reid import Gallery
from ultralytics_reid.evaluation.markdown import table
from ultralytics_reid.gallery.records import Visit

from ..harness.cameras import CameraRun, Links, figures, links, together
from ..harness.contenders.stock import REID_BOTSORT
from ..harness.options import add_write
from ..harness.relinked import relabeled
from ..harness.report import present
from ..harness.reviewer import Reviewer, VisitLinks, visit_links
from ..harness.scoring.reliability import owners
from .cameras import LOOK_ALIKES, scene, simulated

# When the cameras start, seconds since 1970: any time will do.
START = 1_795_694_400.0
COLUMNS = ["wrong links", "missed links", "wrong merges", "missed", "IDF1"]
NOTE = """\
Scenes of four cameras and 16 people, three minutes, a quarter of them dressed like another; boxes and embeddings are
simulated. Answers: the first questions of the Review page, one after another, answered by ground truth through the
page's own calls; pairs are looked for anew after each. A question about visits that show no single person (less than
80 % of their path) is skipped, and counts as none. Wrong links: visits under an identity that is mostly another
person's. Missed links: identities beyond the first that are mostly one person's. Both are of visits that show one
person. Wrong merges, missed and IDF1: of all boxes over all cameras, as in `cameras`; a tracker's mistakes within a
visit count there, which no answer about visits corrects."""


@dataclass
class Outcome:
    """What came out of all scenes, at one point.

    Attributes:
        visits: Links of visits.
        views: Links of views of people.
        idf1: Of each scene.
    """

    visits: VisitLinks = field(default_factory=VisitLinks)
    views: Links = field(default_factory=Links)
    idf1: list[float] = field(default_factory=list)

    def cells(self) -> list[str]:
        """A row of `COLUMNS`."""
        counts = (self.visits.wrong, self.visits.missed, self.views.wrong, self.views.missed)
        return [*map(str, counts), f"{sum(self.idf1) / len(self.idf1):.1f}"]


def run(args: Namespace) -> None:
    after = f"{args.answers} answers"
    outcomes = {name: Outcome() for name in ("before", after, f"{after}, relink", "relink only")}
    told: Counter[tuple[str, bool]] = Counter()
    for seed in range(args.seeds):
        with tempfile.TemporaryDirectory() as folder:
            told += _scene(Path(folder), seed, args.answers, list(outcomes.values()))
    rows = [[name, *outcome.cells()] for name, outcome in outcomes.items()]
    given = ", ".join(f"{n} {kind} {'same' if same else 'different'}" for (kind, same), n in sorted(told.items()))
    title = f"**{args.seeds} scenes, {outcomes['before'].visits.visits} visits**"
    present("answers", [title, table(["identities", *COLUMNS], rows), f"Answers: {given}.", NOTE], write=args.write)


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="scenes (default: 3)")
    parser.add_argument("--answers", type=int, default=20, metavar="N", help="answers a scene (default: 20)")
    add_write(parser)


def _scene(folder: Path, seed: int, answers: int, outcomes: Sequence[Outcome]) -> Counter[tuple[str, bool]]:
    """Track a scene, answer, and add what came out to the four outcomes."""
    before, after, after_relink, relink_only = outcomes
    path, copy = folder / "gallery.db", folder / "copy.db"
    runs = together(REID_BOTSORT, list(simulated(scene(4, seed, LOOK_ALIKES))), path, START)
    _copy(path, copy)
    with Gallery(path) as gallery:
        visits = list(gallery.visits())
        owner = owners(visits, runs, START)
        _add(before, gallery, runs, visits, owner)
        reviewer = Reviewer(gallery, owner)
        reviewer.work(answers)
        _add(after, gallery, runs, visits, owner)
        gallery.relink(apply=True)
        _add(after_relink, gallery, runs, visits, owner)
    with Gallery(copy) as gallery:
        gallery.relink(apply=True)
        _add(relink_only, gallery, runs, visits, owner)
    return reviewer.told


def _copy(path: Path, to: Path) -> None:
    """Copy a gallery that trackers have still open."""
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(to)) as target:
        source.backup(target)


def _add(
    outcome: Outcome, gallery: Gallery, runs: Sequence[CameraRun], visits: Sequence[Visit], owner: dict[int, int]
) -> None:
    now = sorted(gallery.visits(details=False), key=lambda v: (v.first, v.id))
    identities = {v.id: v.identity for v in now}
    shown = [relabeled(run, visits, identities, START + run.film.start) for run in runs]
    outcome.visits += visit_links(identities, owner)
    outcome.views += links(shown)
    outcome.idf1.append(figures(shown, at_once=True)["IDF1"])
