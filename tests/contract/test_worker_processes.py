"""What only Pulumi's own engine has: worker processes for programs, a CLI to be stopped, an end."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pulumi
import pytest

from automation.adapters.automation_api import AutomationApiEngine, expectation
from components.engines import AUTOMATION_API
from engine import EngineError, StackMoved, StackRef
from engine.errors import UpdateCanceled
from engine.options import Options
from tests.contract import programs
from tests.contract.conftest import needs_cli
from tests.contract.engines import recorded
from tests.contract.world import World

pytestmark = needs_cli


@pytest.fixture
def engine(make: Callable[..., AutomationApiEngine]) -> AutomationApiEngine:
    return make(AUTOMATION_API)


def test_programs_that_run_at_once_see_their_own_stack_in_every_thread(engine: AutomationApiEngine):
    def program():
        seen: list[str] = []
        thread = threading.Thread(target=lambda: seen.append(pulumi.get_stack()))
        thread.start()
        thread.join()
        pulumi.export("seen", [*seen, pulumi.get_stack()])

    names = ["one", "two", "three"]
    with ThreadPoolExecutor(len(names)) as pool:
        results = list(pool.map(lambda name: engine.up(StackRef("proj", name), program), names))

    assert [result.outputs["seen"] for result in results] == [[name, name] for name in names]


def test_a_stack_that_moves_just_before_it_is_locked_is_not_destroyed(
    engine: AutomationApiEngine, stack: StackRef, world: World, monkeypatch: pytest.MonkeyPatch
):
    """The first look, which spares a CLI, sees the expected version; the one under the lock does not."""
    old = engine.up(stack, programs.two).version
    engine.up(stack, programs.two_changed)
    monkeypatch.setattr(expectation, "check", lambda *_: None)

    with pytest.raises(StackMoved):
        engine.destroy(stack, expect=old)

    assert recorded(engine, stack) == world.names == ["a", "b"]


def test_a_program_does_not_see_the_passphrase(
    engine: AutomationApiEngine, stack: StackRef, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "somebody else's")

    def program():
        pulumi.export("seen", [name for name in os.environ if "PASSPHRASE" in name])

    assert engine.up(stack, program).outputs == {"seen": []}


def test_a_program_that_cannot_travel_is_refused_and_nothing_is_done(
    engine: AutomationApiEngine, stack: StackRef
):
    generator = (number for number in range(3))
    with pytest.raises(EngineError, match="cannot be sent to the worker process"):
        engine.up(stack, lambda: pulumi.export("next", next(generator)))

    assert engine.outputs(stack).version == ""


def test_a_program_that_ends_its_process_fails_the_update_and_not_the_next(
    engine: AutomationApiEngine, stack: StackRef
):
    with pytest.raises(EngineError, match="ended with status 7"):
        engine.up(stack, lambda: os._exit(7))

    assert engine.up(stack, programs.nothing, options=Options(lock_timeout=5)).changes == {"create": 1}


def test_closing_ends_what_runs_gracefully_and_refuses_what_comes(
    engine: AutomationApiEngine, world: World, stack: StackRef
):
    world.hang("create", "a")
    with ThreadPoolExecutor(2) as pool:
        update = pool.submit(engine.up, stack, programs.two)
        world.wait_for("create", "a")
        closed = pool.submit(engine.close, 60.0)
        world.wait_for("cancel", "plugin")
        world.release("create", "a")
        with pytest.raises(UpdateCanceled):
            update.result()
        closed.result()

    assert recorded(engine, stack) == ["a"]
    assert engine.cancel(stack) == 0
    with pytest.raises(EngineError, match="closed"):
        engine.up(stack, programs.two)


def test_closing_does_not_wait_longer_than_its_grace(
    engine: AutomationApiEngine, world: World, stack: StackRef
):
    world.hang("create", "a")
    with ThreadPoolExecutor(1) as pool:
        update = pool.submit(engine.up, stack, programs.two)
        world.wait_for("create", "a")
        engine.close(0.0)
        with pytest.raises(UpdateCanceled):
            update.result()

    world.release("create", "a")
    assert recorded(engine, stack) == []
    assert engine.cancel(stack) == 0
