"""`ultralytics-reid train` from a folder of crops to a file that a tracker YAML names, and what it refuses."""

import json
from itertools import count

import cv2
import numpy as np
import pytest

from tests.training.embeddings import crops_of
from ultralytics_reid.cli import main
from ultralytics_reid.training.stored_embeddings import write_embeddings

pytest.importorskip("pytorch_metric_learning")
pytest.importorskip("safetensors")
pytestmark = pytest.mark.extras


def folder(path, identities=8, images=6, *, size=(32, 16)):
    """Crops of one color an identity, with noise, in Market-1501's form and two cameras."""
    rng = np.random.default_rng(0)
    path.mkdir()
    for identity in range(identities):
        color = rng.integers(40, 215, 3)
        for n in range(images):
            image = np.clip(color + rng.normal(0, 12, (*size, 3)), 0, 255).astype(np.uint8)
            cv2.imwrite(str(path / f"{identity + 1:04d}_c{n % 2 + 1}s1_{n:06d}_00.jpg"), image)
    return path


def with_embeddings(path, **how):
    found = sorted(p.name for p in path.glob("*.jpg"))
    crops = crops_of(identities=8, images=len(found) // 8, **how)
    write_embeddings(path, found, crops.rows, "detector:toy")
    return path


def run(*words):
    return main(["train", *map(str, words)])


def test_a_head_is_written_with_its_card(tmp_path, capsys):
    data, out = with_embeddings(folder(tmp_path / "data")), tmp_path / "mine.safetensors"
    assert run(data, "--head-only", "--out", out) == 0
    shown = capsys.readouterr().out
    assert "48 images of 8 identities, 2 cameras; all known to differ" in shown
    assert "whitening over plain cosine" in shown
    assert f"head: {out}" in shown
    card = json.loads(out.with_suffix(".json").read_text())
    assert (card["kind"], card["base"], card["model"]) == ("head", "detector:toy", "auto")
    assert card["data"]["identities"] == 8
    from ultralytics_reid.embedders.head import load_head

    head = load_head(out)
    assert head.fingerprint == card["fingerprint"]
    assert head.card["scores"] == card["scores"]


def test_an_interrupted_head_is_not_to_be_resumed(tmp_path, capsys, monkeypatch):
    def stops(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("ultralytics_reid.training.train.learn_head", stops)
    out = tmp_path / "mine.safetensors"
    assert run(with_embeddings(folder(tmp_path / "data")), "--head-only", "--out", out) == 130
    assert "interrupted; nothing was written" in capsys.readouterr().err
    assert not out.exists()


def test_an_existing_result_is_not_replaced_unless_asked(tmp_path, capsys):
    data, out = with_embeddings(folder(tmp_path / "data")), tmp_path / "mine.safetensors"
    out.write_text("mine")
    assert run(data, "--head-only", "--out", out) == 1
    assert "already exists: choose another name, or --overwrite" in capsys.readouterr().err
    assert run(data, "--head-only", "--out", out, "--overwrite") == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--head-only", "--epochs", "0"], r"--epochs must be a whole number in \[1, 1000\], got 0"),
        (["--head-only", "--images", "1"], r"--images must be a whole number in \[2, 16\], got 1"),
        ([], "--head-only"),
        (["--head-only", "--resume"], "--resume is of whole networks"),
        (["--model", "model.onnx"], "architecture"),
        (["--head-only", "--weights", "x.pth"], "--weights x.pth: --model auto takes the embeddings"),
    ],
)
def test_options_out_of_range_are_named(tmp_path, capsys, words, said):
    import re

    assert run(folder(tmp_path / "data"), "--out", tmp_path / "mine.safetensors", *words) == 1
    assert re.search(said, capsys.readouterr().err)


def test_auto_without_stored_embeddings_says_how_to_get_them(tmp_path, capsys):
    assert run(folder(tmp_path / "data"), "--head-only", "--out", tmp_path / "mine.safetensors") == 1
    assert "ultralytics-reid dataset" in capsys.readouterr().err


def test_a_wrong_suffix_and_a_missing_folder_are_named(tmp_path, capsys):
    data = folder(tmp_path / "data")
    assert run(data, "--head-only", "--out", tmp_path / "mine.pth") == 1
    assert "mine.pth can't be written: the suffix must be .safetensors" in capsys.readouterr().err
    assert run(data, "--head-only", "--out", tmp_path / "none" / "mine.safetensors") == 1
    assert "there is no folder" in capsys.readouterr().err


def test_a_card_that_can_t_be_written_is_told_before_training(tmp_path, capsys):
    data, out = with_embeddings(folder(tmp_path / "data")), tmp_path / "mine.safetensors"
    out.with_suffix(".json").mkdir()
    assert run(data, "--head-only", "--out", out, "--overwrite") == 1
    printed = capsys.readouterr()
    assert "mine.json can't be written: it is a folder" in printed.err
    assert "images of" not in printed.out


def test_a_full_disk_leaves_the_earlier_result(tmp_path, capsys, monkeypatch):
    data, out = with_embeddings(folder(tmp_path / "data")), tmp_path / "mine.safetensors"
    out.write_text("earlier")

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    assert run(data, "--head-only", "--out", out, "--overwrite") == 1
    assert "No space left on device" in capsys.readouterr().err
    assert out.read_text() == "earlier"


@pytest.mark.parametrize(
    ("identities", "images", "said"),
    [(1, 6, "got one"), (8, 1, "one image an identity"), (3, 6, "6 identities or more")],
)
def test_too_little_data_is_refused(tmp_path, capsys, identities, images, said):
    data = folder(tmp_path / "data", identities, images)
    names = sorted(p.name for p in data.glob("*.jpg"))
    write_embeddings(data, names, crops_of(identities=identities, images=images).rows, "detector:toy")
    assert run(data, "--head-only", "--out", tmp_path / "mine.safetensors") == 1
    assert said in capsys.readouterr().err


class TestNetwork:
    @pytest.fixture(autouse=True)
    def _needs(self, monkeypatch):
        torchreid = pytest.importorskip("torchreid")
        torch = pytest.importorskip("torch")
        from ultralytics_reid.embedders.crops import Preprocessing

        class Tiny(torch.nn.Module):
            """In place of an architecture: quick, with torchreid's switch for its output in training."""

            def __init__(self, **_):
                super().__init__()
                self.loss = "softmax"
                self.layers = torch.nn.Sequential(
                    torch.nn.Conv2d(3, 8, 3, stride=2), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1)
                )
                self.classifier = torch.nn.Linear(8, 1)

            def forward(self, crops):
                rows = self.layers(crops).flatten(1)
                if not self.training:
                    return rows
                return (self.classifier(rows), rows) if self.loss == "triplet" else self.classifier(rows)

        monkeypatch.setattr(torchreid.models, "build_model", lambda name, **how: Tiny(**how))
        small = Preprocessing(height=16, width=8)
        monkeypatch.setattr("ultralytics_reid.embedders.torchreid.PREPROCESSING", small)
        monkeypatch.setattr("ultralytics_reid.training.train.PREPROCESSING", small)
        monkeypatch.setattr("ultralytics_reid.training.images._PADDING", 2)

    @pytest.fixture
    def weights(self, tmp_path):
        import torch
        import torchreid

        torch.manual_seed(0)
        path = tmp_path / "start.pth"
        torch.save(torchreid.models.build_model("tiny").state_dict(), path)
        return path

    def command(self, tmp_path, weights, *words):
        names = ("--model", "tiny", "--weights", weights, "--out", tmp_path / "mine.safetensors")
        return run(tmp_path / "data", *names, *words)

    def test_a_network_is_trained_written_and_loaded_by_the_tracker_s_embedder(
        self, tmp_path, weights, monkeypatch, capsys
    ):
        from ultralytics_reid.embedders import build_embedder
        from ultralytics_reid.training import loop

        tars = iter([0.5, 0.6, 0.8, 0.7])
        monkeypatch.setattr(loop.Watch, "__call__", lambda self, network: dict.fromkeys(range(3), next(tars)))
        folder(tmp_path / "data", 14, 4)
        assert self.command(tmp_path, weights, "--epochs", 3) == 0
        said = capsys.readouterr().out
        assert "epoch 3: loss" in said
        assert "epoch 2 is best" in said
        out = tmp_path / "mine.safetensors"
        trained, start = (build_embedder("tiny", str(file), "cpu") for file in (out, weights))
        assert trained.dim == 8
        assert trained.fingerprint != start.fingerprint
        crops = np.random.default_rng(0).integers(0, 255, (2, 16, 8, 3), np.uint8)
        assert np.abs(trained.encode(crops) - start.encode(crops)).max() > 1e-4
        assert not out.with_suffix(".resume.safetensors").exists()
        card = json.loads(out.with_suffix(".json").read_text())
        assert (card["kind"], card["epoch"], card["epochs"]) == ("network", 2, 3)
        assert card["scores"]["identities"]["after"] == 0.8

    @pytest.fixture
    def stopped(self, tmp_path, weights, monkeypatch, capsys):
        """A run of four epochs that Ctrl-C ended in the third; the later an epoch, the better it verifies."""
        from ultralytics_reid.training import loop, network

        folder(tmp_path / "data", 14, 4)
        tars = count(1)
        monkeypatch.setattr(loop.Watch, "__call__", lambda self, network: dict.fromkeys(range(3), next(tars) / 100))
        whole = network.Network.train_epoch

        def stops(self, epoch, shown):
            if epoch == 3:
                raise KeyboardInterrupt
            return whole(self, epoch, shown)

        with monkeypatch.context() as until:
            until.setattr(network.Network, "train_epoch", stops)
            assert self.command(tmp_path, weights, "--epochs", 4) == 130
            assert "`--resume` goes on" in capsys.readouterr().err
        return tmp_path / "mine.resume.safetensors"

    def test_a_resumed_run_ends_as_one_without_a_stop(self, tmp_path, weights, stopped, capsys):
        from safetensors.numpy import load_file

        capsys.readouterr()
        assert self.command(tmp_path, weights, "--epochs", 4, "--resume") == 0
        shown = capsys.readouterr().out
        assert [n for n in range(1, 5) if f"epoch {n}: loss" in shown] == [3, 4]
        assert not stopped.exists()
        out = tmp_path / "mine.safetensors"
        resumed, card = load_file(out), json.loads(out.with_suffix(".json").read_text())
        assert (card["epoch"], card["scores"]["identities"]["before"]) == (4, 0.01)
        assert self.command(tmp_path, weights, "--epochs", 4, "--overwrite") == 0
        whole = load_file(out)
        assert resumed.keys() == whole.keys()
        for name, array in whole.items():
            np.testing.assert_array_equal(resumed[name], array, err_msg=name)

    @pytest.mark.parametrize("words", [("--epochs", 5), ("--epochs", 4, "--seed", 1)])
    def test_a_checkpoint_of_other_options_is_refused_and_kept(self, tmp_path, weights, stopped, capsys, words):
        assert self.command(tmp_path, weights, *words, "--resume") == 1
        assert "mine.resume.safetensors is of a run with other options" in capsys.readouterr().err
        assert stopped.exists()

    @pytest.mark.parametrize("change", ["another identity", "another name", "another identity of an image"])
    def test_a_checkpoint_of_other_crops_is_refused_and_kept(self, tmp_path, weights, stopped, capsys, change):
        data = tmp_path / "data"
        first = data / "0001_c1s1_000000_00.jpg"
        if change == "another identity":
            for n in range(4):
                (data / f"0015_c{n % 2 + 1}s1_{n:06d}_00.jpg").write_bytes(first.read_bytes())
        else:
            first.rename(data / ("0001_c1s1_000009_00.jpg" if change == "another name" else "0002_c1s1_000009_00.jpg"))
        assert self.command(tmp_path, weights, "--epochs", 4, "--resume") == 1
        assert "mine.resume.safetensors is of a run on other crops" in capsys.readouterr().err
        assert stopped.exists()

    def test_without_a_checkpoint_nothing_is_resumed(self, tmp_path, weights, capsys):
        folder(tmp_path / "data", 14, 4)
        assert self.command(tmp_path, weights, "--resume") == 1
        assert "--resume: " in (said := capsys.readouterr().err)
        assert "mine.resume.safetensors is not a file" in said

    def test_a_loss_that_is_not_finite_stops_and_keeps_the_best_state(self, tmp_path, weights, monkeypatch, capsys):
        from ultralytics_reid.training import network

        folder(tmp_path / "data", 14, 4)
        monkeypatch.setattr(network.Network, "_step", lambda self, rows: float("nan"))
        assert self.command(tmp_path, weights, "--epochs", 3) == 1
        said = capsys.readouterr()
        assert "the loss was not finite in epoch 1; the state of epoch 0 is kept" in said.out
        assert "no epoch verifies" in said.err

    def test_a_pickle_with_code_is_refused_and_not_run(self, tmp_path, capsys, monkeypatch):
        import pickle
        from pathlib import Path

        class Harm:
            def __reduce__(self):
                return (Path.touch, (Path("ran"),))

        monkeypatch.chdir(tmp_path)
        folder(tmp_path / "data", 14, 4)
        path = tmp_path / "harm.pth"
        path.write_bytes(pickle.dumps(Harm()))
        assert self.command(tmp_path, path) == 1
        assert "can't be read as a state dict" in capsys.readouterr().err
        assert not Path("ran").exists()

    def test_an_unreadable_image_is_named(self, tmp_path, weights, capsys):
        data = folder(tmp_path / "data", 14, 4)
        (data / "0001_c1s1_000000_00.jpg").write_bytes(b"no image")
        assert self.command(tmp_path, weights, "--epochs", 1) == 1
        assert "0001_c1s1_000000_00.jpg" in capsys.readouterr().err

    @pytest.mark.parametrize("device", ["foo", "cuda:99"])
    @pytest.mark.parametrize("words", [(), ("--head-only",)])
    def test_a_device_that_is_not_there_is_named(self, tmp_path, weights, capsys, device, words):
        folder(tmp_path / "data", 14, 4)
        assert self.command(tmp_path, weights, "--device", device, *words) == 1
        assert f"device must be one that torch has here, as cpu or cuda:0, got '{device}'" in capsys.readouterr().err

    def test_one_image_an_identity_is_refused(self, tmp_path, weights, capsys):
        folder(tmp_path / "data", 14, 1)
        assert self.command(tmp_path, weights) == 1
        assert "identities with two images or more" in capsys.readouterr().err
