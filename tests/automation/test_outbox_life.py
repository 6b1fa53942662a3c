"""Emitted events arrive: whatever fails or dies on the way, once each, and never for what did not happen."""

import dataclasses
import threading

import pytest

from automation import record
from automation.errors import DependencyUnavailable, PlatformError
from automation.outbox import outbox as outboxes
from automation.outbox.emission import Kind
from automation.outbox.messages import source
from automation.program import RECORD
from tests.automation.conftest import CODE
from tests.automation.telling import TellingWorld

LIFE = [
    "lifecycle.build.started",
    "lifecycle.function.created",
    "lifecycle.build.completed",
    "lifecycle.service.created",
    "lifecycle.build.cancelled",
    "lifecycle.function.deleted",
    "lifecycle.service.deleted",
]
"""Of a function that is built, rolled out, built anew and deleted meanwhile."""


@pytest.fixture
def world(tmp_path):
    world = TellingWorld(tmp_path, frozenset({Kind.LIFECYCLE, Kind.CALLBACKS}))
    world.put()
    yield world
    world.outbox.close(10)


def recorded(world):
    outputs = world.engine.outputs("fn-tp1-p1").outputs
    return record.loads(outputs[RECORD])


def life(world, handle):
    """Let a function live; `handle` carries an event out until it is answered."""
    started = handle(world.build_start("e1"))
    handle(world.build_complete(started, "e2"))
    world.put(CODE + b"# newer\n")
    handle(world.build_start("e3"))
    handle(world.delete("e4"))


def lifecycle(listener):
    return [type for type in listener.types if type.startswith("lifecycle.")]


def settled(world):
    """Let the events arrive that a dead process left behind: time passes, and the sweep finds them."""
    world.clock.forward(minutes=10)
    world.sweeper.round()
    seconds = threading.Event()
    for _ in range(600):
        if not recorded(world).outbox:
            return
        seconds.wait(0.05)
    raise AssertionError(f"still waiting: {recorded(world).outbox}")


def test_a_functions_life_arrives_in_its_order(world):
    life(world, world.runner.handle)

    world.broker.wait_for(lambda got: len(got) >= 8)
    assert lifecycle(world.broker) == [*LIFE[:4], "lifecycle.build.started", *LIFE[4:]]
    assert len(world.broker.got) == 8


def test_an_event_says_whence_it_comes_and_what_caused_it(world):
    world.runner.handle(world.build_start("e1"))

    world.broker.wait_for(lambda got: len(got) >= 2)
    event = world.broker.events[0]
    assert event["specversion"] == "1.0"
    assert event["source"] == "io.knative.lambda/builder/tp1/p1"
    assert event["subject"] == "tp1/p1"
    assert (event["causationid"], event["correlationid"]) == ("e1", "c-e1")
    assert event["time"] == "2026-01-31T12:00:00.000Z"
    assert event["data"]["name"], event["data"]["namespace"] == ("p1", "tp1")
    assert event["data"]["jobName"] == world.cluster.the("Job")["metadata"]["name"]


def test_a_failed_update_sends_nothing(world):
    world.cluster.refuse("create", "Job")

    with pytest.raises(PlatformError):
        world.runner.handle(world.build_start("e1"))
    world.cluster.refusals.clear()

    assert world.told() == []


def test_what_is_sent_is_dropped_with_the_next_update(world):
    started = world.runner.handle(world.build_start("e1"))
    world.broker.wait_for(lambda got: len(got) >= 2)
    world.outbox.close(10)
    sent = {event["id"] for event in world.broker.events}
    world.runner.handle(world.build_complete(started, "e2"))

    assert not sent & {one.id for one in recorded(world).outbox}


def test_an_answer_does_not_wait_for_a_broker_that_is_down(world):
    world.broker.failing = 1.0

    started = world.runner.handle(world.build_start("e1"))
    done = world.runner.handle(world.build_complete(started, "e2"))

    assert (started.status, done.status) == ("started", "service_created")
    world.broker.failing = 0.0
    world.broker.wait_for(lambda got: len(got) >= 4)
    assert lifecycle(world.broker) == LIFE[:4]


def test_an_event_that_the_broker_refuses_holds_up_no_other(world):
    world.broker.refused.add("io.knative.lambda.lifecycle.build.started")

    world.runner.handle(world.build_start("e1"))

    world.broker.wait_for(lambda got: len(got) >= 1)
    assert world.broker.types == ["lifecycle.function.created"]
    assert world.outbox.numbers().counts["lifecycle", "refused"] == 1


def test_a_scheduler_that_is_down_holds_up_no_event_of_the_broker(world):
    world.scheduler.failing = 1.0
    started = world.runner.handle(world.build_start("e1", context_id="ctx-1"))
    world.runner.handle(world.build_complete(started, "e2"))
    world.broker.wait_for(lambda got: len(got) >= 4)

    world.scheduler.failing = 0.0
    world.scheduler.wait_for(lambda got: len(got) >= 1)

    assert world.scheduler.got[0] == {
        "contextId": "ctx-1",
        "succeeded": True,
        "eventEntries": [],
        "errorMessage": "",
    }


def test_commands_are_refused_before_an_outbox_grows_without_end(world, monkeypatch):
    monkeypatch.setattr(outboxes, "LONGEST", 4)
    world.broker.failing = 1.0
    started = world.runner.handle(world.build_start("e1"))
    world.runner.handle(world.build_complete(started, "e2"))

    with pytest.raises(DependencyUnavailable, match="wait for the broker"):
        world.runner.handle(world.delete("e3"))

    assert world.cluster.the("Job")
    assert recorded(world).deleted_at is None


def test_a_broker_that_fails_a_third_of_all_calls_gets_everything(world):
    world.broker.failing = 0.3

    life(world, world.runner.handle)
    world.outbox.close(30)
    world.restart()
    settled(world)

    assert sorted(lifecycle(world.broker)) == sorted([*LIFE, "lifecycle.build.started"])


def test_a_settled_record_is_not_sent_again(world):
    world.runner.handle(world.build_start("e1"))
    world.told()
    settled(world)
    before = len(world.broker.got)

    world.told()
    settled(world)

    assert len(world.broker.got) == before


def test_a_deleted_function_is_not_forgotten_before_its_last_events_are_sent(world):
    world.broker.failing = 1.0
    life(world, world.runner.handle)
    world.told()
    world.clock.forward(hours=30)

    assert world.sweeper.round() == 0
    world.broker.failing = 0.0
    settled(world)

    assert world.broker.types[-1] == "lifecycle.service.deleted"
    assert world.sweeper.round() == 1


class Killed(BaseException):
    """The process is gone."""


class Mortal:
    """Counts what a process does to the world and ends it before or after the n-th of these steps."""

    def __init__(self, world, last, before):
        self.steps = 0
        self.dead = False
        self._last = last
        self._before = before
        self._lock = threading.Lock()
        for owner, name in (
            (world.engine, "outputs"),
            (world.engine, "up"),
            (world.store, "read"),
            (world.store, "put_context"),
            (world.store, "remove_context"),
            (world.store, "remove_contexts"),
            (world.broker, "send"),
        ):
            setattr(owner, name, self._wrapped(getattr(type(owner), name).__get__(owner)))

    def _wrapped(self, call):
        def step(*args, **kwargs):
            with self._lock:
                self.steps += 1
                fatal = self.steps == self._last
                self.dead = self.dead or (fatal and self._before)
            if self.dead:
                raise _death()
            result = call(*args, **kwargs)
            if fatal:
                self.dead = True
                raise _death()
            return result

        return step


def _death():
    """Return what ends a thread: those that send in the background do nothing more, and make no noise."""
    background = threading.current_thread().name.startswith("outbox")
    return DependencyUnavailable("dead") if background else Killed("dead")


def _until_answered(world, event):
    """Deliver as a broker does: again, to a process that was started again, until there is an answer."""
    for _ in range(3):
        try:
            return world.runner.handle(event)
        except Killed:
            revive(world)
    raise AssertionError("no answer")


def revive(world):
    for owner, names in (
        (world.store, ("read", "put_context", "remove_context", "remove_contexts")),
        (world.broker, ("send",)),
    ):
        for name in names:
            vars(owner).pop(name, None)
    world.restart()


def counted_steps(folder):
    world = TellingWorld(folder, frozenset({Kind.LIFECYCLE}))
    world.put()
    mortal = Mortal(world, last=0, before=False)
    life(world, world.runner.handle)
    world.outbox.close(10)
    return world, mortal.steps


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_a_process_killed_at_any_step_emits_what_an_undisturbed_one_does(tmp_path, before):
    undisturbed, steps = counted_steps(tmp_path / "undisturbed")
    expected = {(event["id"], event["type"]) for event in undisturbed.broker.events}
    assert steps > 20

    for last in range(1, steps + 1):
        world = TellingWorld(tmp_path / f"{before}-{last}", frozenset({Kind.LIFECYCLE}))
        world.put()
        Mortal(world, last, before)

        life(world, lambda event, world=world: _until_answered(world, event))
        world.outbox.close(10)
        revive(world)
        settled(world)
        world.outbox.close(10)

        assert {(event["id"], event["type"]) for event in world.broker.events} == expected, last


async def test_what_the_platform_told_itself_changes_nothing_when_it_comes_back(world):
    started = await world.send(world.build_start("e1"))
    echo = world.build_complete(started, "echo")
    echo = dataclasses.replace(echo, meta=dataclasses.replace(echo.meta, source=source(world.function)))

    reply = await world.send(echo)

    assert reply.status == "skipped"
    assert world.cluster.kinds() == ["Job"]
    await world.automation.close(5)
