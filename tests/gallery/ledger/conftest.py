"""What the tests of the engines share."""

import pytest


@pytest.fixture
def store(engine):
    opened = engine.open()
    yield opened
    opened.close()
