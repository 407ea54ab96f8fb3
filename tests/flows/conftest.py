"""The town over the rolled-back runtime, on a standing clock."""

import pytest

from app.core.timing import MovableClock
from app.runtime import Runtime
from tests.conftest import City
from tests.flows.town import Town


@pytest.fixture
def town(runtime: Runtime, city: City, clock: MovableClock) -> Town:
    """The demo city on a working morning."""
    return Town(runtime, city)
