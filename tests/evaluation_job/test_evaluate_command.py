"""`ultralytics-reid evaluate` on labeled crops: what it prints and writes, and what it says of data it can't use."""

import json
import re
import shutil
import sys

import cv2
import numpy as np
import pytest

from ultralytics_reid.cli import main
from ultralytics_reid.datasets.writer import LabeledCrop, write_crops

HALVES, WHOLE = "color_embedders:halves", "color_embedders:whole"


def cells(printed, model):
    """Cells of a model's line in the first table."""
    line = next(line for line in printed.splitlines() if line.startswith("|") and f" {model} |" in line)
    return [cell.strip() for cell in line.split("|")[1:-1]]


def test_it_prints_figures_of_each_model_with_intervals_and_differences(people, colors, capsys):
    models = ["--model", HALVES, "--label", "two", "--model", WHOLE, "--label", "one"]
    assert main(["evaluate", str(people), *models]) == 0
    printed = capsys.readouterr().out
    assert "**people**: 48 images, 12 identities, 2 cameras; same camera left out" in printed
    assert "0 queries without a match" in printed
    two, one = cells(printed, "two"), cells(printed, "one")
    assert (two[0], two[2], one[2]) == ("people", "6", "3")
    assert re.fullmatch(r"\d+\.\d \(\d+\.\d to \d+\.\d\)", two[4])
    assert float(two[4].split()[0]) > float(one[4].split()[0])
    assert (two[-1], one[-1][0]) == ("-", "-")
    assert re.search(r"\| people \| +two \| +2 \| +12 \|", printed)


def test_files_are_written_with_the_same_figures(people, colors, tmp_path, capsys):
    out = tmp_path / "out"
    options = ["--model", HALVES, "--flip", "--rerank", "--out", str(out), "--sheets"]
    assert main(["evaluate", str(people), *options]) == 0
    names = {file.name for file in out.iterdir()}
    assert names == {"report.md", "scores.json", "accuracy.png", "queries-people-color_embedders_halves.png"}
    assert capsys.readouterr().out.strip() in (out / "report.md").read_text()
    (found,) = json.loads((out / "scores.json").read_text())["sets"]
    assert (found["images"], found["identities"], found["cameras"], found["queries"]) == (48, 12, 2, 48)
    variants = {line["variant"]: line for line in found["models"]}
    assert list(variants) == ["", "flip", "re-ranked", "flip, re-ranked"]
    assert 0 < variants[""]["map"]["low"] < variants[""]["map"]["value"] <= 1
    assert variants["re-ranked"]["milliseconds"] is None
    for image in ("accuracy.png", "queries-people-color_embedders_halves.png"):
        assert min(cv2.imread(str(out / image)).shape[:2]) > 300


def test_existing_files_are_not_replaced_unless_asked(people, colors, tmp_path, capsys):
    (tmp_path / "report.md").write_text("mine")
    command = ["evaluate", str(people), "--model", HALVES, "--out", str(tmp_path)]
    assert main(command) == 1
    assert "already has report.md: choose another folder, or --overwrite" in capsys.readouterr().err
    assert (tmp_path / "report.md").read_text() == "mine"
    assert main([*command, "--overwrite"]) == 0


def test_kept_embeddings_are_not_computed_again_unless_a_file_changes(people, colors, tmp_path):
    command = ["evaluate", str(people), "--model", HALVES, "--cache", str(tmp_path / "kept")]
    main(command)
    first = len(colors.CALLS)
    main(command)
    assert len(colors.CALLS) == first
    cv2.imwrite(str(people / "0001001.png"), np.zeros((40, 20, 3), np.uint8))
    main(command)
    assert len(colors.CALLS) > first
    assert all(file.stat().st_mode & 0o077 == 0 for file in (tmp_path / "kept").iterdir())


def test_a_damaged_file_of_the_cache_is_made_anew(people, colors, tmp_path):
    command = ["evaluate", str(people), "--model", HALVES, "--cache", str(tmp_path / "kept")]
    main(command)
    (kept,) = (tmp_path / "kept").iterdir()
    kept.write_bytes(b"PK\x03\x04 damaged")
    assert main(command) == 0


def test_queries_of_one_camera_are_searched_for_in_the_other(people, colors, capsys):
    assert main(["evaluate", str(people), "--query-cameras", "2", "--model", HALVES]) == 0
    printed = capsys.readouterr().out
    assert "queries are of other cameras than the images searched; 24 queries searched for in 24 images" in printed
    # By tracklet, across cameras: two crops a camera, of all identities.
    assert re.search(r"\| people \| +color_embedders:halves \| +2 \| +12 \|", printed)


def test_several_sets_are_in_one_table(people, colors, tmp_path, capsys):
    shutil.copytree(people, tmp_path / "others")
    assert main(["evaluate", str(people), str(tmp_path / "others"), "--model", HALVES]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"^\| people ", printed, re.M)
    assert re.search(r"^\| others ", printed, re.M)


def test_images_without_an_embedding_are_counted(people, colors, capsys):
    assert main(["evaluate", str(people), "--model", "color_embedders:blind"]) == 0
    assert "color_embedders:blind: 48 images without embedding" in capsys.readouterr().out


def keep(folder, pattern):
    """Keep only these images."""
    for file in folder.iterdir():
        if not re.fullmatch(pattern, file.name):
            file.unlink()


@pytest.mark.parametrize(
    ("kept", "said"),
    [
        (r"\d{4}00[12]\.png", "12 identities, 1 camera; same camera kept"),
        (r"\d{4}001\.png", "12 queries without a match, which count in no figure; **no query has a match**"),
        (r"0001.*|\d{4}001\.png", "11 queries without a match, which count in no figure"),
    ],
)
def test_one_camera_or_one_image_an_identity_is_said_and_no_error(people, colors, kept, said, capsys):
    keep(people, kept)
    assert main(["evaluate", str(people), "--model", HALVES]) == 0
    assert said in capsys.readouterr().out


def break_image(folder):
    (folder / "0003002.png").write_bytes(b"no image")


def break_name(folder):
    (folder / "0003002.png").rename(folder / "me.png")


def one_identity(folder):
    keep(folder, r"0001.*")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (break_image, r"0003002\.png can't be read"),
        (break_name, r"me\.png doesn't follow the rule of cuhk01: IIIIJJJ"),
        (one_identity, r"people must show two identities or more, got 1 \(0001\)"),
    ],
)
def test_data_that_can_t_be_used_is_named(people, colors, damage, said, capsys):
    damage(people)
    assert main(["evaluate", str(people), "--model", HALVES]) == 1
    error = capsys.readouterr().err
    assert re.search(said, error)
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["people"], "--model must be given"),
        (["--model", HALVES], "give a folder of labeled crops, or --video with --ground-truth"),
        (["people", "--model", "auto"], "--detector must be given with --video and with --model auto"),
        (["people", "--model", HALVES, "--sheets"], "--sheets needs --out"),
        (
            ["people", "--model", HALVES, "--query-cameras", "3"],
            "people has the cameras 1, 2, got 3",
        ),
        (["people", "--model", HALVES, "--query-cameras", "1", "2"], "no other camera than 1, 2"),
        (["people", "--model", HALVES, "--video", "a.mp4"], "given both or not at all"),
        (["people", "--model", HALVES, "--model", "nothing.onnx"], "nothing.onnx is neither a file nor a folder"),
        (["nowhere", "--model", HALVES], "there is no folder nowhere"),
        (
            ["people", "--detector", "yolo11n.pt", "--model", "auto", "--weights", "nosuch.pth"],
            "--model auto: 'model' must be one that takes weights",
        ),
        (
            ["people", "--detector", "yolo11n.pt", "--model", "auto", "--crop-height", "64"],
            "--model auto: 'crop_height' must be 0 with model: auto, which sees no crops; got 64",
        ),
        (
            ["people", "--model", HALVES, "--model", "osnet_x0_25", "--crop-height", "-7"],
            r"--model osnet_x0_25: 'crop_height' must be int in \[0, 4096\], got -7",
        ),
    ],
)
@pytest.mark.usefixtures("colors")
def test_options_that_don_t_fit_are_named(people, options, said, capsys, monkeypatch):
    monkeypatch.chdir(people.parent)
    assert main(["evaluate", *options]) == 1
    assert not sys.modules["color_embedders"].CALLS
    assert re.search(said, capsys.readouterr().err)


def test_an_option_of_a_model_stands_after_it(people, capsys):
    with pytest.raises(SystemExit):
        main(["evaluate", str(people), "--weights", "a.pth", "--model", HALVES])
    assert "argument --weights: belongs to the --model before it" in capsys.readouterr().err


def test_folders_without_cameras_are_said_to_have_none(people, colors, tmp_path, capsys):
    for file in people.iterdir():
        (tmp_path / "folders" / file.name[:4]).mkdir(parents=True, exist_ok=True)
        shutil.copy(file, tmp_path / "folders" / file.name[:4] / f"{file.stem[4:]}.png")
    assert main(["evaluate", str(tmp_path / "folders"), "--model", HALVES]) == 0
    assert "12 identities, no cameras; no cameras known: each image counts as its own" in capsys.readouterr().out


def test_market_s_own_folder_is_searched_as_its_benchmark_does(people, colors, tmp_path, capsys):
    for file in people.iterdir():
        person, number = file.stem[:4], int(file.stem[4:])
        part = tmp_path / "market" / ("query" if number == 1 else "bounding_box_test")
        part.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, part / f"{person}_c{(number + 1) // 2}s1_{number:06d}_00.png")
    shutil.copy(people / "0001001.png", tmp_path / "market" / "bounding_box_test" / "0000_c1s1_000000_00.png")
    assert main(["evaluate", str(tmp_path / "market"), "--model", HALVES]) == 0
    printed = capsys.readouterr().out
    assert "12 identities, 2 cameras; same camera left out" in printed
    assert "12 queries searched for in 37 images" in printed


def test_pairs_that_may_be_one_individual_are_left_out_and_counted(people, colors, tmp_path, capsys):
    crops = [
        LabeledCrop(cv2.imread(str(people / f"{person:04d}{number:03d}.png")), f"p{person}", camera=(number + 1) // 2)
        for person in range(1, 5)
        for number in range(1, 5)
    ]
    write_crops(tmp_path / "unsure", crops, different=[("p1", "p2"), ("p3", "p4")])
    assert main(["evaluate", str(tmp_path / "unsure"), "--model", HALVES]) == 0
    # Of sixteen others, three are the same identity's, four a known stranger's, eight unknown; itself is the same.
    assert "50.0% of the pairs are left out, as it isn't known that they differ" in capsys.readouterr().out
