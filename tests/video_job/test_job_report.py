"""The report: escaped, self-contained, and bounded however many identities there are."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest

from ultralytics_reid import GalleryBack, Linked, Revival, RevivalReverted
from ultralytics_reid.video_job import video as video_writer
from ultralytics_reid.video_job.crops import MAX_CROPS, MAX_IDENTITIES, Crop, CropCollector, sheet_identities
from ultralytics_reid.video_job.report import event_text, report_html
from ultralytics_reid.video_job.timeline import timeline_svg
from ultralytics_reid.video_job.tracked import TrackedVideo

VOID = {"meta", "br", "img", "line", "rect"}
NASTY = '<script>alert("x")</script>&\'"'


def video(ids, frames=40, name="a.mp4", class_names=None, events=()):
    rows = [[f, i, 10 * n, 20, 10 * n + 8, 40, 0.9, 0] for f in range(1, frames + 1) for n, i in enumerate(ids)]
    times = np.arange(1, frames + 1) / 10
    shown = np.array(rows, float).reshape(-1, 8)
    return TrackedVideo(name, shown, times, 10.0, (640, 480), class_names or {0: "person"}, tuple(events))


class Balanced(HTMLParser):
    """Fails where a tag is closed that isn't open."""

    def __init__(self):
        super().__init__()
        self.open, self.texts = [], []

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def read(page):
    parser = Balanced()
    parser.feed(page)
    parser.close()
    assert not parser.open
    return " ".join(parser.texts)


def test_names_are_text_and_never_markup():
    events = [Linked(3, 1, 4, 0.4, 5.0, NASTY, 0.8, 0.9)]
    tracked = video([1, 2], name=NASTY, class_names={0: NASTY}, events=events)
    page = report_html(tracked, {}, NASTY)
    assert "<script" not in page
    assert read(page).count(NASTY) > 5


def test_nothing_outside_the_page_is_named_and_a_policy_forbids_it():
    page = report_html(video([1]), {1: [Crop(1, b"jpeg")]}, "")
    assert "default-src 'none'" in page
    assert not re.findall(r"""(?:src|href)\s*=\s*["'](?!data:image/jpeg)|url\(|@import""", page)
    assert "https:" not in page
    assert page.replace("http://www.w3.org/2000/svg", "").count("http:") == 0


def test_it_says_what_it_is_about_people():
    assert "Re-identification of people is regulated" in report_html(video([1]), {}, "")


def test_of_many_identities_those_with_most_boxes_have_crops_and_the_others_are_counted():
    tracked = video(range(1, MAX_IDENTITIES + 6), frames=2)
    assert len(sheet_identities(tracked)) == MAX_IDENTITIES
    page = report_html(tracked, {}, "")
    assert page.count('<div class="identity">') == MAX_IDENTITIES
    assert "and 5 more with fewer boxes" in page
    assert timeline_svg(tracked).count("<rect") == MAX_IDENTITIES + 5


def test_a_class_is_named_beside_ids_only_where_there_are_several():
    one = video([1, 2])
    assert "<b>2</b>ids, person<" in report_html(one, {}, "")
    assert ">1</text>" in timeline_svg(one)
    two = video([1, 2], class_names={0: "person", 2: "car"})
    two.rows[two.rows[:, 1] == 2, 7] = 2
    assert "<b>1</b>id, car<" in report_html(two, {}, "")
    assert ">1 person</text>" in timeline_svg(two)


def test_no_identities_make_a_page_too():
    assert "No individual was tracked" in read(report_html(video([]), {}, ""))


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (Revival(1, 5, 9, 0.9, 75.0, 0.81), "recognized after 1 min 15 s (similarity 0.81), shown as 5 until then"),
        (Revival(1, None, 9, 0.9, 7.0, 0.81), "recognized after 7.0 s (similarity 0.81)"),
        (Revival(1, 5, 9, 0.9, 7.0, 0.8, corrected=True), "id switch corrected, shown as 5 until then"),
        (RevivalReverted(4, 1, 9, 0.9), "recognition as 1 reverted"),
        (Linked(1, 5, 9, 0.9, 3.0, "yard", 0.8, 0.9), "known to the gallery from yard, shown as 5 until then"),
        (Linked(1, 5, 9, 0.9, 0.0, "yard", 0.8, 0.9, new=True), "new to the gallery, shown as 5 until then"),
        (GalleryBack(0, 9, 0.9), "GalleryBack"),
    ],
)
def test_events_are_told_in_words(event, text):
    assert event_text(event) == text
    assert text in read(report_html(video([1], events=[event]), {}, ""))


class TestCrops:
    def test_they_span_the_whole_time_and_show_the_box(self):
        tracked = video([1, 2])
        collector, image = CropCollector(tracked), np.zeros((480, 640, 3), np.uint8)
        image[20:40, 0:8] = 255
        for frame in range(1, 41):
            collector.add(image, frame)
        assert {i: len(crops) for i, crops in collector.crops.items()} == {1: MAX_CROPS, 2: MAX_CROPS}
        frames = [crop.frame for crop in collector.crops[1]]
        assert frames == sorted(frames)
        assert frames[0] <= 5
        assert frames[-1] > 35
        shown = cv2.imdecode(np.frombuffer(collector.crops[1][0].jpeg, np.uint8), cv2.IMREAD_COLOR)
        assert shown.min() > 240

    def test_the_clearest_box_of_each_part_is_taken(self):
        tracked = video([1], frames=16)
        tracked.rows[::2, 6] = 0.5
        collector = CropCollector(tracked)
        for frame in range(1, 17):
            collector.add(np.zeros((480, 640, 3), np.uint8), frame)
        assert [crop.frame for crop in collector.crops[1]] == list(range(2, 17, 2))

    def test_a_box_outside_the_image_has_none(self):
        tracked = video([1], frames=1)
        tracked.rows[:, 2:6] = [-30, -30, -10, -10]
        collector = CropCollector(tracked)
        collector.add(np.zeros((480, 640, 3), np.uint8), 1)
        assert collector.crops == {}


def test_a_return_in_the_video_is_noted_and_not_called_right(tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(video_writer, "draw_boxes", lambda image, labels, scale: shown.extend(labels))
    tracked = video([7], frames=2)
    away = TrackedVideo("a", tracked.rows, np.array([1.0, 13.0]), 10.0, (64, 48), {})
    writer = video_writer.AnnotatedVideo(tmp_path / "t.mp4", away)
    for n, seconds in enumerate(away.times):
        writer.add(np.zeros((48, 64, 3), np.uint8), away.by_frame()[n], float(seconds))
    writer.close()
    assert [(label.note, label.good) for label in shown] == [("", None), ("back after 12 s", None)]


def test_a_timeline_marks_round_times_and_absences():
    tracked = video([1], frames=3)
    far = TrackedVideo("a", tracked.rows, np.array([10.0, 20.0, 3600.0]), 10.0, (9, 9), {})
    svg = timeline_svg(far)
    assert svg.count("away") == 2
    assert "10 min 00 s" in svg
    assert svg.count('stroke="var(--line)"') <= 12
