"""The store as controllers in the same process use it."""

import asyncio

import pytest

from local.apiserver.errors import ApiError
from local.apiserver.kinds import CONFIGMAP, JOB, KINDS, KSERVICE, NAMESPACE, POD, TRIGGER
from local.apiserver.store import Store


@pytest.fixture
def store() -> Store:
    return Store()


def _configmap(name: str, **data: str) -> dict:
    return {"metadata": {"name": name, "namespace": "default"}, "data": data}


def _pod(name: str) -> dict:
    spec = {"containers": [{"name": "c", "image": "x:1"}]}
    return {"metadata": {"name": name, "namespace": "default"}, "spec": spec}


def test_what_is_handed_in_is_copied(store: Store):
    body = _configmap("a", k="1")
    store.create(CONFIGMAP, body)

    body["data"]["k"] = "2"

    assert store.get(CONFIGMAP, "default", "a")["data"] == {"k": "1"}
    assert "uid" not in body["metadata"]


def test_an_object_that_was_handed_out_stays_as_it_was(store: Store):
    before = store.create(CONFIGMAP, _configmap("a", k="1"))

    store.patch(CONFIGMAP, "default", "a", {"data": {"k": "2"}}, patch_type="merge")

    assert before["data"] == {"k": "1"}


def test_one_counter_numbers_all_changes(store: Store):
    first = store.create(CONFIGMAP, _configmap("a"))
    second = store.create(POD, _pod("p"))

    _, version = store.list(CONFIGMAP)
    versions = [first["metadata"]["resourceVersion"], second["metadata"]["resourceVersion"]]
    assert int(versions[1]) == int(versions[0]) + 1
    assert version == versions[1]


def test_update_status_replaces_the_status_only_and_equal_ones_cost_no_version(store: Store):
    store.create(POD, _pod("p"))

    updated = store.update_status(POD, "default", "p", {"phase": "Running"})
    again = store.update_status(POD, "default", "p", {"phase": "Running"})

    assert updated["status"] == {"phase": "Running"}
    assert updated["spec"]["containers"][0]["image"] == "x:1"
    assert again["metadata"]["resourceVersion"] == updated["metadata"]["resourceVersion"]


def test_update_status_of_something_gone_is_a_404(store: Store):
    with pytest.raises(ApiError) as caught:
        store.update_status(POD, "default", "p", {})

    assert caught.value.code == 404


def test_update_with_a_stale_version_is_a_409_and_without_one_goes_through(store: Store):
    old = store.create(CONFIGMAP, _configmap("a", k="1"))
    store.update(CONFIGMAP, _configmap("a", k="2"))

    with pytest.raises(ApiError) as caught:
        store.update(CONFIGMAP, {**old, "data": {"k": "3"}})

    assert (caught.value.code, caught.value.reason) == (409, "Conflict")


async def test_a_watch_starts_with_what_is_there_and_goes_on(store: Store):
    store.create(CONFIGMAP, _configmap("a"))
    watch = store.watch(CONFIGMAP, "default", fields="metadata.name!=kube-root-ca.crt")

    store.create(CONFIGMAP, _configmap("b"))
    store.delete(CONFIGMAP, "default", "a")
    seen = [await anext(watch) for _ in range(3)]

    assert [(event.type, event.object["metadata"]["name"]) for event in seen] == [
        ("ADDED", "a"),
        ("ADDED", "b"),
        ("DELETED", "a"),
    ]
    watch.close()


async def test_a_waiting_reader_is_woken_by_a_change_and_by_the_end(store: Store):
    watch = store.watch(CONFIGMAP, since=store.list(CONFIGMAP)[1])
    reader = asyncio.create_task(_names(watch))
    await asyncio.sleep(0)

    store.create(CONFIGMAP, _configmap("a"))
    await asyncio.sleep(0)
    watch.close()

    assert await asyncio.wait_for(reader, 5) == ["a"]


async def _names(watch) -> list[str]:
    return [event.object["metadata"]["name"] async for event in watch]


async def test_a_closed_watch_gets_nothing_more_and_is_forgotten(store: Store):
    watch = store.watch(CONFIGMAP, since=store.list(CONFIGMAP)[1])
    watch.close()
    watch.close()

    store.create(CONFIGMAP, _configmap("a"))

    assert await _names(watch) == []
    assert watch.poll() is None


async def test_a_reader_that_falls_too_far_behind_is_cut_off(store: Store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("local.apiserver.watch.BACKLOG", 2)
    watch = store.watch(CONFIGMAP, since=store.list(CONFIGMAP)[1])

    for name in "abc":
        store.create(CONFIGMAP, _configmap(name))

    assert await _names(watch) == ["a", "b"]
    assert watch.overrun


def test_a_watch_from_a_version_that_is_forgotten_or_never_was_is_a_410(
    store: Store, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("local.apiserver.storage.HISTORY", 3)
    start = store.list(CONFIGMAP)[1]
    for index in range(5):
        store.create(CONFIGMAP, _configmap(f"a{index}"))

    for since in (start, "999999", "nonsense"):
        with pytest.raises(ApiError) as caught:
            store.watch(CONFIGMAP, since=since)
        assert (caught.value.code, caught.value.reason) == (410, "Expired")


def test_every_kind_can_be_created_listed_and_deleted(store: Store):
    for kind in KINDS:
        if kind is NAMESPACE:
            continue
        metadata = {"name": "a", **({"namespace": "default"} if kind.namespaced else {})}
        created = store.create(kind, {"metadata": metadata, **MINIMAL.get(kind.kind, {})})
        assert (created["apiVersion"], created["kind"]) == (kind.api_version, kind.kind)
        assert "a" in [item["metadata"]["name"] for item in store.list(kind)[0]]
        store.delete(kind, metadata.get("namespace"), "a")


_TEMPLATE = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "x:1"}]}}
_ONCE = {"spec": {**_TEMPLATE["spec"], "restartPolicy": "Never"}}
_WORKLOAD = {"spec": {"selector": {"matchLabels": {"a": "b"}}, "template": _TEMPLATE, "serviceName": "s"}}
_SCHEDULED = {"spec": {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": _ONCE}}}}
_REFERENCE = {"roleRef": {"kind": "ClusterRole", "name": "r"}}
_TARGET = {"kind": "Deployment", "name": "d"}
_KNATIVE = {"spec": {"template": {"spec": {"containers": [{"image": "x:1"}]}}}}
MINIMAL = {
    "Pod": {"spec": _TEMPLATE["spec"]},
    "Service": {"spec": {"ports": [{"port": 80}], **_KNATIVE["spec"]}},
    "Event": {"involvedObject": {"kind": "Pod", "name": "p"}},
    "Job": {"spec": {"template": _ONCE}},
    "CronJob": _SCHEDULED,
    "Deployment": _WORKLOAD,
    "ReplicaSet": _WORKLOAD,
    "StatefulSet": _WORKLOAD,
    "DaemonSet": _WORKLOAD,
    "RoleBinding": _REFERENCE,
    "ClusterRoleBinding": _REFERENCE,
    "HorizontalPodAutoscaler": {"spec": {"maxReplicas": 1, "scaleTargetRef": _TARGET}},
    "EndpointSlice": {"addressType": "IPv4", "endpoints": []},
    "LimitRange": {"spec": {"limits": []}},
    "PriorityClass": {"value": 1},
    "StorageClass": {"provisioner": "p"},
    "Configuration": _KNATIVE,
    "Revision": {"spec": _KNATIVE["spec"]["template"]["spec"]},
    "Trigger": {"spec": {"broker": "b", "subscriber": {"uri": "http://example.com"}}},
}
"""What a kind needs beyond its metadata."""


def test_a_knative_service_gets_what_its_webhooks_fill_in(store: Store):
    body = {"metadata": {"name": "fn", "namespace": "default"}, **_KNATIVE}

    created = store.create(KSERVICE, body)

    revision = created["spec"]["template"]["spec"]
    assert created["spec"]["traffic"] == [{"latestRevision": True, "percent": 100}]
    assert (revision["containerConcurrency"], revision["timeoutSeconds"]) == (0, 300)
    assert revision["containers"][0]["name"] == "user-container"
    assert revision["containers"][0]["readinessProbe"] == {"tcpSocket": {"port": 0}, "successThreshold": 1}
    assert created["metadata"]["generation"] == 1


def test_a_knative_service_without_containers_is_refused_as_its_webhook_does(store: Store):
    with pytest.raises(ApiError) as caught:
        store.create(KSERVICE, {"metadata": {"name": "fn", "namespace": "default"}, "spec": {"template": {}}})

    assert caught.value.code == 400
    assert "missing field(s): spec.template.spec.containers" in caught.value.message


def test_containers_of_a_knative_service_are_one_value_to_appliers(store: Store):
    body = {"apiVersion": KSERVICE.api_version, "kind": "Service", "metadata": {"name": "fn"}, **_KNATIVE}
    store.apply(KSERVICE, "default", "fn", body, manager="one")
    other = {**body, "spec": {"template": {"spec": {"containers": [{"image": "y:1"}]}}}}

    with pytest.raises(ApiError) as caught:
        store.apply(KSERVICE, "default", "fn", other, manager="two")

    assert caught.value.details is not None
    assert [cause["field"] for cause in caught.value.details["causes"]] == [".spec.template.spec.containers"]


def test_an_unchanged_apply_of_a_defaulted_custom_resource_keeps_its_version(store: Store):
    body = {"apiVersion": KSERVICE.api_version, "kind": "Service", "metadata": {"name": "fn"}, **_KNATIVE}
    first = store.apply(KSERVICE, "default", "fn", body, manager="one")

    assert store.apply(KSERVICE, "default", "fn", body, manager="one") is first


def test_a_trigger_cannot_change_its_broker(store: Store):
    body = {"metadata": {"name": "t", "namespace": "default"}, **MINIMAL["Trigger"]}
    store.create(TRIGGER, body)

    with pytest.raises(ApiError, match="Immutable fields changed"):
        store.patch(TRIGGER, "default", "t", {"spec": {"broker": "other"}}, patch_type="merge")


def test_a_strategic_patch_of_a_custom_resource_is_a_415(store: Store):
    store.create(KSERVICE, {"metadata": {"name": "fn", "namespace": "default"}, **_KNATIVE})

    with pytest.raises(ApiError) as caught:
        store.patch(KSERVICE, "default", "fn", {"spec": {}}, patch_type="strategic")

    assert caught.value.code == 415


def test_a_deleted_job_takes_its_pods_along_at_once(store: Store):
    job = store.create(JOB, {"metadata": {"name": "j", "namespace": "default"}, "spec": {"template": _ONCE}})
    pod = _pod("p")
    reference = {"apiVersion": "batch/v1", "kind": "Job", "name": "j", "uid": job["metadata"]["uid"]}
    pod["metadata"]["ownerReferences"] = [{**reference, "controller": True, "blockOwnerDeletion": True}]
    store.create(POD, pod)

    store.delete(JOB, "default", "j")

    assert store.list(POD)[0] == []


def test_a_deleted_namespace_is_gone_at_once_with_all_in_it(store: Store):
    store.create(NAMESPACE, {"metadata": {"name": "ns"}})
    store.create(CONFIGMAP, {"metadata": {"name": "a", "namespace": "ns"}})

    store.delete(NAMESPACE, None, "ns")

    assert store.list(CONFIGMAP, "ns")[0] == []
    with pytest.raises(ApiError, match='namespaces "ns" not found'):
        store.get(NAMESPACE, None, "ns")


def test_an_unbound_pod_can_be_bound_once(store: Store):
    pod = store.create(POD, _pod("p"))
    bound = store.update(POD, {**pod, "spec": {**pod["spec"], "nodeName": "here"}})

    with pytest.raises(ApiError, match="pod updates may not change fields"):
        store.update(POD, {**bound, "spec": {**bound["spec"], "nodeName": "there"}})
