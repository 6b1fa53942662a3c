"""Check and diff agree with Pulumi's own provider on every edit of the golden program."""

import json
from pathlib import Path

import pytest

from engine.kubernetes import KubernetesProvider, KubernetesProviders
from engine.provider import CheckResult, DiffResult
from engine.values import Secret, unwrap

PROGRAM = json.loads((Path(__file__).parent / "golden" / "program.json").read_text())


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """A provider without any cluster: neither check nor diff may need one."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    provider = KubernetesProviders()()
    provider.configure({"version": "4.34.2"})
    return provider


def checked_and_compared(
    provider: KubernetesProvider, golden, part: str, edit: str | None
) -> tuple[CheckResult, DiffResult]:
    resource = golden.resources[part]
    urn = resource["urn"]
    check = provider.check(
        urn=urn, olds=resource["inputs"], news=golden.inputs(part, edit), random_seed=b"\0" * 32
    )
    diff = provider.diff(
        urn=urn,
        id=resource["id"],
        old_inputs=resource["inputs"],
        old_outputs=resource["outputs"],
        news=check.inputs,
    )
    return check, diff


@pytest.mark.parametrize("edit", sorted(PROGRAM["edits"]))
def test_an_edit_is_judged_as_pulumi_judges_it(edit, offline, golden):
    check, diff = checked_and_compared(offline, golden, *edit.split("/"))
    expected = PROGRAM["edits"][edit]["expected"]

    assert check.failures == ()
    assert {
        path: item.kind.value + " input" * item.input_diff for path, item in diff.detailed.items()
    } == expected["detailed"]
    assert list(diff.replaces) == expected["keys"]
    assert bool(diff.changes) == bool(expected["ops"])
    assert diff.delete_before_replace == (expected["ops"][:1] == ["delete-replaced"])


@pytest.mark.parametrize("part", sorted(PROGRAM["parts"]))
def test_the_unchanged_program_changes_nothing(part, offline, golden):
    _, diff = checked_and_compared(offline, golden, part, None)

    assert (diff.changes, diff.replaces, dict(diff.detailed)) == (False, (), {})


@pytest.mark.parametrize(
    "part",
    [
        part
        for part in sorted(PROGRAM["parts"])
        if part not in ("cronjob", "deployment", "job", "limitrange", "quota")
    ],
)
def test_checked_inputs_are_those_in_pulumis_state(part, offline, golden):
    """The five left out hold quantities and zeros in words that Pulumi rewrites; diff allows for that."""
    check, _ = checked_and_compared(offline, golden, part, None)

    assert check.inputs == golden.resources[part]["inputs"]


def test_the_data_of_secrets_is_secret_as_a_whole(offline, golden):
    check, _ = checked_and_compared(offline, golden, "secret", None)

    assert check.inputs["data"] == Secret({"password": "aHVudGVyMg=="})
    assert "stringData" not in check.inputs


def test_replaced_objects_get_a_fresh_made_up_name(offline, golden):
    resource = golden.resources["configmap-autonamed"]
    names = {
        offline.check(
            urn=resource["urn"],
            olds={},
            news=golden.inputs("configmap-autonamed"),
            random_seed=bytes([seed]) * 32,
        ).inputs["metadata"]["name"]
        for seed in range(3)
    }

    assert len(names) == 3
    assert all(name.startswith("configmap-autonamed-") and len(name) == 28 for name in names)
    assert unwrap(resource["inputs"])["metadata"]["name"] not in names
