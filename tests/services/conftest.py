"""What the tests of several services share."""

from datetime import timedelta

import pytest

from reviewqueue import clock, gateway
from reviewqueue.services import reconciling
from tests.scripted import Scripted


@pytest.fixture
def service(db):
    """Stands where the sandbox would, and says what the test has written down."""
    service = Scripted()
    gateway.bring(service)
    yield service
    gateway.bring(None)


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
