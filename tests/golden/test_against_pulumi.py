"""The engine and Pulumi's own on the same stack, turn and turn about: edits that no golden file holds."""

import json
import shutil
import subprocess
import sys

import pytest

from engine.kubernetes import KubernetesProviders
from tests.golden.compare import Json, told
from tests.golden.conftest import Cluster, MakeSite
from tests.golden.edits import MORE_EDITS
from tests.golden.program import golden, program
from tests.golden.site import STACK, Site

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        shutil.which("pulumi") is None,
        reason="Pulumi's CLI is not on the PATH (nor is its Kubernetes plugin)",
    ),
]

ROUNDS = [
    {part: list(edits)[turn] for part, edits in MORE_EDITS.items() if turn < len(edits)}
    for turn in range(max(map(len, MORE_EDITS.values())))
]
"""Each edit in one of the rounds, as many parts as possible in one."""


@pytest.fixture(scope="module", params=["real_cluster"])
def cluster(request: pytest.FixtureRequest, shared_providers: KubernetesProviders) -> Cluster:
    """The real API server only: Pulumi's provider asks for more than the local one has."""
    found: Cluster = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="module")
def site(cluster: Cluster, make_site: MakeSite) -> Site:
    """A stack that the engine made, without Pulumi."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", cluster.kubeconfig)
        site = make_site()
        assert ours(site, "up", {})["changes"] == {"create": 28}
    return site


@pytest.fixture(autouse=True)
def kubeconfig(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", cluster.kubeconfig)


def ours(site: Site, verb: str, edits: dict[str, str]) -> Json:
    """Return what the engine does, in the words of the golden files."""
    result = getattr(site.engine, verb)(STACK, program(edits, namespace=site.namespace))
    return {"changes": result.changes, "steps": golden(told(result.steps), site.namespace)}


def theirs(site: Site, verb: str, edits: dict[str, str]) -> Json:
    """Return what Pulumi does."""
    arguments = [verb, str(site.root), site.namespace, json.dumps(edits)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.golden.pulumi_side", *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: Json = json.loads(done.stdout.splitlines()[-1])
    return found


def by_part(row: Json) -> dict[str, list[Json]]:
    """Return the steps of a row by the part that they are about."""
    found: dict[str, list[Json]] = {}
    for step in row["steps"]:
        found.setdefault(step["name"], []).append(step)
    return found


@pytest.mark.parametrize("edits", ROUNDS, ids=[f"round {number}" for number in range(len(ROUNDS))])
def test_both_foretell_the_same_of_an_edit(edits: dict[str, str], site: Site) -> None:
    mine = by_part(ours(site, "preview", edits))
    left = dict(edits)
    while True:  # Pulumi's preview stops at the first edit that the API server refuses on trial
        row = theirs(site, "preview", left)
        if not row["failed"]:
            break
        assert set(row["failed"]) <= left.keys(), row["failed"]
        for part in row["failed"]:
            del left[part]

    assert {part: mine.get(part) for part in left} == {part: by_part(row).get(part) for part in left}
    assert len(left) >= len(edits) - 3


def test_each_goes_on_where_the_other_stopped(site: Site) -> None:
    edits = {part: edit for part, edit in ROUNDS[0].items() if part not in ("quota", "configmap-autonamed")}
    nothing = {"same": 28}

    assert theirs(site, "preview", {})["changes"] == nothing
    updated = theirs(site, "up", edits)
    assert not updated["failed"]
    assert ours(site, "preview", edits)["changes"] == nothing
    assert ours(site, "up", edits)["changes"] == nothing
    ours(site, "up", {})
    assert theirs(site, "preview", {})["changes"] == nothing
    assert theirs(site, "up", {})["changes"] == nothing
    assert ours(site, "up", {})["changes"] == nothing
    site.sound()


def test_a_refresh_by_pulumi_finds_nothing_to_correct_in_the_engines_state(site: Site) -> None:
    ours(site, "up", {})

    assert theirs(site, "refresh", {})["changes"].keys() == {"same"}
    assert ours(site, "up", {})["changes"] == {"same": 28}
