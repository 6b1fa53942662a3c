"""Cancelling an operation: gracefully, at once, and while the program or a provider hangs."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pulumi
import pytest

from engine import Cancellation, Engine, Options, StackRef, UpdateCanceled, UpdateFailed, supervision, threads
from tests.engine import states
from tests.engine.fake import Thing, World

Start = Callable[[Callable[[], Any]], "Future[Any]"]


@pytest.fixture
def cancellation() -> Cancellation:
    return Cancellation()


@pytest.fixture
def options(cancellation: Cancellation) -> Options:
    return Options(cancellation=cancellation)


@pytest.fixture
def start() -> Iterator[Start]:
    """Run an operation on a thread of its own; the test ends it."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit


class Hanging:
    """A provider call that hangs until it is let go; `wait_until_over` returns when its thread has ended."""

    def __init__(self, release: threading.Event) -> None:
        self.started = threading.Event()
        self._release = release
        self._thread: threading.Thread | None = None

    def __call__(self, _: str, __: Any) -> None:
        self._thread = threading.current_thread()
        self.started.set()
        self._release.wait(60)

    def wait_until_over(self) -> None:
        assert self._thread is not None
        self._release.set()
        self._thread.join(20)
        assert not self._thread.is_alive()


@pytest.fixture
def hanging(release: threading.Event, monkeypatch: pytest.MonkeyPatch) -> Hanging:
    monkeypatch.setattr(threads, "IDLE_SECONDS", 0.01)  # a thread ends as soon as its work does
    return Hanging(release)


@pytest.fixture
def release() -> Iterator[threading.Event]:
    """Let go of whatever hangs, at the end at the latest."""
    event = threading.Event()
    yield event
    event.set()


def ended(operation: "Future[Any]") -> UpdateCanceled:
    """Return how a cancelled operation ended."""
    with pytest.raises(UpdateCanceled) as canceled:
        operation.result(30)
    return canceled.value


def test_running_steps_finish_and_no_new_ones_begin(
    engine: Engine,
    stack: StackRef,
    world: World,
    root: Path,
    start: Start,
    cancellation: Cancellation,
    options: Options,
) -> None:
    started, go_on = world.hang("create", "a")

    def program() -> None:
        Thing("b", of=Thing("a").id)

    operation = start(lambda: engine.up(stack, program, options=options))
    assert started.wait(20)
    cancellation.cancel()
    go_on.set()

    error = ended(operation)
    assert (error.terminated, error.diagnostics) == (False, ("update canceled",))
    assert world.names("create") == ["a"]
    assert states.names(root, stack) == ["proj-dev", "default", "a"]
    assert "pending_operations" not in states.latest(root, stack)
    assert engine.history(stack)[0]["result"] == "failed"

    world.heal()
    assert engine.up(stack, program).changes == {"same": 2, "create": 1}


def test_nothing_is_deleted_after_a_cancellation(
    engine: Engine, stack: StackRef, world: World, cancellation: Cancellation, options: Options
) -> None:
    engine.up(stack, lambda: Thing("old"))

    with pytest.raises(UpdateCanceled):
        engine.up(stack, lambda: cancellation.cancel(), options=options)

    assert world.names("delete") == []


def test_a_program_that_waits_is_interrupted(
    engine: Engine,
    stack: StackRef,
    world: World,
    start: Start,
    cancellation: Cancellation,
    options: Options,
) -> None:
    waiting = threading.Event()
    interrupted = threading.Event()

    async def forever(_: str) -> str:
        waiting.set()
        try:
            await asyncio.Event().wait()
        finally:
            interrupted.set()
        return ""

    def program() -> None:
        pulumi.export("never", Thing("a").id.apply(forever))

    operation = start(lambda: engine.up(stack, program, options=options))
    assert waiting.wait(20)
    cancellation.cancel()

    ended(operation)
    assert interrupted.is_set()


def test_a_program_that_is_stuck_in_its_own_code_is_left_behind(
    engine: Engine,
    stack: StackRef,
    root: Path,
    start: Start,
    cancellation: Cancellation,
    options: Options,
    release: threading.Event,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(supervision, "PATIENCE_SECONDS", 0.1)
    engine.up(stack, lambda: None)
    stuck = threading.Event()

    def program() -> None:
        stuck.set()
        release.wait(60)
        Thing("late")

    operation = start(lambda: engine.up(stack, program, options=options))
    assert stuck.wait(20)
    cancellation.cancel()

    assert not ended(operation).terminated
    assert engine.history(stack)[0]["result"] == "failed"
    assert engine.up(stack, lambda: None).changes == {"same": 1}


def test_termination_does_not_wait_for_a_hung_call(
    engine: Engine,
    stack: StackRef,
    world: World,
    root: Path,
    start: Start,
    cancellation: Cancellation,
    options: Options,
    hanging: Hanging,
) -> None:
    world.faults["create", "a"] = hanging
    operation = start(lambda: engine.up(stack, lambda: Thing("a"), options=options))
    assert hanging.started.wait(20)
    cancellation.terminate()

    assert ended(operation).terminated
    [pending] = states.latest(root, stack)["pending_operations"]
    assert (pending["type"], pending["resource"]["urn"].split("::")[-1]) == ("creating", "a")
    assert not list((root / ".pulumi" / "locks").rglob("*.json"))
    assert [entry["result"] for entry in engine.history(stack)] == ["failed"]

    before = states.checkpoint_file(root, stack).read_bytes()
    files = sorted(path for path in root.rglob("*"))
    hanging.wait_until_over()
    assert states.checkpoint_file(root, stack).read_bytes() == before
    assert sorted(path for path in root.rglob("*")) == files


def test_what_was_done_before_a_termination_is_recorded(
    engine: Engine,
    stack: StackRef,
    world: World,
    root: Path,
    start: Start,
    cancellation: Cancellation,
    options: Options,
    release: threading.Event,
) -> None:
    stuck = threading.Event()

    def block(_: str) -> None:
        stuck.set()
        release.wait(60)

    operation = start(
        lambda: engine.up(stack, lambda: pulumi.export("x", Thing("a").id.apply(block)), options=options)
    )
    assert stuck.wait(20)
    cancellation.terminate()

    ended(operation)
    assert states.names(root, stack) == ["proj-dev", "default", "a"]
    assert "pending_operations" not in states.latest(root, stack)


def test_a_second_request_is_harder_than_the_first(
    engine: Engine,
    stack: StackRef,
    world: World,
    root: Path,
    start: Start,
    cancellation: Cancellation,
    options: Options,
    hanging: Hanging,
) -> None:
    engine.up(stack, lambda: Thing("a"))
    world.faults["delete", "a"] = hanging
    operation = start(lambda: engine.destroy(stack, options=options))
    assert hanging.started.wait(20)
    cancellation.cancel()
    assert not operation.done()
    cancellation.terminate()

    assert ended(operation).terminated
    assert states.latest(root, stack)["pending_operations"][0]["type"] == "deleting"


def test_providers_are_asked_to_cut_short_what_they_do(
    engine: Engine,
    stack: StackRef,
    world: World,
    start: Start,
    cancellation: Cancellation,
    options: Options,
) -> None:
    started, go_on = world.hang("create", "a")
    operation = start(lambda: engine.up(stack, lambda: Thing("a"), options=options))
    assert started.wait(20)

    cancellation.cancel()
    world.wait_for(lambda: world.canceled == 1)
    go_on.set()

    ended(operation)


@pytest.mark.parametrize("kind", ["up", "preview", "refresh", "destroy"])
def test_an_operation_that_is_cancelled_before_it_begins_does_nothing(
    engine: Engine, stack: StackRef, world: World, cancellation: Cancellation, options: Options, kind: str
) -> None:
    engine.up(stack, lambda: Thing("a"))
    world.calls.clear()
    program = {"program": lambda: Thing("a", size=2)} if kind in ("up", "preview") else {}
    cancellation.cancel()

    with pytest.raises(UpdateCanceled):
        getattr(engine, kind)(stack, **program, options=options)

    assert world.calls == []
    assert engine.up(stack, lambda: Thing("a")).changes == {"same": 2}


def test_an_operation_that_is_not_cancelled_ends_as_ever(
    engine: Engine, stack: StackRef, world: World, options: Options
) -> None:
    assert engine.up(stack, lambda: Thing("a"), options=options).changes == {"create": 2}
    world.fail("update", "a")
    with pytest.raises(UpdateFailed, match="it broke") as failure:
        engine.up(stack, lambda: Thing("a", size=2), options=options)
    assert not isinstance(failure.value, UpdateCanceled)

    def leave() -> None:
        raise SystemExit(3)

    with pytest.raises((SystemExit, UpdateFailed)) as exit_:
        engine.up(stack, leave)
    with pytest.raises(type(exit_.value)):
        engine.up(stack, leave, options=options)


def test_events_end_with_the_operation(
    engine: Engine,
    stack: StackRef,
    world: World,
    start: Start,
    cancellation: Cancellation,
    options: Options,
    hanging: Hanging,
) -> None:
    world.faults["create", "a"] = hanging
    events: list[dict[str, Any]] = []
    operation = start(lambda: engine.up(stack, lambda: Thing("a"), options=options, on_event=events.append))
    assert hanging.started.wait(20)
    cancellation.terminate()
    ended(operation)

    hanging.wait_until_over()
    assert "cancelEvent" in events[-1]
    assert events[-2]["summaryEvent"]["result"] == "failed"
