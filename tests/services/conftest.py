"""What the tests of several services share."""

import pytest

from reviewqueue import gateway
from tests.scripted import Scripted


@pytest.fixture
def service(db):
    """Stands where the sandbox would, and says what the test has written down."""
    service = Scripted()
    gateway.bring(service)
    yield service
    gateway.bring(None)
