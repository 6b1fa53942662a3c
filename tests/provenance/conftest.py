"""A world that keeps its builds and where they come from; pods' logs and objects are in memory."""

import pytest

from automation.provenance import keeper as provenance
from automation.provenance.evidence import Evidence
from automation.provenance.ledger import Ledger
from tests.builds.conftest import KeepingWorld


class TracingWorld(KeepingWorld):
    """A KeepingWorld whose runner keeps provenance as the service's does."""

    def restart(self):
        super().restart()
        self.ledger = Ledger(self.archive.objects)
        parts = self.runner._parts
        keeper = provenance.beside(parts.keeper, self.ledger, self.logs, self.settings)
        object.__setattr__(parts, "keeper", keeper)
        self.evidence = Evidence(self.ledger, self.runner.provenance)
        self.automation._evidence = self.evidence


@pytest.fixture
async def world(tmp_path):
    world = TracingWorld(tmp_path / "state")
    world.put()
    yield world
    await world.automation.close(5)
    world.archive.close()
