"""Transforms change what the program registers and calls, before the engine acts on it."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pulumi
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pulumi import InvokeTransformArgs, InvokeTransformResult, ResourceTransformArgs, ResourceTransformResult
from pulumi import ResourceOptions as Options
from pulumi.runtime.settings import SETTINGS

from engine import Engine, StackRef, UpdateFailed, transforms, wire
from engine.values import UNKNOWN, secret
from tests.engine import states
from tests.engine.fake import FakeCloud, Group, Thing, World

Transform = Callable[[ResourceTransformArgs], ResourceTransformResult | None]


def adding(**props: Any) -> Transform:
    """A transform that adds properties to every Thing."""

    def transform(args: ResourceTransformArgs) -> ResourceTransformResult | None:
        if args.type_ != "fake:index:Thing":
            return None
        return ResourceTransformResult({**args.props, **props}, args.opts)

    return transform


def with_options(**options: Any) -> Transform:
    """A transform that sets options."""

    def transform(args: ResourceTransformArgs) -> ResourceTransformResult:
        return ResourceTransformResult(args.props, Options.merge(args.opts, Options(**options)))

    return transform


leaves = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text() | st.just(UNKNOWN)
texts = st.text(max_size=3)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3) | inner.map(secret),
    max_leaves=8,
)


@given(
    st.dictionaries(texts, values, max_size=4),
    st.dictionaries(texts, st.sets(st.text(min_size=1)), max_size=4),
)
def test_what_a_transform_is_told_is_what_was_registered(
    properties: dict[str, Any], dependencies: dict[str, set[str]]
) -> None:
    found: dict[str, set[str]] = {}

    assert wire.from_struct(transforms.outputs(properties, dependencies), found) == properties
    assert found == {key: urns for key, urns in dependencies.items() if urns and key in properties}


def test_a_transform_changes_the_properties(
    engine: Engine, stack: StackRef, world: World, root: Path
) -> None:
    def program() -> None:
        Thing("a", Options(transforms=[adding(size=2)]), size=1, colour="red")

    engine.up(stack, program)

    assert states.named(root, stack, "a")["inputs"] == {"size": 2, "colour": "red"}
    assert engine.up(stack, program).changes == {"same": 2}


def test_transforms_run_from_the_resource_up_to_the_stack(
    engine: Engine, stack: StackRef, root: Path
) -> None:
    def tracing(tag: str) -> Transform:
        def transform(args: ResourceTransformArgs) -> ResourceTransformResult | None:
            if args.custom:
                args.props["trace"] = args.props.get("trace", "") + tag
                return ResourceTransformResult(args.props, args.opts)
            return None

        return transform

    def program() -> None:
        pulumi.runtime.register_resource_transform(tracing("s"))
        outer = Group("outer", Options(transforms=[tracing("o")]))
        inner = Group("inner", Options(parent=outer, transforms=[tracing("i")]))
        Thing("a", Options(parent=inner, transforms=[tracing("1"), tracing("2")]))

    engine.up(stack, program)

    assert states.named(root, stack, "a")["inputs"]["trace"] == "12ios"


def test_a_stack_s_transform_reaches_only_what_is_registered_after_it(
    engine: Engine, stack: StackRef, root: Path
) -> None:
    def program() -> None:
        Thing("before")
        pulumi.runtime.register_resource_transform(adding(size=1))
        Thing("after")

    engine.up(stack, program)

    assert "inputs" not in states.named(root, stack, "before")
    assert states.named(root, stack, "after")["inputs"] == {"size": 1}


def test_a_transform_may_be_a_coroutine(engine: Engine, stack: StackRef, root: Path) -> None:
    async def transform(args: ResourceTransformArgs) -> ResourceTransformResult:
        await asyncio.sleep(0)
        return ResourceTransformResult({**args.props, "late": True}, args.opts)

    engine.up(stack, lambda: Thing("a", Options(transforms=[transform])))

    assert states.named(root, stack, "a")["inputs"] == {"late": True}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"protect": True}, {"protect": True}),
        ({"retain_on_delete": True}, {"retainOnDelete": True}),
        ({"ignore_changes": ["x"]}, {"ignoreChanges": ["x"]}),
        ({"replace_on_changes": ["x"]}, {"replaceOnChanges": ["x"]}),
        ({"additional_secret_outputs": ["answer"]}, {"additionalSecretOutputs": ["answer"]}),
        ({"custom_timeouts": pulumi.CustomTimeouts(create="2m")}, {"customTimeouts": {"create": 120}}),
    ],
    ids=lambda value: next(iter(value)),
)
def test_a_transform_changes_an_option(
    engine: Engine, stack: StackRef, root: Path, options: dict[str, Any], expected: dict[str, Any]
) -> None:
    engine.up(stack, lambda: Thing("a", Options(transforms=[with_options(**options)])))

    state = states.named(root, stack, "a")
    assert {key: state[key] for key in expected} == expected


def test_options_reach_a_transform_and_survive_it(engine: Engine, stack: StackRef, root: Path) -> None:
    seen: list[Options] = []

    def transform(args: ResourceTransformArgs) -> ResourceTransformResult:
        seen.append(args.opts)
        return ResourceTransformResult(args.props, args.opts)

    def program() -> None:
        base = Thing("base")
        Thing(
            "a",
            Options(
                transforms=[transform],
                depends_on=[base],
                deleted_with=base,
                replace_with=[base],
                delete_before_replace=True,
                custom_timeouts=pulumi.CustomTimeouts(delete="10m", update="90s"),
                aliases=[pulumi.Alias(name="old"), "urn:pulumi:dev::proj::fake:index:Thing::older"],
                protect=False,
                replacement_trigger="now",
            ),
        )

    engine.up(stack, program)

    state, base = states.named(root, stack, "a"), states.named(root, stack, "base")["urn"]
    assert state["dependencies"] == [base]
    assert state["deletedWith"] == base
    assert state["customTimeouts"] == {"delete": 600, "update": 90}
    assert state["replacementTrigger"] == "now"
    [opts] = seen
    assert opts.custom_timeouts.delete == "10m"
    assert opts.protect is False
    assert isinstance(opts.aliases[0], pulumi.Alias)
    assert opts.aliases[0].name == "old"
    assert opts.aliases[1] == "urn:pulumi:dev::proj::fake:index:Thing::older"


def test_an_alias_that_a_transform_adds_is_found(engine: Engine, stack: StackRef, world: World) -> None:
    engine.up(stack, lambda: Thing("old", size=1))
    world.calls.clear()

    alias = with_options(aliases=[pulumi.Alias(name="old")])
    result = engine.up(stack, lambda: Thing("new", Options(transforms=[alias]), size=1))

    assert result.changes == {"same": 2}
    assert world.names("create") == []


def test_a_provider_that_a_transform_sets_is_used(engine: Engine, stack: StackRef, world: World) -> None:
    def program() -> None:
        cloud = FakeCloud("cloud", region="north")
        Thing("a", Options(transforms=[with_options(provider=cloud)]))

    engine.up(stack, program)

    assert world.configs == [{"region": "north"}]


def test_a_dependency_that_a_transform_adds_is_kept_to(
    engine: Engine, stack: StackRef, world: World, root: Path
) -> None:
    def program() -> None:
        base = Thing("base")
        Thing("a", Options(transforms=[with_options(depends_on=[base])]))

    engine.up(stack, program)

    assert states.named(root, stack, "a")["dependencies"] == [states.named(root, stack, "base")["urn"]]
    engine.destroy(stack)
    assert world.names("delete") == ["a", "base"]


def test_secrets_and_dependencies_pass_through_a_transform(
    engine: Engine, stack: StackRef, root: Path
) -> None:
    def program() -> None:
        base = Thing("base")
        Thing("a", Options(transforms=[adding(size=1)]), of=base.id, key=pulumi.Output.secret("k3y"))

    engine.up(stack, program)

    state, base = states.named(root, stack, "a"), states.named(root, stack, "base")
    assert state["inputs"]["of"] == base["id"]
    assert "ciphertext" in state["inputs"]["key"]
    assert "k3y" not in states.checkpoint_file(root, stack).read_text()
    assert state["propertyDependencies"] == {"of": [base["urn"]], "key": [], "size": []}
    assert state["dependencies"] == [base["urn"]]


def test_a_secret_within_what_one_transform_returned_makes_the_whole_secret_to_the_next(
    engine: Engine, stack: StackRef, root: Path
) -> None:
    """As with Pulumi's own engine and this SDK; the state would differ otherwise."""

    def wrapping(args: ResourceTransformArgs) -> ResourceTransformResult:
        return ResourceTransformResult({"box": {"key": args.props["key"]}}, args.opts)

    def program() -> None:
        Thing("a", Options(transforms=[wrapping, adding(size=1)]), key=pulumi.Output.secret("k3y"))

    engine.up(stack, program)

    assert "ciphertext" in states.named(root, stack, "a")["inputs"]["box"]


def test_unknowns_pass_through_a_transform_in_a_preview(engine: Engine, stack: StackRef) -> None:
    def program() -> None:
        Thing("a", Options(transforms=[adding(size=1)]), of=Thing("base").id, list=[Thing("c").answer])

    assert engine.preview(stack, program).changes == {"create": 4}


def test_components_are_transformed_too(engine: Engine, stack: StackRef, root: Path) -> None:
    def transform(args: ResourceTransformArgs) -> ResourceTransformResult:
        assert not args.custom
        return ResourceTransformResult({**args.props, "seen": args.name}, args.opts)

    engine.up(stack, lambda: Group("g", Options(transforms=[transform])))

    assert states.named(root, stack, "g")["inputs"] == {"seen": "g"}


def test_a_transform_that_raises_fails_the_run(engine: Engine, stack: StackRef, world: World) -> None:
    def transform(args: ResourceTransformArgs) -> None:
        raise KeyError("size")

    with pytest.raises(UpdateFailed) as raised:
        engine.up(stack, lambda: Thing("a", Options(transforms=[transform])))

    assert "a transform of fake:index:Thing 'a' failed: KeyError: 'size'" in str(raised.value)
    assert "test_engine_transforms.py, line" in str(raised.value)
    assert world.resources == {}


def test_an_invoke_s_arguments_are_transformed(engine: Engine, stack: StackRef) -> None:
    def transform(args: InvokeTransformArgs) -> InvokeTransformResult:
        assert args.token == "fake:index:sum"
        return InvokeTransformResult({"numbers": [*args.args["numbers"], 10]}, args.opts)

    def program() -> None:
        pulumi.runtime.register_invoke_transform(transform)
        pulumi.export("sum", pulumi.runtime.invoke("fake:index:sum", {"numbers": [1, 2]}).value["sum"])

    assert engine.up(stack, program).outputs == {"sum": 13}


def test_an_invoke_s_provider_is_transformed(engine: Engine, stack: StackRef, world: World) -> None:
    def program() -> None:
        cloud = FakeCloud("cloud", region="north")

        def transform(args: InvokeTransformArgs) -> InvokeTransformResult:
            return InvokeTransformResult(args.args, pulumi.InvokeOptions(provider=cloud))

        pulumi.runtime.register_invoke_transform(transform)
        pulumi.export(
            "region", pulumi.runtime.invoke_output("fake:index:sum", {}).apply(lambda r: r["region"])
        )

    assert engine.up(stack, program).outputs == {"region": "north"}


def test_an_invoke_transform_that_raises_fails_the_run(engine: Engine, stack: StackRef) -> None:
    def transform(args: InvokeTransformArgs) -> None:
        raise ValueError("not this one")

    def program() -> None:
        pulumi.runtime.register_invoke_transform(transform)
        pulumi.export("sum", pulumi.runtime.invoke_output("fake:index:sum", {}))

    with pytest.raises(UpdateFailed, match=r"a transform of the invoke fake:index:sum failed: ValueError"):
        engine.up(stack, program)


def test_no_server_is_started_for_a_program_s_functions(
    engine: Engine, stack: StackRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a gRPC server was made")

    monkeypatch.setattr("grpc.aio.server", refuse)

    engine.up(stack, lambda: Thing("a", Options(transforms=[adding(size=1)])))


def test_a_context_without_a_program_has_no_callbacks_left(engine: Engine, stack: StackRef) -> None:
    engine.up(stack, lambda: Thing("a", Options(transforms=[adding(size=1)])))
    found: list[object] = []
    thread = threading.Thread(target=lambda: found.append(SETTINGS.callbacks))
    thread.start()
    thread.join()

    assert found == [None]


def test_transforms_that_call_providers_do_not_keep_each_other_from_threads(
    make_engine: Callable[..., Engine], stack: StackRef, world: World
) -> None:
    async def transform(args: ResourceTransformArgs) -> ResourceTransformResult:
        answer = pulumi.runtime.invoke_output("fake:index:sum", {"numbers": [1, 2]})
        return ResourceTransformResult({**args.props, "sum": answer.apply(lambda it: it["sum"])}, args.opts)

    def program() -> None:
        for number in range(8):
            Thing(f"t{number}", Options(transforms=[transform]))

    make_engine(parallel=1).up(stack, program)

    assert [resource["sum"] for resource in world.resources.values()] == [3] * 8
