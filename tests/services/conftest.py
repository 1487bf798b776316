"""What the tests of several services share."""

from datetime import timedelta

import pytest

from reviewqueue import clock
from reviewqueue.services import reconciling


@pytest.fixture
def oat(world):
    world.mirror("Oat & Ember", "Ines Calder")
    return world


@pytest.fixture
def later(monkeypatch):
    """`later(300)` is so many seconds after the beginning, for what looks and rules out."""
    passed = {"seconds": 0.0}
    shifted = lambda: clock.now() + timedelta(seconds=passed["seconds"])  # noqa: E731
    monkeypatch.setattr(reconciling, "now", shifted)
    return lambda seconds: passed.update(seconds=seconds)
