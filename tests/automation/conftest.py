"""A whole automation over the real embedded engine; only the cluster and the storage are in memory.

The clock can be moved. State is in a folder of the test.
"""

import dataclasses
import datetime
import itertools
import json

import pytest

from automation import app
from automation.adapters.deployments import Deployments
from automation.adapters.memory import MemoryStore
from automation.build_turns import Turns
from automation.destination import OPEN
from automation.event_parser import parse
from automation.events import (
    BuildCancel,
    BuildComplete,
    BuildFailed,
    BuildStart,
    EventMeta,
    FunctionId,
    FunctionRollback,
    ServiceDelete,
)
from automation.model import BuildTurn
from automation.runner import Runner
from automation.settings import AutomationSettings
from automation.sweeper import Sweeper
from automation.usher import Usher
from automation.worker import Worker
from engine import Engine, FileBackend
from tests.automation.clusters import Cluster

WRAPPERS = {
    "python": {"__init__.py": b"", "__main__.py": b"print('wrapper')\n"},
    "nodejs": {"main.js": b""},
    "go": {"go.mod": b"", "main.go": b""},
}
CODE = b"def handler(event):\n    return event\n"
DIGEST = "sha256:" + "d" * 64


class Clock:
    """Tells the time that the test says."""

    def __init__(self):
        self.now = datetime.datetime(2026, 1, 31, 12, tzinfo=datetime.UTC)

    def __call__(self):
        return self.now

    def forward(self, **time):
        self.now += datetime.timedelta(**time)


class ClusterObserver:
    """Looks at the world's cluster; what it reports is delivered at once."""

    def __init__(self, world):
        self.world = world
        self.given = Turns()
        self.reports = []

    def jobs(self):
        return [value for (kind, _), value in list(self.world.cluster.objects.items()) if kind == "Job"]

    def job_names(self):
        return frozenset(job["metadata"]["name"] for job in self.jobs())

    def report(self, message):
        self.reports.append(message)
        self.world.take(message)

    def turns(self):
        return self.given

    def give_turns(self, turns):
        if turns.version != self.given.version:
            return False
        self.given = Turns(turns.jobs, str(int(turns.version or 0) + 1))
        return True


class World:
    """An automation, what it works on, and short ways to send it events of one function."""

    def __init__(self, folder, **settings):
        defaults = {
            "environment": "local",
            "backend_url": str(folder),
            "registry": "registry.test",
            "executor_image": "registry.test/kaniko:1",
            "monitor_image": "registry.test/monitor:1",
        }
        self.settings = AutomationSettings(**{**defaults, **settings})
        self.destination = OPEN
        self.clock = Clock()
        self.cluster = Cluster()
        self.observer = ClusterObserver(self)
        self.store = MemoryStore(self.settings.context_bucket)
        self.function = FunctionId("tp1", "p1")
        self._ids = itertools.count(1)
        self.restart()

    def restart(self):
        """Begin again with nothing but what is stored, as another replica would."""
        self.engine = Deployments(self.open_engine(), self.settings.project, {})
        self.usher = Usher(self.observer, self._begin, self.settings.build_limits, self.clock)
        self.runner = Runner(
            engine=self.engine,
            store=self.store,
            settings=self.settings,
            wrappers=WRAPPERS,
            destination=self.destination,
            clock=self.clock,
            line=self.usher.line,
        )
        self.sweeper = Sweeper(self.engine, self.observer, self.runner, self.clock)
        worker = Worker(self.runner.handle, threads=self.settings.workers, limit=self.settings.queue_limit)
        checks = {"storage": self.store.check, "state": self.engine.check}
        self.automation = app.Automation(self.runner, worker, self.settings, checks=checks)

    def open_engine(self):
        """Return an engine over the state and the cluster."""
        return Engine(FileBackend(self.settings.backend_url), {"kubernetes": self.cluster})

    def _begin(self, function, job_name):
        deadline = self.settings.build_deadline_seconds
        return self.runner.tell(function, BuildTurn(job_name=job_name, deadline_seconds=deadline))

    def take(self, message):
        """Carry out what was reported, as the service does with what the broker delivers."""
        attributes = {key.removeprefix("ce-"): text for key, text in message.headers.items() if "ce-" in key}
        event = parse(attributes, json.loads(message.body), correlation_id="c", traceparent=None)
        return self.runner.handle(event)

    def put(self, code=CODE, name="parser.py", parser="p1"):
        """Put code where the contract says."""
        self.store.objects[self.settings.source_bucket, f"global/parser/{parser}/{name}"] = code

    def contexts(self):
        return [key for bucket, key in self.store.objects if bucket == self.settings.context_bucket]

    def meta(self, kind, id=None, time=None):
        id = id or f"e{next(self._ids)}"
        kind = f"network.notifi.lambda.{kind}"
        return EventMeta(id=id, source="network.notifi.tp1", type=kind, time=time, correlation_id=f"c-{id}")

    def build_start(self, id=None, time=None, **fields):
        fields = {"function": self.function, **fields}
        return BuildStart(meta=self.meta("build.start", id, time), **fields)

    def build_complete(self, started, id=None, **fields):
        fields = {
            "image_uri": started.fields["image_uri"],
            "image_digest": DIGEST,
            "job_name": started.fields["job_name"],
            "content_hash": started.fields["content_hash"],
            **fields,
        }
        return BuildComplete(meta=self.meta("build.complete", id), function=self.function, **fields)

    def build_failed(self, started, **fields):
        fields = {"job_name": started.fields["job_name"], "reason": "oom", **fields}
        return BuildFailed(meta=self.meta("build.failed"), function=self.function, **fields)

    def delete(self, id=None, time=None):
        return ServiceDelete(meta=self.meta("service.delete", id, time), function=self.function)

    def cancel(self, id=None):
        meta = dataclasses.replace(self.meta("", id), type="io.knative.lambda.command.build.cancel")
        return BuildCancel(meta=meta, function=self.function)

    def rollback(self, revision=None, id=None):
        meta = dataclasses.replace(self.meta("", id), type="io.knative.lambda.command.function.rollback")
        return FunctionRollback(meta=meta, function=self.function, revision=revision)

    async def send(self, event):
        return await self.automation.handle(event)

    async def deploy(self, digest=DIGEST):
        """Build and roll out what is in the bucket; return both replies."""
        started = await self.send(self.build_start())
        return started, await self.send(self.build_complete(started, image_digest=digest))


def with_function(event, third_party, parser):
    return dataclasses.replace(event, function=FunctionId(third_party, parser))


@pytest.fixture
async def world(tmp_path):
    world = World(tmp_path)
    world.put()
    yield world
    await world.automation.close(5)
