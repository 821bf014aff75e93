"""The benchmark of scoring embeddings: its table, on a small set."""

import re

from benchmarks.__main__ import main


def test_each_step_has_its_time_and_memory(capsys):
    sizes = {"--queries": 30, "--images": 150, "--identities": 12, "--dim": 8}
    assert main(["scoring", *(str(word) for pair in sizes.items() for word in pair)]) == 0
    printed = capsys.readouterr().out
    assert len(re.findall(r"^\| [a-z].* \| \d+\.\d \| \d+ \|$", printed, re.M)) == 3
    assert "30 queries in 150 images, 12 identities, 8 numbers" in printed
