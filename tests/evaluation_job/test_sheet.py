"""The contact sheet of a search: which queries are drawn, with which hits, in which color."""

from itertools import pairwise

import cv2
import numpy as np
import pytest

from ultralytics_reid.drawing.colors import BAD, GOOD
from ultralytics_reid.evaluation_job.embeddings import Embedded
from ultralytics_reid.evaluation_job.options import EvaluationOptions, ModelChoice
from ultralytics_reid.evaluation_job.scoring import load_set, score_plain
from ultralytics_reid.evaluation_job.sheet import HITS, ROWS, save_sheet

IDENTITIES = 7
# Colors of images, by number: none is one of the sheet's own.
COLORS = [(200, 10 + 5 * n, 90) for n in range(2 * IDENTITIES)]


def rgb(color):
    return tuple(bytes.fromhex(color.removeprefix("#")))


@pytest.fixture
def drawn(tmp_path):
    """Embeddings of two images an identity, and the sheet's rows: query, then hits with the color of their frames."""
    folder = tmp_path / "set"
    for n, color in enumerate(COLORS):
        (folder / f"p{n // 2}").mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / f"p{n // 2}" / f"{n:02d}.png"), np.full((40, 20, 3), color[::-1], np.uint8))
    labeled = load_set("set", folder, EvaluationOptions((ModelChoice("m"),), sets=(folder,)))
    rows = np.random.default_rng(4).normal(size=(2 * IDENTITIES, 5)).astype(np.float32)
    save_sheet(tmp_path / "sheet.png", labeled, score_plain(labeled, "m", Embedded(rows, 1.0, 0)), overwrite=False)
    sheet = cv2.imread(str(tmp_path / "sheet.png"))[..., ::-1]
    return rows / np.linalg.norm(rows, axis=1, keepdims=True), list(rows_of(sheet))


def rows_of(sheet):
    of = {color: n for n, color in enumerate(COLORS)} | {rgb(GOOD): GOOD, rgb(BAD): BAD}
    named = [[of.get(tuple(pixel)) for pixel in line] for line in sheet.tolist()]
    crops = [any(isinstance(name, int) for name in line) for line in named]
    edges = np.flatnonzero(np.diff([False, *crops, False])).reshape(-1, 2)
    for begin, end in edges.tolist():
        line = [None, *named[(begin + end) // 2]]
        changes = [b for a, b in pairwise(line) if a != b and b is not None]
        hits = [n for n, name in enumerate(changes) if n and isinstance(name, int)]
        yield changes[0], [(changes[n], changes[n - 1]) for n in hits]


def precision(rows, query):
    """Average precision of a query with one match: one by the match's rank."""
    similarity = rows @ rows[query]
    return 1 / (np.delete(similarity, query) >= similarity[query ^ 1]).sum()


def test_hits_are_the_most_similar_images_green_where_they_show_the_query_s_identity(drawn):
    rows, shown = drawn
    for query, hits in shown:
        similar = [n for n in np.argsort(-(rows @ rows[query])).tolist() if n != query][:HITS]
        assert hits == [(n, GOOD if n == query ^ 1 else BAD) for n in similar]


def test_the_worst_queries_come_first_then_the_best_of_other_identities(drawn):
    rows, shown = drawn
    queries = [query for query, _ in shown]
    worst, best = queries[:ROWS], queries[ROWS:]
    assert sorted(query // 2 for query in queries) == list(range(IDENTITIES))
    precisions = [precision(rows, query) for query in queries]
    assert precisions[:ROWS] == sorted(precisions[:ROWS])
    assert precisions[ROWS:] == sorted(precisions[ROWS:], reverse=True)
    assert precisions[0] == min(precision(rows, n) for n in range(2 * IDENTITIES))
    assert all(precision(rows, query) <= precision(rows, query ^ 1) for query in worst)
    assert all(precision(rows, query) >= precision(rows, query ^ 1) for query in best)
