"""A whole automation over the real engine that keeps its builds; pods' logs and objects are in memory."""

import pytest

from automation.adapters.memory import MemoryLogs, MemoryObjects
from automation.builds.archive import Archive
from automation.builds.catalogue import Catalogue
from automation.builds.keeper import BuildKeeper
from automation.runner import Runner
from automation.worker import Worker
from tests.automation.conftest import WRAPPERS, World


class KeepingWorld(World):
    """A World whose runner keeps what changes."""

    def __init__(self, folder, **settings):
        self.objects = MemoryObjects()
        self.logs = MemoryLogs()
        self.archive = Archive(self.objects)
        super().__init__(folder, **settings)

    def restart(self):
        super().restart()
        keeper = BuildKeeper(self.archive, self.logs, self.clock)
        self.runner = Runner(
            engine=self.engine,
            store=self.store,
            settings=self.settings,
            wrappers=WRAPPERS,
            clock=self.clock,
            keeper=keeper,
        )
        worker = Worker(self.runner.handle, threads=self.settings.workers, limit=self.settings.queue_limit)
        self.automation._runner, self.automation._worker = self.runner, worker
        self.catalogue = Catalogue(self.archive, self.logs, self.runner.latest_build)


@pytest.fixture
async def world(tmp_path):
    world = KeepingWorld(tmp_path)
    world.put()
    yield world
    await world.automation.close(5)
    world.archive.close()
