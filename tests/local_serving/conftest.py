"""The world of these tests: a real node, Serving, and functions that are real processes."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from local.serving import ServingOptions
from tests.local_serving.city import City, running_city


@pytest.fixture
async def city(tmp_path: Path) -> AsyncIterator[City]:
    """A running platform of node and Serving whose revisions scale down after a second."""
    options = ServingOptions(scale_to_zero_seconds=1.0, tick_seconds=0.05, max_queued=200)
    async with running_city(tmp_path, options) as city:
        yield city
