"""Refresh and recovery go on from Pulumi's own states as Pulumi does."""

import pytest

from engine.kubernetes.diff import equal
from engine.kubernetes.normal import normal
from engine.values import unwrap

from .tinyserver import Answer, status


def words(diff):
    return {path: item.kind.value + " input" * item.input_diff for path, item in diff.detailed.items()}


def compared(provider, resource, news):
    urn = resource["urn"]
    check = provider.check(urn=urn, olds=resource["inputs"], news=news, random_seed=b"\0" * 32)
    return provider.diff(
        urn=urn,
        id=resource["id"],
        old_inputs=resource["inputs"],
        old_outputs=resource["outputs"],
        news=check.inputs,
    )


def test_after_a_refresh_drift_is_what_differs(provider, golden):
    """The label was changed and another one added by hand; the role was deleted and is not in the state."""
    state = golden.state("refreshed")
    diffs = {part: compared(provider, resource, golden.inputs(part)) for part, resource in state.items()}

    assert "role" not in state
    assert {part: words(diff) for part, diff in diffs.items() if diff.changes} == {
        "configmap": {"metadata.labels.parser-id": "update"}
    }


def test_a_refresh_finds_the_inputs_that_pulumis_refresh_finds(provider, server, golden):
    """Every object is served as Pulumi's refresh saw it; quantities may be spelt in their own ways."""
    refreshed = golden.state("refreshed")
    for part, resource in golden.resources.items():
        after = refreshed.get(part)
        outputs = (after or resource)["outputs"]
        live = {key: value for key, value in outputs.items() if not key.startswith("__")}
        group_version = resource["type"].split(":")[1]
        kind = {"name": "things", "kind": live["kind"], "namespaced": True}
        known = status(404, "NotFound", "gone") if after is None else Answer(200, unwrap(live))
        server.handler = lambda request, known=known, kind=kind, group_version=group_version: (
            Answer(200, {"resources": [kind]}) if request.path == f"/apis/{group_version}" else known
        )
        found = provider.read(
            urn=resource["urn"], id=resource["id"], inputs=resource["inputs"], outputs=resource["outputs"]
        )

        assert found.id == (after["id"] if after else None), part
        if after:
            assert equal(normal(unwrap(found.inputs)), normal(unwrap(after["inputs"]))), part
            assert found.outputs["__fieldManager"] == after["outputs"]["__fieldManager"], part
            assert unwrap(found.outputs["metadata"]) == unwrap(after["outputs"]["metadata"]), part


def test_after_a_deployment_that_did_not_get_ready_the_program_as_before_is_an_update(provider, golden):
    resource = golden.state("not-ready")["deployment"]

    assert words(compared(provider, resource, golden.inputs("deployment"))) == {
        'metadata.annotations["pulumi.com/skipAwait"]': "add",
        'metadata.annotations["pulumi.com/timeoutSeconds"]': "delete input",
        "spec.template.spec.containers[0].image": "update",
    }


@pytest.mark.parametrize("part", ["secret", "secret-marked"])
def test_refreshed_secrets_stay_secret(provider, server, golden, part):
    resource = golden.resources[part]
    live = {key: unwrap(value) for key, value in resource["outputs"].items() if not key.startswith("__")}
    server.handler = lambda request: Answer(200, live)
    found = provider.read(
        urn=resource["urn"], id=resource["id"], inputs=resource["inputs"], outputs=resource["outputs"]
    )

    assert found.inputs == resource["inputs"]
    assert found.outputs == resource["outputs"]
