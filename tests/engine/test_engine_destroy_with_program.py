"""A destroy that runs the program first: it makes nothing, but says how its resources are to be deleted."""

from pathlib import Path
from typing import Any

import pulumi
import pytest

from engine import Engine, Options, StackRef, UpdateFailed
from tests.engine import states
from tests.engine.fake import FakeCloud, Group, Thing, World


def program(size: int, *, more: bool = False) -> Any:
    """Return a program with a component, a child, and maybe a resource that is not there yet."""

    def run() -> None:
        child = Thing("child", pulumi.ResourceOptions(parent=Group("g")), size=size)
        if more:
            new = Thing("new", of=child.id)
            Group("around", pulumi.ResourceOptions(depends_on=[new]))
        pulumi.export("id", child.id)

    return run


def test_everything_is_deleted_and_nothing_is_made(
    engine: Engine, stack: StackRef, world: World, root: Path
) -> None:
    engine.up(stack, program(1))

    result = engine.destroy(stack, program=program(2, more=True))

    assert result.changes["delete"] == 3
    assert world.names("create") == ["child"]
    assert world.names("update") == []
    assert world.resources == {}
    assert states.resources(root, stack) == []


def test_what_the_program_no_longer_has_is_deleted_too(
    engine: Engine, stack: StackRef, world: World, root: Path
) -> None:
    def more() -> None:
        program(1)()
        Thing("old")

    engine.up(stack, more)

    engine.destroy(stack, program=program(1))

    assert sorted(world.names("delete")) == ["child", "old"]


def test_options_of_the_program_count(engine: Engine, stack: StackRef, world: World) -> None:
    """The recorded protection is gone from the program."""
    engine.up(stack, lambda: Thing("a", pulumi.ResourceOptions(protect=True)))
    with pytest.raises(UpdateFailed, match="protected"):
        engine.destroy(stack)

    engine.destroy(stack, program=lambda: Thing("a"))

    assert world.resources == {}


def test_deletes_use_the_provider_as_the_program_configures_it(
    engine: Engine, stack: StackRef, world: World
) -> None:
    def with_token(token: str) -> Any:
        return lambda: Thing("a", pulumi.ResourceOptions(provider=FakeCloud("cloud", token=token)))

    engine.up(stack, with_token("old"))
    world.configs.clear()

    engine.destroy(stack, program=with_token("new"))

    assert world.configs == [{"token": "new"}]
    assert world.resources == {}


def test_nothing_is_deleted_if_the_program_fails(
    engine: Engine, stack: StackRef, world: World, root: Path
) -> None:
    engine.up(stack, program(1))

    def broken() -> None:
        program(1)()
        raise ValueError("oh no")

    with pytest.raises(UpdateFailed, match="oh no"):
        engine.destroy(stack, program=broken)

    assert world.names("delete") == []
    assert engine.up(stack, program(1)).changes == {"same": 3}


def test_targets_limit_what_a_destroy_with_program_deletes(
    engine: Engine, stack: StackRef, world: World
) -> None:
    def both() -> None:
        Thing("a")
        Thing("b")

    engine.up(stack, both)

    engine.destroy(
        stack, program=both, options=Options(targets=("urn:pulumi:dev::proj::fake:index:Thing::a",))
    )

    assert world.names("delete") == ["a"]


def test_delete_hooks_run_if_the_program_does(engine: Engine, stack: StackRef, world: World) -> None:
    called: list[str] = []

    def hooked() -> None:
        def note(args: pulumi.ResourceHookArgs) -> None:
            called.append(args.name)

        hook = pulumi.ResourceHook("note", note)
        binding = pulumi.ResourceHookBinding(before_delete=[hook])
        Thing("a", pulumi.ResourceOptions(hooks=binding))

    engine.up(stack, hooked)
    with pytest.raises(UpdateFailed, match="was not registered"):
        engine.destroy(stack)
    assert world.names("delete") == []

    engine.destroy(stack, program=hooked)

    assert called == ["a"]
    assert world.resources == {}


def test_what_was_only_read_is_not_deleted_because_the_program_would_now_make_it(
    engine: Engine, stack: StackRef, world: World, root: Path
) -> None:
    world.resources["theirs"] = {"name": "a"}
    engine.up(stack, lambda: Thing("a", pulumi.ResourceOptions(id="theirs")))

    def managed() -> None:
        Thing("b", of=Thing("a").id)

    engine.destroy(stack, program=managed)

    assert list(world.resources) == ["theirs"]
    assert states.resources(root, stack) == []
