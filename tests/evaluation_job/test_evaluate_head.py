"""A learned head in `evaluate`: its figures, its base, and that the base embeds once for both."""

import json

from ultralytics_reid.cli import main

HALVES = "color_embedders:halves"


def test_a_head_is_a_model_of_its_own_over_the_same_embeddings(people, colors, tmp_path, write_head):
    head = write_head("colors2")
    command = ["evaluate", str(people), "--model", HALVES, "--label", "base"]
    main(command)
    alone = len(colors.CALLS)
    out = tmp_path / "out"
    assert main([*command, "--model", HALVES, "--head", head, "--out", str(out)]) == 0
    assert len(colors.CALLS) == 2 * alone
    base, headed = json.loads((out / "scores.json").read_text())["sets"][0]["models"]
    assert headed["model"] == f"{HALVES} + mine"
    assert (base["dim"], headed["dim"]) == (6, 2)
    assert headed["map"]["value"] < base["map"]["value"]


def test_a_head_of_another_embedder_is_refused(people, colors, write_head, capsys):
    head = write_head("osnet")
    assert main(["evaluate", str(people), "--model", HALVES, "--head", head]) == 1
    assert "trained on embeddings by osnet, and these are by colors2" in capsys.readouterr().err
