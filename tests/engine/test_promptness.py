"""Which requests of a program are answered on its own thread, and that none of them holds it up there."""

import threading
from collections.abc import Callable
from typing import Any

import pulumi
import pytest

from engine import Engine, StackRef, UpdateFailed
from tests.engine.fake import Group, Thing, World

OnProgramsThread = Callable[[Callable[[], object]], dict[str, bool]]


@pytest.fixture
def on_programs_thread(engine: Engine, stack: StackRef) -> OnProgramsThread:
    """Update the stack; return by name whether a resource's step began on the program's own thread."""

    def up(program: Callable[[], object]) -> dict[str, bool]:
        here, seen = threading.get_ident(), {}

        def note(event: dict[str, Any]) -> None:
            if "resourcePreEvent" in event:
                urn = event["resourcePreEvent"]["metadata"]["urn"]
                seen[urn.rpartition("::")[2]] = threading.get_ident() == here

        engine.up(stack, program, on_event=note)
        return seen

    return up


def test_components_are_recorded_on_the_programs_thread_and_providers_called_on_others(
    on_programs_thread: OnProgramsThread,
) -> None:
    def program() -> None:
        Thing("thing", pulumi.ResourceOptions(parent=Group("group")))

    seen = on_programs_thread(program)

    assert (seen["group"], seen["thing"]) == (True, False)


def test_a_program_with_functions_of_its_own_has_nothing_recorded_on_its_thread(
    on_programs_thread: OnProgramsThread,
) -> None:
    async def unchanged(args: pulumi.ResourceTransformArgs) -> None:
        return None

    options = pulumi.ResourceOptions(transforms=[unchanged])
    seen = on_programs_thread(lambda: Group("group", options))

    assert seen["group"] is False


def test_what_is_left_to_delete_is_deleted_on_another_thread(
    engine: Engine, stack: StackRef, on_programs_thread: OnProgramsThread
) -> None:
    engine.up(stack, lambda: Thing("old"))

    assert on_programs_thread(lambda: None)["old"] is False


def test_a_component_that_is_refused_fails_the_program(engine: Engine, stack: StackRef, world: World) -> None:
    def twice() -> None:
        Group("group")
        Group("group")

    with pytest.raises(UpdateFailed, match="duplicate resource URN"):
        engine.up(stack, twice)
