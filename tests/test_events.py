"""Listeners to a tracker's events: all hear all, whatever one of them does."""

import pytest

from ultralytics_reid.events import _LOGGER, Events, GalleryAway

EVENT = GalleryAway("no disk", 1, 0.1)


@pytest.fixture
def told(monkeypatch):
    lines = []
    monkeypatch.setattr(_LOGGER, "warning", lambda text, **_: lines.append(text))
    return lines


def fails(event):
    raise KeyError("a bug of the user's")


def test_a_listener_that_raises_costs_no_other_listener_its_event(told):
    events, heard = Events(), []
    events.subscribe(fails)
    events.subscribe(heard.append)
    for _ in range(3):
        events.emit(EVENT)
    assert heard == list(events) == [EVENT] * 3


def test_its_first_error_is_logged_and_others_are_not(told):
    events = Events()
    events.subscribe(fails)
    events.subscribe(lambda event: 1 / 0)
    for _ in range(3):
        events.emit(EVENT)
    assert len(told) == 2
    assert "fails" in told[0]
    assert "no disk" in told[0]


def test_an_interrupt_is_passed_on():
    def stop(event):
        raise KeyboardInterrupt

    events = Events()
    events.subscribe(stop)
    with pytest.raises(KeyboardInterrupt):
        events.emit(EVENT)
