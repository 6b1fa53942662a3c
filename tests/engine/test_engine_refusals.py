"""What the engine cannot do is refused by name before anything changes, as far as that can be known."""

from collections.abc import Callable
from pathlib import Path

import pulumi
import pytest

from engine import Engine, FileBackend, Options, StackRef, UpdateFailed
from tests.engine import states
from tests.engine.fake import Thing, World


class Other(pulumi.CustomResource):
    """A resource of a package without a provider."""

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("other:index:Thing", name, {}, opts)


def with_unsupported() -> None:
    """Register something that is supported, then something that is not and needs it."""
    Other("b", pulumi.ResourceOptions(depends_on=[Thing("a")]))


def test_a_preview_first_refuses_before_anything_is_made(
    engine: Engine, stack: StackRef, world: World, root: Path
) -> None:
    with pytest.raises(UpdateFailed, match="no provider for package 'other'"):
        engine.up(stack, with_unsupported, options=Options(preview_first=True))

    assert world.names("create") == []
    assert not states.checkpoint_file(root, stack).exists()
    assert not list(root.rglob("locks/**/*.json"))


def test_a_preview_first_that_succeeds_is_followed_by_the_update(
    engine: Engine, stack: StackRef, world: World
) -> None:
    events: list[object] = []

    result = engine.up(stack, lambda: Thing("a"), options=Options(preview_first=True), on_event=events.append)

    assert result.changes == {"create": 2}
    assert world.names("create") == ["a"]
    assert len([event for event in events if "summaryEvent" in event]) == 1  # type: ignore[operator]


def test_without_it_the_update_ends_at_the_registration_and_records_what_was_made(
    engine: Engine, stack: StackRef, root: Path
) -> None:
    with pytest.raises(UpdateFailed, match="no provider for package 'other'"):
        engine.up(stack, with_unsupported)

    assert states.names(root, stack) == ["proj-dev", "default", "a"]
    states.assert_sound(root, stack)


@pytest.mark.parametrize("kind", ["up", "preview", "refresh", "destroy"])
def test_a_state_that_needs_an_unknown_package_is_refused_before_the_first_step(
    stack: StackRef, world: World, root: Path, kind: str
) -> None:
    both = Engine(FileBackend(root), {"fake": world.provider, "other": world.provider})
    both.up(stack, with_unsupported)
    world.calls.clear()
    engine = Engine(FileBackend(root), {"fake": world.provider})
    program: dict[str, Callable[[], object]] = {"program": lambda: None} if kind in ("up", "preview") else {}

    with pytest.raises(UpdateFailed, match=r"no provider for package 'other'.*other:index:Thing::b"):
        getattr(engine, kind)(stack, **program)

    assert world.calls == []


def test_targets_work_around_an_unknown_package(stack: StackRef, world: World, root: Path) -> None:
    both = Engine(FileBackend(root), {"fake": world.provider, "other": world.provider})
    both.up(stack, lambda: (Thing("a"), Other("b")))
    engine = Engine(FileBackend(root), {"fake": world.provider})

    engine.destroy(stack, options=Options(targets=("**fake:index:Thing::a",)))

    assert world.names("delete") == ["a"]
    states.assert_sound(root, stack)
