"""What tables call models and sets."""

from pathlib import Path

from ultralytics_reid.evaluation_job.options import EvaluationOptions, ModelChoice


def named(*models):
    return [name for name, _ in EvaluationOptions(models, sets=(Path("x"),)).labeled_models()]


def test_a_model_is_called_by_its_label_or_its_file():
    assert named(
        ModelChoice("osnet_x0_25", "weights/osnet.pth"),
        ModelChoice("exported/reid_openvino_model"),
        ModelChoice("osnet_x0_25", "osnet_b.pth", head="heads/mine.safetensors"),
        ModelChoice("osnet_x0_25", "osnet.pth", label="old"),
    ) == ["osnet", "reid_openvino_model", "osnet_b + mine", "old"]


def test_models_of_one_name_are_numbered():
    labels = ["a", "a", "a (1)", "b"]
    assert named(*(ModelChoice("m", label=label) for label in labels)) == ["a (2)", "a (3)", "a (1)", "b"]


def test_a_set_is_called_by_its_folder_and_a_part_by_the_names_above_it():
    options = EvaluationOptions((ModelChoice("m"),), sets=(Path("/data/cows"), Path("/data/cars/images/test")))
    assert [name for name, _ in options.labeled_sets()] == ["cows", "cars/images/test"]
