"""Cluster, storage, state and broker fail three calls of ten, before or after they did what was asked.

Senders do what a Trigger does: send again until they are told that it is done, for so often.
"""

import os
import random

import pytest

from automation import record
from automation.errors import DependencyUnavailable, Fault, PlatformError
from automation.model import BuildStatus, Phase
from automation.outbox.emission import Kind
from automation.program import RECORD
from engine import BackendError, Engine, FileBackend
from engine.provider import OutcomeUnknown, ProviderError
from tests.automation.conftest import CODE, DIGEST, with_function
from tests.automation.mortals import FindingProvider, a_minute_passes
from tests.automation.telling import TellingWorld

SHARE = 0.3
OF_STATE = 0.1
"""Of calls to the state: an update makes some fifteen, one after the other, so that three of four fail."""
TRIES = 100
PARSERS = [f"p{number}" for number in range(5)]
DELETED = PARSERS[3:]
BUILT = ["build.completed", "build.started", "build.started", "function.created", "service.created"]
TOLD = {
    False: sorted([*BUILT, "build.completed", "function.updated", "service.updated"]),
    True: sorted([*BUILT, "build.cancelled", "function.deleted", "service.deleted"]),
}
"""Lifecycle events of a function that lives on, and of one that is deleted."""


class Chance:
    """Fails a share of calls: half of these before, half after the call has done its work."""

    def __init__(self, seed):
        self.share = 0.0
        self.failures = 0
        self._random = random.Random(seed)

    def around(self, call, before, after):
        share = min(self.share, OF_STATE) if isinstance(before, BackendError) else self.share
        fails, first = self._random.random() < share, self._random.random() < 0.5
        self.failures += fails
        if fails and first:
            raise before
        answer = call()
        if fails:
            raise after
        return answer


class Failing:
    """Something whose named methods fail by chance."""

    def __init__(self, real, chance, names, before, after=None):
        self._real, self._chance, self._names = real, chance, names
        self._errors = before, after or before

    def __getattr__(self, name):
        found = getattr(self._real, name)
        if name not in self._names:
            return found
        return lambda *args, **options: self._chance.around(lambda: found(*args, **options), *self._errors)


class ChaoticWorld(TellingWorld):
    """See TellingWorld. Once `chance` says so, everything that it works on fails."""

    def __init__(self, folder, seed, **settings):
        self.chance, self.folder = Chance(seed), folder.parent
        super().__init__(folder, frozenset({Kind.LIFECYCLE}), **settings)
        self.outbox.close(1)
        writes = ("read", "put_context", "remove_contexts")
        self.memory = self.store
        self.store = Failing(self.store, self.chance, writes, DependencyUnavailable("503 from the storage"))
        self.restart()

    def open_engine(self):
        calls = ("read", "write", "list", "delete", "create")
        backend = Failing(
            FileBackend(self.settings.backend_url), self.chance, calls, BackendError("503 from the state")
        )
        return Engine(backend, {"kubernetes": self.provider}, parallel=1)

    def provider(self):
        calls = ("create", "update", "delete", "read")
        refused, dropped = (
            ProviderError("500 from the API server"),
            OutcomeUnknown("the connection broke off"),
        )
        return Failing(FindingProvider(self.cluster), self.chance, calls, refused, dropped)

    def fail(self, share):
        self.chance.share = self.broker.failing = share

    def deliver(self, event):
        """Send until it is answered with success, as a Trigger does; a minute goes by between two tries."""
        for _ in range(TRIES):
            try:
                return self.runner.handle(event)
            except PlatformError as error:
                if error.fault is Fault.SENDER:
                    raise
                a_minute_passes(self.folder)
        raise AssertionError(f"{event.meta.id} was refused {TRIES} times")

    def state(self, function):
        """Return what is recorded of a function; nothing fails meanwhile."""
        share, self.chance.share = self.chance.share, 0.0
        outputs = self.engine.outputs(f"fn-tp1-{function}").outputs
        self.chance.share = share
        return record.loads(outputs[RECORD])


def lives(world, parser):
    """What is done to a function: events with what has to be true when they are answered."""

    def of(event):
        return world.deliver(with_function(event, "tp1", parser))

    def built(started, digest):
        done = of(world.build_complete(started, f"{parser}-complete-{digest[-1]}", image_digest=digest))
        state = world.state(parser)
        assert (state.phase, state.build.status) == (Phase.READY, BuildStatus.SUCCEEDED)
        assert done.fields["image_uri"].endswith(digest)

    def started(id):
        reply = of(world.build_start(id))
        jobs = [name for kind, name in world.cluster.objects if kind == "Job"]
        assert any(name.endswith(reply.fields["job_name"]) for name in jobs)
        return reply

    world.put(parser=parser)
    first = started(f"{parser}-1")
    yield
    built(first, DIGEST)
    yield
    world.put(CODE + b"# newer\n", parser=parser)
    second = started(f"{parser}-2")
    yield
    if parser in DELETED:
        of(world.delete(f"{parser}-delete"))
        assert world.state(parser).phase is Phase.DELETED
    else:
        built(second, "sha256:" + "e" * 64)


@pytest.mark.parametrize("seed", range(3))
def test_what_is_answered_is_done_and_nothing_is_lost_or_left_over(tmp_path, seed, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    world = ChaoticWorld(tmp_path / "state", seed)
    mixed = random.Random(seed)
    world.fail(SHARE)

    under_way = [lives(world, parser) for parser in PARSERS]
    while under_way:
        life = mixed.choice(under_way)
        if next(life, "over") == "over":
            under_way.remove(life)

    assert world.chance.failures > 100
    world.fail(0)
    for parser in PARSERS:
        world.outbox.send(f"fn-tp1-{parser}", world.state(parser))
    world.outbox.close(30)
    assert objects(world) == expected(world)
    assert told(world) == {parser: TOLD[parser in DELETED] for parser in PARSERS}


def objects(world):
    """Return what is in the cluster, and contexts, of each function."""
    return sorted(name.partition("/")[2] for _, name in world.cluster.objects)


def expected(world):
    """Return the names that the stacks have recorded."""
    stacks = [world.engine.export(f"fn-tp1-{parser}") for parser in PARSERS]
    resources = [one for stack in stacks for one in stack["deployment"].get("resources", [])]
    named = [one["inputs"]["metadata"]["name"] for one in resources if "metadata" in one.get("inputs", {})]
    assert not any("pending_operations" in stack["deployment"] for stack in stacks)
    return sorted(named)


def told(world):
    """Return the types of the events that the broker took, by function, each event once, sorted."""
    types = {parser: [] for parser in PARSERS}
    for event in world.broker.events:
        types[event["subject"].partition("/")[2]].append(
            event["type"].removeprefix("io.knative.lambda.lifecycle.")
        )
    return {parser: sorted(found) for parser, found in types.items()}
