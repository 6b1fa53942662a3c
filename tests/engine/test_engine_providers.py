"""Which provider carries out a resource's calls, what it is called, and what its parent hands down."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pulumi
import pytest
from pulumi import ResourceOptions as Options
from pulumi.runtime.proto import resource_pb2
from pulumi.runtime.settings import get_monitor

from engine import Engine, FileBackend, StackRef, UpdateFailed
from engine.options import Options as EngineOptions
from engine.packages import Package, default_provider
from tests.engine import states
from tests.engine.fake import FakeCloud, Group, Thing, World


@pytest.mark.parametrize(
    ("version", "url", "name"),
    [
        ("", "", "default"),
        ("0.18.1", "", "default_0_18_1"),
        ("0.17.7-dev.1555435978+gb7030aa4.dirty", "", "default_0_17_7_dev_1555435978_gb7030aa4_dirty"),
        ("1.0.0-alpha-1", "", "default_1_0_0_alpha-1"),
        ("0.18.1", "pulumi.com/pkg", "default_0_18_1_pulumi.com/pkg"),
        ("", "https://example.com/a?b=c/", "default_https_/example.com/a_b_c"),
    ],
)
def test_default_providers_are_called_what_pulumi_calls_them(version: str, url: str, name: str) -> None:
    assert default_provider(Package.of("fake", version, url), {}, ()).name == name


@pytest.mark.parametrize("version", ["1.2", "v1.2.3", "01.2.3", "1.2.3-", "latest"])
def test_a_version_that_is_none_is_refused(
    engine: Engine, stack: StackRef, world: World, version: str
) -> None:
    with pytest.raises(UpdateFailed, match=f"'{version}' is no version of package 'fake'"):
        engine.up(stack, lambda: Thing("a", Options(version=version)))

    assert world.resources == {}


def test_an_explicit_provider_records_its_version(
    engine: Engine, stack: StackRef, root: Path, world: World
) -> None:
    url = "https://example.com/"
    engine.up(stack, lambda: FakeCloud("cloud", Options(version="1.2.3", plugin_download_url=url), zone="z"))

    state = states.named(root, stack, "cloud")
    assert state["inputs"] == {
        "zone": "z",
        "version": "1.2.3",
        "__internal": {"pluginDownloadURL": "https://example.com"},
    }
    assert state["outputs"] == {"zone": "z", "version": "1.2.3"}
    assert world.configs == [{"zone": "z"}]


def test_a_package_that_was_registered_is_used_by_its_reference(
    engine: Engine, stack: StackRef, root: Path
) -> None:
    async def package() -> str:
        request = resource_pb2.RegisterPackageRequest(name="fake", version="2.0.0")
        return str(get_monitor().RegisterPackage(request).ref)  # type: ignore[union-attr]

    def program() -> None:
        pulumi.CustomResource("fake:index:Thing", "a", {}, package_ref=package())

    engine.up(stack, program)

    assert states.named(root, stack, "a")["provider"].split("::")[-2] == "default_2_0_0"


def test_a_child_has_the_provider_of_its_parent_of_the_same_package(
    world: World, root: Path, stack: StackRef
) -> None:
    def program() -> None:
        parent = Thing("parent", Options(provider=FakeCloud("cloud")))
        Thing("child", Options(parent=parent))
        pulumi.CustomResource("other:index:Thing", "stranger", {}, Options(parent=parent))

    Engine(FileBackend(root), {"fake": world.provider, "other": world.provider}).up(stack, program)

    cloud = states.named(root, stack, "cloud")["urn"]
    assert states.named(root, stack, "child")["provider"].startswith(cloud)
    assert states.named(root, stack, "stranger")["provider"].split("::")[-2] == "default"


def test_providers_of_a_component_reach_its_grandchildren(
    engine: Engine, stack: StackRef, root: Path
) -> None:
    def program() -> None:
        outer = Group("outer", Options(providers=[FakeCloud("cloud")]))
        inner = Group("inner", Options(parent=outer))
        Thing("a", Options(parent=inner))

    engine.up(stack, program)

    assert "::cloud::" in states.named(root, stack, "a")["provider"]


def test_options_of_a_parent_are_inherited_unless_the_child_says_otherwise(
    engine: Engine, stack: StackRef, root: Path
) -> None:
    def program() -> None:
        base = Thing("base")
        group = Group("g", Options(protect=True, retain_on_delete=True, deleted_with=base))
        Thing("heir", Options(parent=group))
        Thing("rebel", Options(parent=group, protect=False, retain_on_delete=False))

    engine.up(stack, program)

    base, heir = states.named(root, stack, "base"), states.named(root, stack, "heir")
    assert (heir["protect"], heir["retainOnDelete"], heir["deletedWith"]) == (True, True, base["urn"])
    rebel = states.named(root, stack, "rebel")
    assert ("protect" in rebel, "retainOnDelete" in rebel) == (False, False)


@pytest.mark.parametrize("preview", [True, False], ids=["preview", "update"])
def test_a_replaced_provider_replaces_its_resources(
    engine: Engine, stack: StackRef, world: World, preview: bool
) -> None:
    def program(region: str) -> Any:
        def run() -> None:
            cloud = FakeCloud("cloud", region=region)
            base = Thing("base", Options(provider=cloud))
            Thing("leaf", Options(provider=cloud), of=base.id)

        return run

    engine.up(stack, program("north"))

    act = engine.preview if preview else engine.up
    assert act(stack, program("south")).changes == {"same": 1, "replace": 3}
    assert len(world.resources) == 2


def test_a_preview_supposes_an_update_where_the_provider_s_configuration_becomes_unknown(
    engine: Engine, stack: StackRef, world: World
) -> None:
    def program(*, known: bool) -> Any:
        def run() -> None:
            zone = "z" if known else Thing("zone", computed=True).answer
            Thing("a", Options(provider=FakeCloud("cloud", zone=zone)), size=1)

        return run

    engine.up(stack, program(known=True))
    world.calls.clear()

    assert engine.preview(stack, program(known=False)).changes == {"same": 1, "create": 1, "update": 2}
    assert world.names("diff") == []


@pytest.mark.parametrize("barred", ['["fake"]', '["other", "*"]'])
def test_default_providers_can_be_disabled(
    engine: Engine, stack: StackRef, world: World, barred: str
) -> None:
    config = {"pulumi:disable-default-providers": barred}

    with pytest.raises(
        UpdateFailed, match=r"Default provider for 'fake' disabled\. 'fake:index:Thing' must use"
    ):
        engine.up(stack, lambda: Thing("a"), config=config)

    engine.up(stack, lambda: Thing("a", Options(provider=FakeCloud("cloud"))), config=config)
    assert world.names("create") == ["a"]


def test_disabled_default_providers_are_a_list(engine: Engine, stack: StackRef) -> None:
    with pytest.raises(UpdateFailed, match="expected a JSON list of package names"):
        engine.up(stack, lambda: Thing("a"), config={"pulumi:disable-default-providers": "fake"})


def test_the_built_in_provider_cannot_be_disabled(engine: Engine, stack: StackRef) -> None:
    config = {"pulumi:disable-default-providers": '["*"]'}

    assert engine.up(stack, lambda: pulumi.Stash("s", input=1), config=config).changes == {"create": 2}


def test_a_changed_configuration_holds_after_a_refresh_that_used_the_recorded_one(
    engine: Engine, stack: StackRef, world: World
) -> None:
    def program(zone: str) -> Callable[[], object]:
        return lambda: Thing("a", Options(provider=FakeCloud("cloud", zone=zone)), value=zone)

    engine.up(stack, program("one"))
    world.configs.clear()

    engine.up(stack, program("two"), options=EngineOptions(refresh=True))

    assert world.configs == [{"zone": "one"}, {"zone": "two"}]
