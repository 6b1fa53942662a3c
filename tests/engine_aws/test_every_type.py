"""What holds for every resource type, through the engine and its state."""

from typing import Any

import pulumi
import pytest

from engine.aws.types import TYPES
from tests.engine_aws.catalogue import CASES, Case
from tests.engine_aws.cloud import STACK, Cloud, Resource

every_type = pytest.mark.parametrize(
    "case", [pytest.param(case, id=case.type.split(":")[-1]) for case in CASES]
)
editable = pytest.mark.parametrize(
    "case", [pytest.param(case, id=case.type.split(":")[-1]) for case in CASES if case.edited]
)
replaceable = pytest.mark.parametrize(
    "case", [pytest.param(case, id=case.type.split(":")[-1]) for case in CASES if case.replaced]
)
drifting = pytest.mark.parametrize(
    "case", [pytest.param(case, id=case.type.split(":")[-1]) for case in CASES if case.drift]
)


def outputs(cloud: Cloud) -> dict[str, Any]:
    """The outputs of the case's resource as its provider left them, and its id."""
    state = cloud.state("it")
    return {**state["outputs"], "id": state["id"]}


def test_every_type_is_exercised() -> None:
    older = {token for token in TYPES if token.endswith(("V2", ":BucketObject"))}

    assert TYPES.keys() - older == {case.type for case in CASES}


@every_type
def test_a_resource_is_made_as_previewed_and_then_neither_update_nor_refresh_finds_anything_to_do(
    case: Case, cloud: Cloud
) -> None:
    preview = cloud.preview(case.program())
    assert cloud.requests == []

    first = cloud.up(case.program())
    created = cloud.state("it")
    assert first.changes == preview.changes
    assert first.changes["create"] >= 2

    second = cloud.up(case.program())
    assert second.changes == {"same": first.changes["create"]}
    assert cloud.requests == []

    cloud.refresh()
    assert cloud.writes == []
    assert cloud.state("it")["inputs"] == created["inputs"]
    assert cloud.state("it")["outputs"] == created["outputs"]


@editable
def test_a_change_is_made_in_place_and_stays(case: Case, cloud: Cloud) -> None:
    cloud.up(case.program())
    before = cloud.state("it")

    changed = cloud.up(case.program(**case.edited))

    assert changed.changes.get("update") == 1, changed.changes
    assert "replace" not in changed.changes
    assert cloud.state("it")["id"] == before["id"]
    cloud.refresh()
    assert "update" not in cloud.up(case.program(**case.edited)).changes
    assert cloud.writes == []


@replaceable
def test_a_change_that_cannot_be_made_in_place_replaces_the_resource(case: Case, cloud: Cloud) -> None:
    cloud.up(case.program())
    before = cloud.state("it")

    preview = cloud.preview(case.program(**case.replaced))
    changed = cloud.up(case.program(**case.replaced))

    assert changed.changes.get("replace") == 1, changed.changes
    assert preview.changes == changed.changes
    assert cloud.state("it")["id"] != before["id"] or case.type.endswith("Repository")
    assert "replace" not in cloud.up(case.program(**case.replaced)).changes


@drifting
def test_what_others_changed_is_recorded_by_a_refresh_and_set_right_by_the_next_update(
    case: Case, cloud: Cloud
) -> None:
    cloud.up(case.program())
    before = outputs(cloud)
    case.drift(cloud, before)

    cloud.refresh()

    assert outputs(cloud) != before
    repaired = cloud.up(case.program())
    assert repaired.changes.get("update") == 1, repaired.changes
    cloud.refresh()
    assert cloud.up(case.program()).changes.keys() == {"same"}


@every_type
def test_a_destroyed_resource_is_gone_and_one_that_others_deleted_is_no_error(
    case: Case, cloud: Cloud
) -> None:
    cloud.up(case.program())
    state = cloud.state("it")
    provider = configured(cloud)
    known = {"old_inputs": state["inputs"], "old_outputs": state["outputs"]}

    provider.delete(urn=state["urn"], id=state["id"], **known)
    provider.delete(urn=state["urn"], id=state["id"], **known)

    assert cloud.destroy().changes["delete"] >= 2
    assert cloud.engine.resources(STACK) == []


@every_type
def test_an_import_reads_inputs_that_change_nothing_but_what_the_service_does_not_report(
    case: Case, cloud: Cloud
) -> None:
    cloud.up(case.program())
    state = cloud.state("it")

    found = configured(cloud).read(urn=state["urn"], id=state["id"], inputs={}, outputs={})

    expected = {name: value for name, value in state["inputs"].items() if name not in case.absent}
    checked = configured(cloud).check(
        urn=state["urn"], olds={}, news={**found.inputs, **case.absent}, random_seed=bytes(32)
    )
    assert not checked.failures
    assert found.id == state["id"]
    diff = configured(cloud).diff(
        urn=state["urn"],
        id=state["id"],
        old_inputs=found.inputs,
        old_outputs=found.outputs,
        news=checked.inputs,
    )
    assert set(diff.diffs) == case.absent.keys()
    assert not diff.replaces
    assert expected.keys() - {"__defaults"} <= checked.inputs.keys()


def configured(cloud: Cloud) -> Any:
    """A provider as the engine configures it for the stack."""
    provider = cloud.providers()
    provider.configure({key.removeprefix("aws:"): value for key, value in cloud.config.items()})
    return provider


def test_outputs_reach_the_program(cloud: Cloud) -> None:
    def program() -> None:
        source = Resource("aws:s3/bucket:Bucket", "source", {})
        pulumi.export("arn", source["arn"])
        pulumi.export("id", source.id)

    result = cloud.up(program)

    name = result.outputs["id"]
    assert name.startswith("source-")
    assert len(name) == len("source-") + 7
    assert result.outputs["arn"] == f"arn:aws:s3:::{name}"
