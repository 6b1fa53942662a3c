"""Single rules of the diff that the golden edits do not reach."""

import pytest

from engine.kubernetes.diff import compare, path_text
from engine.values import UNKNOWN


def deployment(**spec):
    metadata = {"name": "web", "namespace": "default"}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


def kind(api_version, name, **content):
    return {
        "apiVersion": api_version,
        "kind": name,
        "metadata": {"name": "x", "namespace": "default"},
        **content,
    }


def verdict(old, new, live=None, **options):
    return compare(old_inputs=old, live=live or old, news=new, namespaced=True, **options)


def details(diff):
    return {path: item.kind.value for path, item in diff.detailed.items()}


def test_a_zero_that_go_would_not_write_is_no_change():
    old, new = deployment(paused=True), deployment(paused=True, minReadySeconds=0)

    assert not verdict(old, new).changes


def test_a_zero_that_means_something_is_a_change():
    """Go has a pointer here, so 0 is not the same as nothing."""
    old = kind("batch/v1", "Job", spec={"backoffLimit": 0})
    new = kind("batch/v1", "Job", spec={"backoffLimit": 0, "ttlSecondsAfterFinished": 0})

    assert details(verdict(old, new)) == {"spec.ttlSecondsAfterFinished": "add"}


def test_empty_values_under_the_users_own_keys_count():
    old, new = kind("v1", "ConfigMap", data={}), kind("v1", "ConfigMap", data={"name": ""})

    assert details(verdict(old, new)) == {"data": "add-replace"}


def test_what_the_server_dropped_and_the_program_kept_is_no_change():
    misspelt = deployment(replicas=1, replicaas=2)

    assert not verdict(misspelt, misspelt, live=deployment(replicas=1)).changes


def test_drift_in_the_recorded_object_is_a_change():
    wanted = deployment(replicas=1)

    assert details(verdict(wanted, wanted, live=deployment(replicas=5))) == {"spec.replicas": "update"}


def test_numbers_are_compared_by_value_and_never_with_booleans():
    assert not verdict(deployment(replicas=1), deployment(replicas=1.0)).changes
    assert verdict(deployment(replicas=1), deployment(replicas=True)).changes


def test_a_value_that_only_the_run_will_know_is_a_change():
    diff = verdict(deployment(replicas=1), deployment(replicas=UNKNOWN))

    assert details(diff) == {"spec.replicas": "update"}


def test_an_unknown_name_replaces_without_deleting_first():
    old, new = deployment(replicas=1), deployment(replicas=1)
    new["metadata"] = {**new["metadata"], "name": UNKNOWN}
    diff = verdict(old, new)

    assert (diff.replaces, diff.delete_before_replace) == (("metadata.name",), False)


def test_ignored_paths_and_what_is_below_them_are_left_out():
    old, new = deployment(replicas=1, template={"a": 1}), deployment(replicas=2, template={"a": 2})

    assert details(verdict(old, new, ignored=("spec.template",))) == {"spec.replicas": "update"}


def test_mutable_config_maps_are_updated_in_place_if_the_provider_says_so():
    old, new = kind("v1", "ConfigMap", data={"a": "1"}), kind("v1", "ConfigMap", data={"a": "2"})

    assert verdict(old, new).replaces == ("data.a",)
    assert verdict(old, new, mutable_data=True).replaces == ()


def test_the_namespace_default_is_the_same_written_or_not():
    old, new = deployment(replicas=1), deployment(replicas=1)
    del old["metadata"]["namespace"]

    assert not verdict(old, new).changes


def test_a_job_is_replaced_on_request_even_without_a_difference():
    job = kind("batch/v1", "Job", spec={})
    diff = verdict(job, job, force_replace=True)

    assert diff.changes
    assert diff.replaces
    assert diff.delete_before_replace


@pytest.mark.parametrize(
    ("api_version", "name", "path", "replaced"),
    [
        pytest.param("v1", "Pod", "image", True, id="pod image"),
        pytest.param("v1", "Pod", "tolerations", False, id="pod tolerations"),
        pytest.param("v1", "PersistentVolumeClaim", "accessModes", True, id="claim access"),
        pytest.param("v1", "PersistentVolumeClaim", "resources", False, id="claim size"),
        pytest.param("apps/v1", "StatefulSet", "serviceName", True, id="stateful set service"),
        pytest.param("apps/v1", "DaemonSet", "selector", True, id="daemon set selector"),
        pytest.param("batch/v1", "CronJob", "schedule", False, id="cron job"),
        pytest.param("v1", "Service", "clusterIP", True, id="service address"),
        pytest.param("v1", "PersistentVolume", "hostPath", True, id="volume source"),
        pytest.param("policy/v1beta1", "PodDisruptionBudget", "minAvailable", True, id="old budget"),
        pytest.param("policy/v1", "PodDisruptionBudget", "minAvailable", False, id="budget"),
        pytest.param("example.com/v1", "Deployment", "selector", False, id="another group"),
    ],
)
def test_fields_that_cannot_change_in_place_replace_the_object(api_version, name, path, replaced):
    diff = verdict(kind(api_version, name, spec={path: "a"}), kind(api_version, name, spec={path: "b"}))

    assert bool(diff.replaces) is replaced


@pytest.mark.parametrize(
    ("path", "text"),
    [
        pytest.param(("spec", "containers", 0, "image"), "spec.containers[0].image", id="index"),
        pytest.param(("metadata", "labels", "a.b/c"), 'metadata.labels["a.b/c"]', id="dots"),
        pytest.param(("data", 'say "x"'), 'data["say \\"x\\""]', id="quotes"),
        pytest.param(("data", "parser-id"), "data.parser-id", id="dash"),
    ],
)
def test_paths_are_written_as_pulumi_writes_them(path, text):
    assert path_text(path) == text


@pytest.mark.parametrize(
    ("api_version", "name", "old", "new", "expected"),
    [
        pytest.param("networking.k8s.io/v1", "Ingress", {}, {"rules": []}, {}, id="rules of an Ingress"),
        pytest.param("v1", "Service", {}, {"type": ""}, {}, id="the type of a Service"),
        pytest.param("v1", "Node", {}, {"podCIDR": ""}, {}, id="the range of a Node"),
        pytest.param(
            "v1",
            "PersistentVolume",
            {"capacity": {"storage": "1Gi"}},
            {"capacity": {"storage": "1024Mi"}},
            {},
            id="a quantity in other words",
        ),
        pytest.param(
            "resource.k8s.io/v1",
            "ResourceSlice",
            {"devices": [{"capacity": {"memory": {"value": "1Gi"}}}]},
            {"devices": [{"capacity": {"memory": {"value": "1024Mi"}}}]},
            {},
            id="a quantity inside an object",
        ),
        pytest.param(
            "v1",
            "Pod",
            {"containers": [{"name": "a", "image": "i"}]},
            {"containers": [{"name": "b", "image": "i"}]},
            {"spec.containers[0].name": "update"},
            id="the name of a Pod's container",
        ),
        pytest.param(
            "v1",
            "Pod",
            {"containers": [{"name": "a", "image": "i"}]},
            {"containers": [{"name": "a", "image": "j"}]},
            {"spec.containers[0].image": "update-replace"},
            id="the image of a Pod's container",
        ),
    ],
)
def test_what_pulumis_provider_said_of_further_kinds(api_version, name, old, new, expected):
    """Asked of its version 4.32, with states that it had made itself."""
    diff = verdict(kind(api_version, name, spec=old), kind(api_version, name, spec=new))

    assert details(diff) == expected


def test_a_zero_number_named_value_is_written():
    old, new = (
        kind("scheduling.k8s.io/v1", "PriorityClass", value=0),
        kind("scheduling.k8s.io/v1", "PriorityClass", value=1),
    )

    assert details(verdict(old, new)) == {"value": "update"}


def test_a_list_that_the_server_keeps_as_null_is_no_change():
    """Pulumi's provider updates such a CSINode each time."""
    document = kind("storage.k8s.io/v1", "CSINode", spec={"drivers": []})

    assert not verdict(document, document, live={**document, "spec": {"drivers": None}}).changes


def test_the_capacity_of_a_storage_is_compared_by_value():
    old, new = (kind("storage.k8s.io/v1", "CSIStorageCapacity", capacity=text) for text in ("1Gi", "1024Mi"))

    assert not verdict(old, new).changes
