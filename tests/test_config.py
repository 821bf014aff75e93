"""What a tracker YAML may say, and what is said of it when it doesn't."""

import re

import pytest
from synthetic import our_args, stock_args
from ultralytics.utils import YAML
from ultralytics.utils.checks import check_yaml

from ultralytics_reid import Config, ConfigError, tracker_yaml
from ultralytics_reid.config import keys, render_yaml


def load(**overrides):
    return Config.from_args(our_args(**overrides))


def test_the_shipped_yaml_is_valid_and_says_the_defaults():
    assert load() == Config()


def test_stocks_keys_keep_their_names_and_defaults_but_for_with_reid():
    stock, ours = YAML.load(check_yaml("botsort.yaml")), YAML.load(tracker_yaml())
    differ = {k for k in stock if ours.get(k) != stock[k]}
    assert differ == {"tracker_type", "with_reid"}


@pytest.mark.parametrize(
    ("name", "changes"), [("reid_botsort.yaml", {}), ("reid_gallery.yaml", {"gallery": "gallery.db"})]
)
def test_the_shipped_yamls_are_rendered_from_the_config(name, changes):
    assert tracker_yaml(name).read_text(encoding="utf-8") == render_yaml(**changes), "run `make yaml`"


def test_every_key_has_a_comment_that_gives_its_type():
    lines = tracker_yaml().read_text(encoding="utf-8").splitlines()
    commented = {
        m[1] for line in lines if (m := re.match(r"(\w+): .+ # \((str|float|int|bool|float \| str)\) \S", line))
    }
    assert {key.name for key in keys()} == commented


def test_there_are_at_most_thirty_keys_of_ours():
    assert sum(key.ours for key in keys()) <= 30


@pytest.mark.parametrize(
    ("old", "told"),
    [
        ("normalise", "'normalise' is called 'normalize' now"),
        ("most_speed", "'most_speed' is no key any more but a constant, 10.0"),
        ("doubt", "'doubt' is no key any more but a constant, True"),
        ("recognise_seconds", "'recognise_seconds' is no key any more but a constant, 4.0"),
        ("shortlist", "'shortlist' is no key any more but a constant, 32"),
    ],
)
def test_a_key_of_an_earlier_version_is_told_what_became_of_it(old, told):
    with pytest.raises(ConfigError, match=re.escape(told)):
        load(**{old: 1})


def test_the_yaml_with_a_gallery_differs_in_nothing_else():
    plain, shared = YAML.load(tracker_yaml()), YAML.load(tracker_yaml("reid_gallery.yaml"))
    assert {k for k in plain | shared if plain.get(k) != shared.get(k)} == {"gallery"}
    assert shared["gallery"] == "gallery.db"


def test_stocks_own_yaml_is_enough():
    assert Config.from_args(stock_args()).memory_seconds == Config().memory_seconds


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("memory_seconds", -1, "float in [0, 1e+09], got -1"),
        ("memory_seconds", "long", "got 'long' (str)"),
        ("memory_seconds", True, "got True (bool)"),
        ("memory_seconds", float("nan"), "got nan"),
        ("memory_identities", 0, "int in [1, 1e+06], got 0"),
        ("memory_identities", 2.5, "int in [1, 1e+06], got 2.5"),
        ("false_revival_rate", 1.1, "float in [1e-06, 1], got 1.1"),
        ("fuse_appearance", 1, "bool, got 1 (int)"),
        ("provisional", "sometimes", "show|hide, got 'sometimes'"),
        ("fps", 0, "auto or float in [0.01, 1000], got 0"),
        ("fps", "fast", "auto or float"),
        ("model", "", "str, got ''"),
        ("track_high_thresh", 1.5, "float in [0, 1], got 1.5"),
        ("track_buffer", 2.5, "got 2.5 (float)"),
        ("gmc_method", "magic", "sparseOptFlow|orb|sift|ecc|none, got 'magic'"),
        ("with_reid", None, "got None"),
        ("gallery", True, "str, got True (bool)"),
        ("camera_id", "door,,yard", "with commas between, got 'door,,yard'"),
        ("camera_id", "door, door", "auto, or different printable names"),
        ("start_time", "this morning", "auto, seconds since 1970, or a date and time"),
        ("start_time", -1, "float in [0, 1e+11] or str, got -1"),
        ("keep_days", -1, "float in [0, 1e+06], got -1"),
        ("gallery_wait", 61, "float in [0, 60], got 61"),
    ],
)
def test_a_bad_value_is_told_with_key_range_and_value(key, value, told):
    with pytest.raises(ConfigError, match=f"^'{key}' must be .*{re.escape(told)}"):
        load(**{key: value})


@pytest.mark.parametrize(("typo", "meant"), [("memory_second", "memory_seconds"), ("match_tresh", "match_thresh")])
def test_an_unknown_key_is_told_with_the_closest_known(typo, meant):
    with pytest.raises(ConfigError, match=f"unknown key '{typo}'.*did you mean '{meant}'"):
        load(**{typo: 1})


def test_thresholds_out_of_order_are_told():
    with pytest.raises(ConfigError, match="track_low_thresh must be at most track_high_thresh"):
        load(track_low_thresh=0.5, track_high_thresh=0.3)


def test_a_missing_key_of_the_host_is_told():
    args = our_args()
    del args.fuse_score
    with pytest.raises(ConfigError, match=r"'fuse_score' is missing.*bool"):
        Config.from_args(args)


def test_an_int_passes_for_a_float():
    assert load(memory_seconds=5).memory_seconds == 5


def test_errors_are_value_errors_too():
    with pytest.raises(ValueError, match="hold_seconds"):
        load(hold_seconds=-1)


def test_times_and_cameras_of_a_gallery():
    config = load(camera_id="front door, yard", start_time="2026-11-26T08:30:00+01:00")
    assert config.cameras == ("front door", "yard")
    assert config.starts == 1_795_678_200
    assert load(start_time=1_795_678_200).starts == 1_795_678_200
    assert load().starts is None
    assert load().cameras == ()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"with_reid": False}, "'gallery' requires with_reid: True and memory_seconds > 0"),
        ({"memory_seconds": 0}, "'gallery' requires with_reid: True and memory_seconds > 0"),
        ({"max_identities": 5}, "'gallery' and 'max_identities' exclude each other"),
        ({"start_time": "2999-01-01"}, "'start_time' lies in the future, got '2999-01-01'"),
        ({"start_time": "2001-09-09"}, "'start_time' is more than 30 days ago: .* raise 'keep_days', or make it 0"),
    ],
)
def test_keys_that_a_gallery_excludes(given, told):
    with pytest.raises(ConfigError, match=told):
        load(gallery="site.db", **given)
    load(gallery="", **given)


def test_old_recordings_are_taken_where_nothing_is_deleted():
    assert load(gallery="site.db", start_time="2001-09-09", keep_days=0).starts < 1_000_100_000


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"gallery": "milvus://me:secret@db"}, "'gallery' must be a file or postgresql://.*'gallery_index'"),
        ({"gallery_index": "milvus://db"}, "'gallery_index' requires 'gallery'"),
        ({"gallery": "a.db", "gallery_index": "x://me:secret@db"}, "'gallery_index' must be empty or milvus.*got 'db'"),
    ],
)
def test_an_index_without_a_ledger_is_refused(keys, told):
    with pytest.raises(ConfigError, match=told) as caught:
        load(**keys)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("weights", "osnet.pth", "'model' must be one that takes weights.*got model: auto and weights 'osnet.pth'"),
        ("crop_height", 256, "'crop_height' must be 0 with model: auto.*got 256"),
        ("crop_width", 128, "'crop_width' must be 0 with model: auto.*got 128"),
        ("normalize", "none", "'normalize' must be auto with model: auto.*got 'none'"),
        ("channels", "bgr", "'channels' must be auto with model: auto.*got 'bgr'"),
        ("flip_crops", True, "'flip_crops' must be False with model: auto.*got True"),
        ("mask_crops", True, "'mask_crops' must be False with model: auto.*got True"),
    ],
)
def test_what_another_model_reads_is_refused_with_the_detector_s_features(key, value, told):
    with pytest.raises(ConfigError, match=told):
        load(**{key: value})
    assert getattr(load(model="osnet_x0_25", **{key: value}), key) == value


def test_a_topology_without_a_gallery_is_refused():
    with pytest.raises(ConfigError, match=r"'topology' requires 'gallery'.*got 'ways\.yaml'"):
        load(topology="ways.yaml")
    assert load(topology="ways.yaml", gallery="site.db").topology == "ways.yaml"


def test_an_index_beside_a_ledger_is_accepted():
    assert load(gallery="site.db", gallery_index="milvus://db:19530").gallery_index == "milvus://db:19530"
