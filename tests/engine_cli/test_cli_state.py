"""The state commands edit what is recorded of single resources; no resource is touched, no secret opened."""

import json
from typing import Any

import pytest

from engine import FileBackend, StackRef
from engine.locks import held
from tests.engine_cli.conftest import PROGRAM, Shop

PREFIX = "urn:pulumi:dev::shop::fake:index:"
FIRST, SECOND = f"{PREFIX}Group$fake:index:Thing::first", f"{PREFIX}Thing::second"
GROUP = f"{PREFIX}Group::group"
PROTECTED = PROGRAM.replace("parent=group)", "parent=group, protect=True)")


def recorded(shop: Shop) -> dict[str, dict[str, Any]]:
    return {raw["urn"]: raw for raw in json.loads(shop.ok("export"))["deployment"]["resources"]}


@pytest.fixture
def protected(dev: Shop) -> Shop:
    """The stack `dev`, with `first` protected by the program."""
    dev.write("__main__.py", PROTECTED)
    dev.ok("up", "--yes", "--skip-preview")
    return dev


def test_a_refused_deletion_names_the_command_that_allows_it(protected: Shop) -> None:
    refused = protected.run("destroy", "--yes")

    assert "use `state unprotect`" in refused.out + refused.err
    assert protected.ok("state", "unprotect", FIRST) == "1 resources unprotected\n"
    assert "protect" not in recorded(protected)[FIRST]
    protected.ok("destroy", "--yes")
    assert protected.world.resources == {}


def test_all_resources_are_protected_and_unprotected(deployed: Shop) -> None:
    assert deployed.ok("state", "protect", "--all", "--yes") == "All resources protected\n"
    assert all(raw["protect"] for raw in recorded(deployed).values())
    assert deployed.ok("state", "unprotect", "--all") == "All resources unprotected\n"
    assert not any("protect" in raw for raw in recorded(deployed).values())


def test_what_is_removed_from_the_state_goes_on_existing(deployed: Shop) -> None:
    assert deployed.ok("state", "delete", SECOND) == "Resource deleted\n"

    assert SECOND not in recorded(deployed)
    assert deployed.world.named("second")["forced"] == "a"
    deployed.ok("destroy", "--yes")
    assert [found["name"] for found in deployed.world.resources.values()] == ["second"]


def test_what_others_need_is_not_removed_without_them(deployed: Shop) -> None:
    refused = deployed.run("state", "remove", GROUP)

    assert refused.code == 1
    assert refused.err == (
        f"error: {GROUP} can't be safely deleted because the following resources depend on it:\n"
        f" * {FIRST}\n * {SECOND}\nDelete those resources first or pass --target-dependents\n"
    )
    assert deployed.ok("state", "rm", GROUP, "--target-dependents") == "3 resources deleted\n"
    assert recorded(deployed).keys().isdisjoint({GROUP, FIRST, SECOND})


def test_what_is_protected_is_removed_by_force_only(protected: Shop) -> None:
    refused = protected.run("state", "remove", "--all")

    assert refused.err == (
        f"error: {FIRST} can't be safely deleted because it is protected. Re-run this command with --force "
        "to force deletion\n"
    )
    protected.ok("state", "remove", "--all", "--force")
    assert recorded(protected) == {}


def test_a_mistyped_urn_is_refused_with_those_it_resembles(deployed: Shop) -> None:
    before = deployed.ok("export")

    for command in ("protect", "unprotect", "remove"):
        refused = deployed.run("state", command, SECOND, f"{SECOND}s")
        assert refused.code == 1
        assert (
            f"No such resource '{SECOND}s' exists in the current state\nDid you mean:\n  {SECOND}"
            in refused.err
        )
    assert deployed.ok("export") == before


@pytest.mark.parametrize("command", ["protect", "unprotect", "remove"])
def test_a_resource_has_to_be_named(deployed: Shop, command: str) -> None:
    refused = deployed.run("state", command)

    assert refused.code == 2
    assert "give URNs, which `stack --show-urns` lists, or --all" in refused.err


def test_a_state_that_somebody_works_on_is_not_edited(deployed: Shop) -> None:
    backend = FileBackend(deployed.env["PULUMI_BACKEND_URL"])

    with held(backend, StackRef("shop", "dev")):
        refused = deployed.run("state", "protect", SECOND)

    assert refused.code == 1
    assert "currently locked" in refused.err


def test_no_passphrase_is_needed(deployed: Shop) -> None:
    env = {key: value for key, value in deployed.env.items() if key != "PULUMI_CONFIG_PASSPHRASE"}
    deployed.env.clear()
    deployed.env.update(env)

    deployed.ok("state", "protect", SECOND)
    assert recorded(deployed)[SECOND]["protect"] is True
