"""The benchmarks, one module a run: each has `add_arguments(parser)` and `run(args)`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """A run in the list of runs.

    Attributes:
        summary: What it measures, one line.
        takes: How long it takes on two cores.
    """

    summary: str
    takes: str


RUNS = {
    "mot17": Entry("any tracker on MOT17 and data in its form, by MOTChallenge's rule", "5 min"),
    "revival": Entry("recall and precision of revivals by length of absence", "9 min"),
    "returns": Entry("returns recognized on PETS and TUD-Stadtmitte, cached and live", "12 min"),
    "losses": Entry("where identity is lost, and what IDF1 would be without each loss; takes files of yours", "4 min"),
    "frame_rates": Entry("trackers on every so many-th frame, where people move farther than their box", "6 min"),
    "misses": Entry("trackers on a detector that misses people now and then", "8 min"),
    "refine": Entry("stock trackers and this package's, online and after the second pass", "10 min"),
    "embedders": Entry("the shipped YAML with six embedders", "6 min"),
    "stills": Entry("still crops of people and vehicles: retrieval, verification, open-set identification", "4 min"),
    "scoring": Entry("time and memory of scoring embeddings, as `ultralytics-reid evaluate` does", "2 min"),
    "training": Entry("a head learned from a video's first half, heads and a network on still crops", "12 min"),
    "encoders": Entry("time to cut and to encode crops, and how close exported encoders are", "2 min"),
    "detector_features": Entry("how well a detector's layers separate identities, by pooling", "6 min"),
    "cameras": Entry("one identity over several cameras and runs, with a gallery and without", "25 min"),
    "answers": Entry("what twenty answers on the Review page correct, on four cameras", "5 min"),
    "pipeline": Entry("time and accuracy of whole pipelines, from the video to ids", "15 min"),
    "cost": Entry("time of update() beside stock BoT-SORT's, with 10,000 identities in memory", "6 min"),
    "calibration": Entry("observed against predicted log-likelihood ratios and false rates", "5 min"),
    "reliability": Entry("probabilities that a gallery shows, against ground truth", "25 min, mostly rendering, once"),
    "ablation": Entry("accuracy with each part of the tracker switched off", "40 min"),
    "gallery": Entry("the gallery's engines, and the tracker with a large gallery", "8 min"),
    "serve": Entry("time to the first byte of every page of a large gallery", "6 min"),
    "timeline": Entry("the image of ids over time in the README", "3 min"),
    "soak": Entry("a long run: ids stay unique, memory and time a frame level", "5 min"),
    "solutions": Entry(
        "Ultralytics' solutions with people who come back, with stock BoT-SORT and this tracker", "5 min"
    ),
    "train_detector": Entry("the demo's detector, trained from scratch on generated scenes", "15 min"),
}
