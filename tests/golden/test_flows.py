"""The engine goes on from every state that Pulumi recorded, and does in every flow what it did, or better."""

import json
import os
import signal
import subprocess
import sys
import time
from typing import Any

import pytest

from engine import ConcurrentUpdateError, UpdateFailed
from engine.kubernetes.rest import NotFound
from tests.golden.compare import Json, comparable, differences, told
from tests.golden.conftest import MakeSite
from tests.golden.edits import awaited
from tests.golden.program import golden, program
from tests.golden.site import FLOWS, STACK, Site, recorded

SAME: Json = {"changes": {"same": 28}, "steps": []}
NEW_IMAGE = "registry.local/nothing:2"


@pytest.fixture
def site(make_site: MakeSite) -> Site:
    return make_site()


def expected(flow: Json, site: Site) -> Json:
    """Return a recorded flow for as many parts as the cluster has."""
    changes = dict(flow["changes"])
    biggest = max(changes, key=lambda op: changes[op])
    changes[biggest] -= site.missing
    return {"changes": changes, "steps": sorted(flow.get("steps", []), key=lambda step: step["name"])}


def done(result: Any, site: Site) -> Json:
    """Return what an operation did in the words of the golden files, steps by name."""
    steps = golden(told(result.steps), site.namespace)
    return {"changes": result.changes, "steps": sorted(steps, key=lambda step: step["name"])}


def plain(site: Site) -> Any:
    """Return the program without any edit."""
    return program(only=site.only, namespace=site.namespace)


def waiting(site: Site, image: str, seconds: int) -> Any:
    """Return the program with a deployment that is waited for and has no chance: there is no such image."""
    change = {"deployment": awaited(image, seconds)}
    return program(only=site.only, namespace=site.namespace, change=change)


@pytest.mark.parametrize(
    ("state", "flow"),
    [
        pytest.param("created", SAME, id="after the first update"),
        pytest.param("refreshed-after-drift", FLOWS["up-after-refresh"], id="after a refresh"),
        pytest.param("healed", SAME, id="after the drift was taken back"),
        pytest.param("not-ready", FLOWS["up-after-not-ready"], id="after a deployment did not get ready"),
        pytest.param("recovered", SAME, id="after a killed run was carried on"),
    ],
)
def test_a_state_that_pulumi_wrote_is_taken_over(state: str, flow: Json, site: Site) -> None:
    site.install(state)

    preview = site.engine.preview(STACK, plain(site))
    update = site.engine.up(STACK, plain(site))

    assert done(preview, site) == done(update, site) == expected(flow, site)
    assert site.engine.up(STACK, plain(site)).changes == {"same": 28 - site.missing}
    assert update.outputs == {"configmap": "cm", "password": {"password": "aHVudGVyMg=="}}
    assert update.secret_names == {"password"}
    site.sound()


def test_what_a_killed_run_of_pulumi_left_behind_is_found_and_put_right(site: Site) -> None:
    """Better than Pulumi, whose next update says that all is the same while the cluster has the new image."""
    site.install("killed")
    path = site.path("apps/v1", "Deployment", "builder")
    [pending] = site.engine.export(STACK)["deployment"]["pending_operations"]
    [deployment] = [item for item in recorded("killed") if _part(item) == "deployment"]
    manager = deployment["outputs"]["__fieldManager"]
    site.client.patch(path, pending["resource"]["inputs"], "apply", fieldManager=manager)

    assert FLOWS["up-after-cancel"] == SAME
    update = site.engine.up(STACK, plain(site))

    [step] = done(update, site)["steps"]
    assert (step["name"], step["op"]) == ("deployment", "update")
    assert step["detailed"] == {
        "metadata.annotations": "add",
        "spec.template.spec.containers[0].image": "update",
    }
    [user] = site.client.get(path)["spec"]["template"]["spec"]["containers"]
    assert user["image"] == deployment["inputs"]["spec"]["template"]["spec"]["containers"][0]["image"]
    assert site.engine.up(STACK, plain(site)).changes == {"same": 28 - site.missing}


def test_drift_is_seen_after_a_refresh_only_and_then_taken_back(site: Site) -> None:
    site.install("created")
    labels = {"metadata": {"labels": {"drift": "yes", "parser-id": "drifted"}}}
    site.client.patch(site.path("v1", "ConfigMap", "cm"), labels, "merge", fieldManager="kubectl-label")
    site.delete(site.path("rbac.authorization.k8s.io/v1", "Role", "fn"))

    unseen = site.engine.up(STACK, plain(site))
    refresh = site.engine.refresh(STACK)
    seen = {item["urn"]: item for part in _names(site) for item in site.entries(part)}
    update = site.engine.up(STACK, plain(site))

    assert done(unseen, site) == expected(FLOWS["up-after-drift-without-refresh"], site)
    assert done(refresh, site) == expected(FLOWS["refresh-after-drift"], site)
    theirs = {item["urn"]: item for item in recorded("refreshed-after-drift") if _part(item) in _names(site)}
    assert seen.keys() == theirs.keys()
    for urn, item in seen.items():
        assert differences(_own(item), _own(theirs[urn])) == []
    assert done(update, site) == expected(FLOWS["up-after-refresh"], site)
    [healed] = [item for item in recorded("healed") if _part(item) == "configmap"]
    labels = site.live("v1", "ConfigMap", "cm")["metadata"]["labels"]
    assert labels == healed["outputs"]["metadata"]["labels"]


def test_what_kubectl_scaled_is_noticed_by_a_refresh_and_then_a_conflict_that_says_so(site: Site) -> None:
    if site.only:
        pytest.skip("the local API server does not record scaling as an ownership of its own")
    site.install("created")
    path = site.path("apps/v1", "Deployment", "builder")
    site.client.patch(f"{path}/scale", {"spec": {"replicas": 3}}, "merge", fieldManager="kubectl")
    assert done(site.engine.up(STACK, plain(site)), site) == expected(FLOWS["scaled-by-kubectl-up"], site)
    site.engine.refresh(STACK)
    preview = site.engine.preview(STACK, plain(site))

    with pytest.raises(
        UpdateFailed, match=r'\.spec\.replicas \(conflict with "kubectl" with subresource "scale"'
    ):
        site.engine.up(STACK, plain(site))

    theirs = FLOWS["scaled-by-kubectl-refresh-up"]
    assert 'conflict with "kubectl" with subresource "scale"' in theirs["failed"][0]
    assert done(preview, site)["steps"] == theirs["steps"]
    assert site.client.get(path)["spec"]["replicas"] == 3


def test_a_field_that_a_controller_took_is_a_conflict_that_says_whose_it_is(site: Site) -> None:
    site.install("created")
    path = site.path("apps/v1", "Deployment", "builder")
    theirs = {"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"replicas": 3}}
    site.client.patch(path, theirs, "apply", fieldManager="their-autoscaler", force="true")
    site.engine.refresh(STACK)

    with pytest.raises(UpdateFailed, match=r"their-autoscaler"):
        site.engine.up(STACK, plain(site))

    assert site.client.get(path)["spec"]["replicas"] == 3
    site.sound()


def test_a_deleted_deployment_is_created_again_after_a_refresh(site: Site) -> None:
    site.install("created")
    site.delete(site.path("apps/v1", "Deployment", "builder"))

    site.engine.refresh(STACK)
    update = site.engine.up(STACK, plain(site))

    assert done(update, site) == expected(FLOWS["deployment-deleted-refresh-up"], site)


def test_a_deployment_that_does_not_get_ready_is_recorded_as_pulumi_records_it(site: Site) -> None:
    site.install("created")

    with pytest.raises(UpdateFailed, match="not ready after 2 s"):
        site.engine.up(STACK, waiting(site, "registry.local/nothing:1", seconds=2))
    [entry] = site.entries("deployment")
    update = site.engine.up(STACK, plain(site))

    [theirs] = FLOWS["not-ready"]["state"]
    assert entry["initErrors"]
    assert differences(_unready(entry), _unready(theirs)) == []
    assert done(update, site) == expected(FLOWS["up-after-not-ready"], site)
    [healed] = site.entries("deployment")
    assert "initErrors" not in healed


def test_a_run_that_is_killed_while_it_waits_leaves_its_lock_and_is_carried_on(site: Site) -> None:
    site.install("created")
    path = site.path("apps/v1", "Deployment", "builder")
    arguments = [str(site.root), site.namespace, *site.only]
    process = subprocess.Popen([sys.executable, "-m", "tests.golden.waiting", *arguments])
    try:
        _until(lambda: NEW_IMAGE in json.dumps(site.client.get(path)["spec"]), process)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()

    with pytest.raises(ConcurrentUpdateError, match=rf"\(pid {process.pid}\)"):
        site.engine.up(STACK, plain(site))
    assert site.engine.cancel(STACK) == 1
    [pending] = site.engine.export(STACK)["deployment"]["pending_operations"]
    update = site.engine.up(STACK, plain(site))

    assert (pending["type"], _part(pending["resource"])) == ("updating", "deployment")
    assert [step["op"] for step in done(update, site)["steps"]] == ["update"]
    assert NEW_IMAGE not in json.dumps(site.client.get(path)["spec"])
    assert site.engine.up(STACK, plain(site)).changes == {"same": 28 - site.missing}
    assert "pending_operations" not in site.engine.export(STACK)["deployment"]


def test_all_is_created_and_destroyed_in_an_order_that_the_dependencies_allow(site: Site) -> None:
    events: list[Json] = []
    created = site.engine.up(STACK, plain(site), on_event=events.append)
    up = _order(events)
    preview = site.engine.preview(STACK, plain(site))
    events.clear()
    destroyed = site.engine.destroy(STACK, on_event=events.append)

    count = 28 - site.missing
    assert (created.changes, destroyed.changes) == ({"create": count}, {"delete": count})
    assert preview.changes == {"same": count}
    assert _ends(up) == _ends(_recorded_order("up-from-nothing", site))
    assert _ends(_order(events)) == _ends(_recorded_order("destroy", site))
    assert site.engine.resources(STACK) == []
    with pytest.raises(NotFound):
        site.live("v1", "ConfigMap", "cm")


def test_a_destroyed_stack_of_pulumi_is_created_from_nothing(site: Site) -> None:
    site.install("destroyed")

    preview = site.engine.preview(STACK, plain(site))
    update = site.engine.up(STACK, plain(site))

    count = {"create": 28 - site.missing}
    assert FLOWS["preview-from-nothing"]["changes"] == {"create": 28}
    assert preview.changes == update.changes == count


def _part(item: Json) -> str:
    return str(item["urn"]).rsplit("::", 1)[-1]


def _names(site: Site) -> list[str]:
    """Return the parts that the site can have."""
    names = [_part(item) for item in recorded("created")]
    return [name for name in names if not site.only or name in site.only]


def _own(entry: Json) -> Json:
    """Return of an entry what a refresh has to find, whatever the server fills in."""
    kept = comparable(entry)
    metadata = {key: kept["outputs"]["metadata"].get(key) for key in ("name", "namespace", "labels")}
    if kept["type"].endswith("Job") or "knative" in kept["type"]:
        metadata.pop("labels")  # set by controllers, where there are any
    return {"inputs": kept["inputs"], "__inputs": kept["outputs"]["__inputs"], "metadata": metadata}


def _unready(entry: Json) -> Json:
    """Return of an entry what the engine decides on after a partial failure: old inputs, new `__inputs`."""
    kept = comparable(entry)
    sent = kept["outputs"]["__inputs"]
    sent["metadata"]["annotations"].pop("pulumi.com/timeoutSeconds")
    return {"id": kept["id"], "inputs": kept["inputs"], "__inputs": sent, "managed": kept["managed"]}


def _order(events: list[Json]) -> list[str]:
    """Return the names of the resources in the order in which their steps began."""
    begun = [event["resourcePreEvent"]["metadata"] for event in events if "resourcePreEvent" in event]
    return [_part(item) for item in begun]


def _recorded_order(flow: str, site: Site) -> list[str]:
    names = [name for _, name in FLOWS[flow]["order"]]
    missing = {_part(item) for item in recorded("created")} - set(_names(site))
    return [name for name in names if name not in missing]


def _ends(names: list[str]) -> tuple[list[str], set[str], list[str]]:
    """Return an order without that of the parts between which there are no dependencies."""
    parts = [index for index, name in enumerate(names) if name in _INDEPENDENT]
    first, last = parts[0], parts[-1]
    return names[:first], set(names[first : last + 1]), names[last + 1 :]


_INDEPENDENT = {_part(item) for item in recorded("created")} - {"namespace"}


def _until(holds: Any, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.05)
