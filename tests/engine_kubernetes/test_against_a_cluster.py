"""The provider against a real API server: the golden kinds, ownership, guards, waiting, and what is sent."""

import secrets
import threading
import time

import pytest

from engine.kubernetes import KubernetesProviders
from engine.kubernetes.reading import SINGLE_READS
from engine.kubernetes.rest import NotFound
from engine.provider import PartialFailure, ProviderError
from engine.values import unwrap

pytestmark = pytest.mark.cluster

URN = "urn:pulumi:dev::project::kubernetes:core/v1:ConfigMap::settings"


class Resource:
    """One resource through the calls that an engine makes, with its state."""

    def __init__(self, provider, urn):
        self.provider, self.urn = provider, urn
        self.id, self.inputs, self.outputs = "", {}, {}

    def check(self, news, olds=None):
        result = self.provider.check(
            urn=self.urn, olds=olds or {}, news=news, random_seed=secrets.token_bytes(32)
        )
        assert result.failures == ()
        return result.inputs

    def create(self, news, **options):
        self.inputs = self.check(news)
        created = self.provider.create(urn=self.urn, inputs=self.inputs, **options)
        self.id, self.outputs = created.id, created.outputs
        return self

    def diff(self, news):
        return self.provider.diff(
            urn=self.urn,
            id=self.id,
            old_inputs=self.inputs,
            old_outputs=self.outputs,
            news=self.check(news, self.inputs),
        )

    def update(self, news, **options):
        checked = self.check(news, self.inputs)
        self.outputs = self.provider.update(
            urn=self.urn,
            id=self.id,
            old_inputs=self.inputs,
            old_outputs=self.outputs,
            news=checked,
            **options,
        )
        self.inputs = checked
        return self

    def refresh(self):
        return self.provider.read(urn=self.urn, id=self.id, inputs=self.inputs, outputs=self.outputs)

    def delete(self, **options):
        self.provider.delete(
            urn=self.urn, id=self.id, old_inputs=self.inputs, old_outputs=self.outputs, **options
        )


def config_map(namespace, name="settings", annotations=None, **data):
    metadata = {"name": name, "namespace": namespace} | ({"annotations": annotations} if annotations else {})
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def job(namespace, **annotations):
    pod = {"restartPolicy": "Never", "containers": [{"name": "a", "image": "registry.local/a:1"}]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "build", "namespace": namespace, "annotations": annotations},
        "spec": {"suspend": True, "template": {"spec": pod}},
    }


JOB_URN = "urn:pulumi:dev::project::kubernetes:batch/v1:Job::build"


def put(value, namespace):
    """Return golden inputs moved to the test's namespace."""
    if isinstance(value, dict):
        return {key: put(item, namespace) for key, item in value.items()}
    if isinstance(value, list):
        return [put(item, namespace) for item in value]
    return namespace if value == "golden" else value


NAMESPACED_PARTS = [
    "broker configmap configmap-autonamed cronjob deployment hpa job ksvc limitrange networkpolicy pdb",
    "prometheusrule queue quota rabbitmqcluster receiver role rolebinding secret secret-marked service",
    "serviceaccount servicemonitor trigger",
]
PARTS = " ".join(NAMESPACED_PARTS).split()


@pytest.mark.parametrize("part", PARTS)
def test_a_golden_kind_goes_through_all_its_edits_and_away(part, real, namespace, golden, crds, recorder):
    urn = golden.resources[part]["urn"]
    resource = Resource(real, urn).create(put(golden.inputs(part), namespace), timeout=30)
    assert [method for method in recorder.methods() if method != "GET"] == ["POST"]
    assert not resource.diff(put(golden.inputs(part), namespace)).changes

    for name in sorted(golden.program["edits"]):
        if not name.startswith(f"{part}/") or name == "ksvc/namespace-changed":
            continue
        news = put(golden.inputs(part, name.split("/")[1]), namespace)
        verdict = resource.diff(news)
        if not verdict.changes:
            continue
        if verdict.replaces:
            if verdict.delete_before_replace:
                resource.delete(timeout=30)
            successor = Resource(real, urn).create(news, timeout=30)
            if not verdict.delete_before_replace:
                resource.delete(timeout=30)
            resource = successor
        else:
            resource.update(news, timeout=30)
        assert not resource.diff(news).changes, name
        refreshed = resource.refresh()
        assert refreshed.id == resource.id
        resource.inputs, resource.outputs = refreshed.inputs, refreshed.outputs
        assert not resource.diff(news).changes, f"{name} after a refresh"

    resource.delete(timeout=30)
    if part not in ("job", "deployment"):  # their skipAwait annotation means not to wait
        assert resource.refresh().id is None


def test_requests_are_as_few_as_they_can_be(real, namespace, recorder):
    resource = Resource(real, URN).create(config_map(namespace, a="1"))
    assert recorder.methods() == ["POST"]
    assert not resource.diff(config_map(namespace, a="1")).changes
    assert recorder.methods() == []
    resource.update(config_map(namespace, annotations={"x": "1"}, a="1"))
    assert recorder.methods() == ["PATCH", "PATCH"]
    resource.update(config_map(namespace, annotations={"x": "2"}, a="1"))
    assert recorder.methods() == ["PATCH"]


def test_an_update_of_nothing_writes_nothing(real, namespace):
    """As the engine asks for it after a failure: an update without a difference."""
    resource = Resource(real, URN).create(config_map(namespace, a="1"))
    resource.update(config_map(namespace, annotations={"x": "1"}, a="1"))
    version = resource.outputs["metadata"]["resourceVersion"]
    resource.update(config_map(namespace, annotations={"x": "1"}, a="1"))

    assert resource.outputs["metadata"]["resourceVersion"] == version


def test_fields_that_the_program_drops_vanish_from_the_object(real, namespace):
    resource = Resource(real, URN).create(
        config_map(namespace, annotations={"x": "1", "y": "1"}, a="1", b="2")
    )
    resource.update(config_map(namespace, annotations={"y": "2"}, a="1"))
    live = resource.refresh().outputs

    assert live["data"] == {"a": "1"}
    assert live["metadata"]["annotations"] == {"y": "2"}
    (entry,) = live["metadata"]["managedFields"]
    assert (entry["manager"], entry["operation"]) == (resource.outputs["__fieldManager"], "Apply")


def test_a_field_owned_by_another_manager_is_a_conflict_that_names_it(real, namespace):
    resource = Resource(real, URN).create(config_map(namespace, a="1", b="1"))
    client = real._addressing.cluster().client
    path = f"/api/v1/namespaces/{namespace}/configmaps/settings"
    theirs = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "theirs"}}
    client.patch(path, theirs, "apply", fieldManager="their-controller", force="true")

    with pytest.raises(
        PartialFailure, match=r"\.data\.a .*their-controller.*patchForce.*ignore_changes=\['data.a'\]"
    ):
        resource.update(config_map(namespace, a="2", b="1"))
    ignoring = config_map(namespace, a="1", b="2")
    resource.update(ignoring, ignore_changes=("data.a",))
    assert client.get(path)["data"] == {"a": "theirs", "b": "2"}
    resource.update(config_map(namespace, annotations={"pulumi.com/patchForce": "true"}, a="2", b="2"))
    assert client.get(path)["data"] == {"a": "2", "b": "2"}


def test_what_a_person_edited_is_taken_back(real, namespace):
    resource = Resource(real, URN).create(config_map(namespace, a="1"))
    resource.update(config_map(namespace, annotations={"x": "1"}, a="1"))
    client = real._addressing.cluster().client
    path = f"/api/v1/namespaces/{namespace}/configmaps/settings"
    client.patch(path, {"data": {"a": "edited"}}, "merge", fieldManager="kubectl")
    resource.update(config_map(namespace, annotations={"x": "1"}, a="2"))

    assert client.get(path)["data"] == {"a": "2"}


def test_an_object_made_anew_by_someone_else_is_neither_changed_nor_deleted(real, namespace):
    resource = Resource(real, URN).create(config_map(namespace, a="1"))
    resource.update(config_map(namespace, annotations={"x": "1"}, a="1"))
    client = real._addressing.cluster().client
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    client.delete(f"{path}/settings", {"propagationPolicy": "Background"})
    with pytest.raises(ProviderError, match="no longer exists"):
        resource.update(config_map(namespace, annotations={"x": "2"}, a="1"))
    client.create(path, config_map(namespace, a="theirs"))
    with pytest.raises(ProviderError, match="another object has its name"):
        resource.update(config_map(namespace, annotations={"x": "2"}, a="1"))
    resource.delete()

    assert client.get(f"{path}/settings")["data"] == {"a": "theirs"}


def test_a_first_update_does_not_touch_a_stranger_either(real, namespace):
    resource = Resource(real, URN).create(config_map(namespace, a="1"))
    client = real._addressing.cluster().client
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    client.delete(f"{path}/settings", {"propagationPolicy": "Background"})
    stranger = client.create(path, config_map(namespace, a="theirs"), fieldManager="pulumi-kubernetes")
    with pytest.raises(ProviderError, match="another object has its name"):
        resource.update(config_map(namespace, annotations={"x": "2"}, a="1"))

    assert client.get(f"{path}/settings") == stranger


def test_creating_what_exists_says_how_to_import_it(real, namespace):
    Resource(real, URN).create(config_map(namespace, a="1"))

    with pytest.raises(ProviderError, match=rf"already exists.*import_='{namespace}/settings'"):
        Resource(real, URN).create(config_map(namespace, a="1"))


def test_an_imported_object_can_be_updated(real, namespace):
    real._addressing.cluster().client.create(
        f"/api/v1/namespaces/{namespace}/configmaps",
        config_map(namespace, a="1", b="1"),
        fieldManager="kubectl-create",
    )
    resource = Resource(real, URN)
    resource.id = f"{namespace}/settings"
    found = resource.refresh()
    resource.inputs, resource.outputs = found.inputs, found.outputs
    assert not resource.diff(config_map(namespace, a="1", b="1")).changes
    resource.update(config_map(namespace, annotations={"x": "1"}, a="1", b="1"))

    assert resource.refresh().outputs["metadata"]["annotations"] == {"x": "1"}


def test_a_rejected_create_leaves_nothing(real, namespace):
    resource = Resource(real, URN)
    with pytest.raises(ProviderError, match=r"cannot create ConfigMap .*Invalid|invalid"):
        resource.create(config_map(namespace, name="No_Valid_Name", a="1"))


def test_a_rejected_update_is_recorded_as_a_partial_failure(real, namespace):
    resource = Resource(real, JOB_URN).create(job(namespace, **{"pulumi.com/skipAwait": "true"}))
    wrong = job(namespace, **{"pulumi.com/skipAwait": "true"})
    wrong["spec"]["backoffLimit"] = -1
    with pytest.raises(PartialFailure, match="backoffLimit") as caught:
        resource.update(wrong)

    assert unwrap(caught.value.outputs["__inputs"])["spec"]["backoffLimit"] == -1
    assert caught.value.outputs["metadata"]["uid"] == resource.outputs["metadata"]["uid"]


def test_the_deletion_of_a_job_that_is_not_awaited_returns_at_once(real, namespace, recorder):
    resource = Resource(real, JOB_URN).create(job(namespace, **{"pulumi.com/skipAwait": "true"}))
    recorder.methods()
    resource.delete()

    assert recorder.methods() == ["DELETE"]


def test_a_deletion_waits_until_the_object_is_gone(real, namespace):
    resource = Resource(real, URN).create(config_map(namespace, a="1"))
    client = real._addressing.cluster().client
    path = f"/api/v1/namespaces/{namespace}/configmaps/settings"
    client.patch(path, {"metadata": {"finalizers": ["example.com/guard"]}}, "merge")
    with pytest.raises(ProviderError, match=r"example\.com/guard"):
        resource.delete(timeout=1)
    release = threading.Timer(0.3, client.patch, (path, {"metadata": {"finalizers": None}}, "merge"))
    release.start()
    resource.delete(timeout=30)
    release.join()

    assert resource.refresh().id is None


def test_a_job_is_awaited_until_it_has_failed(real, namespace):
    """No node runs here: the Job's deadline makes it fail."""
    document = job(namespace)
    document["spec"] |= {"suspend": False, "activeDeadlineSeconds": 1}
    started = time.monotonic()
    with pytest.raises(PartialFailure, match="DeadlineExceeded"):
        Resource(real, JOB_URN).create(document, timeout=60)

    assert time.monotonic() - started < 30


def deployment(namespace, replicas):
    labels = {"app": "web"}
    pod = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "a", "image": "registry.local/a:1"}]},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": namespace},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": pod},
    }


DEPLOYMENT_URN = "urn:pulumi:dev::project::kubernetes:apps/v1:Deployment::web"


def test_a_deployment_is_awaited_through_create_and_update(real, namespace):
    """Without a node no Pod ever runs, so it is one of no Pods."""
    resource = Resource(real, DEPLOYMENT_URN).create(deployment(namespace, 0), timeout=30)
    assert resource.outputs["status"]["observedGeneration"] == 1
    changed = deployment(namespace, 0)
    changed["spec"]["template"]["spec"]["containers"][0]["image"] = "registry.local/a:2"
    resource.update(changed, timeout=30)

    assert resource.outputs["status"]["observedGeneration"] == 2
    assert resource.outputs["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "2"


def test_a_deployment_that_does_not_get_ready_says_what_is_missing(real, namespace):
    with pytest.raises(PartialFailure) as caught:
        Resource(real, DEPLOYMENT_URN).create(deployment(namespace, 1), timeout=2)

    assert caught.value.reasons[0] == f"Deployment {namespace}/web was not ready after 2 s"
    assert any("minimum availability" in reason for reason in caught.value.reasons)
    assert caught.value.outputs["status"]["observedGeneration"] == 1


def test_a_create_waits_for_a_namespace_that_comes_later(real):
    client = real._addressing.cluster().client
    name = f"engine-test-late-{time.time_ns():x}"
    late = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    timer = threading.Timer(0.3, client.create, ("/api/v1/namespaces", late))
    timer.start()
    try:
        assert Resource(real, URN).create(config_map(name, a="1")).id == f"{name}/settings"
    finally:
        timer.join()
        client.delete(f"/api/v1/namespaces/{name}", {"propagationPolicy": "Background"})


def test_many_threads_create_and_delete_at_once(real, namespace):
    from concurrent.futures import ThreadPoolExecutor

    def round_trip(index):
        resource = Resource(real, URN).create(config_map(namespace, name=f"settings-{index}", a="1"))
        resource.delete()
        return resource.refresh().id

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(round_trip, range(48))) == [None] * 48


def test_what_an_interrupted_create_made_is_found_and_can_be_deleted(real, namespace):
    urn = "urn:pulumi:t::t::kubernetes:core/v1:ConfigMap::settings"
    metadata = {"name": "settings", "namespace": namespace, "labels": {"build-id": "b1"}}
    inputs = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": "1"}}
    assert real.find_created(urn=urn, inputs=inputs) is None
    made = real.create(urn=urn, inputs=inputs)

    found = real.find_created(urn=urn, inputs=inputs)
    real.delete(urn=urn, id=found.id, old_inputs=inputs, old_outputs=found.outputs)

    assert found.id == made.id
    assert found.outputs["metadata"]["uid"] == made.outputs["metadata"]["uid"]
    assert real.find_created(urn=urn, inputs=inputs) is None


PATCH_URN = "urn:pulumi:dev::project::kubernetes:core/v1:ConfigMapPatch::settings"


def test_a_patch_adds_fields_to_an_object_of_others_and_takes_only_these_away(real, namespace):
    client = real._addressing.cluster().client
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    client.create(path, config_map(namespace, theirs="1"), fieldManager="their-controller")
    patch = Resource(real, PATCH_URN).create(config_map(namespace, ours="1"))
    assert client.get(f"{path}/settings")["data"] == {"theirs": "1", "ours": "1"}
    assert not patch.diff(config_map(namespace, ours="1")).changes

    patch.update(config_map(namespace, ours="2", more="3"))
    patch.update(config_map(namespace, more="3"))
    assert client.get(f"{path}/settings")["data"] == {"theirs": "1", "more": "3"}
    patch.delete()

    assert client.get(f"{path}/settings")["data"] == {"theirs": "1"}


def test_a_patch_of_an_object_that_is_gone_makes_none_when_it_is_deleted(real, namespace):
    client = real._addressing.cluster().client
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    client.create(path, config_map(namespace, theirs="1"), fieldManager="their-controller")
    patch = Resource(real, PATCH_URN).create(config_map(namespace, ours="1"))
    client.delete(f"{path}/settings", {"propagationPolicy": "Background"})
    patch.delete()

    with pytest.raises(NotFound):
        client.get(f"{path}/settings")


def test_a_patch_does_not_take_what_others_own(real, namespace):
    client = real._addressing.cluster().client
    client.create(
        f"/api/v1/namespaces/{namespace}/configmaps",
        config_map(namespace, a="theirs"),
        fieldManager="their-controller",
    )

    with pytest.raises(ProviderError, match=r"\.data\.a .*their-controller.*patchForce"):
        Resource(real, PATCH_URN).create(config_map(namespace, a="ours"))


def test_a_dry_run_finds_what_the_server_would_refuse_and_stores_nothing(real_kubeconfig, namespace):
    providers = KubernetesProviders(server_previews=True)
    asking = providers()
    asking.configure({"kubeconfig": real_kubeconfig})
    with pytest.raises(ProviderError, match=r"No_Valid_Name"):
        Resource(asking, URN).create(config_map(namespace, name="No_Valid_Name", a="1"), preview=True)
    previewed = Resource(asking, URN).create(config_map(namespace, a="1"), preview=True)

    assert previewed.outputs["data"] == {"a": "1"}
    assert "uid" not in previewed.outputs["metadata"]
    assert asking.read(urn=URN, id=f"{namespace}/settings", inputs={}, outputs={}).id is None
    providers.close()


def test_many_objects_are_refreshed_by_one_list(real, namespace, recorder):
    resources = [
        Resource(real, URN).create(config_map(namespace, name=f"s{index}", a="1")) for index in range(30)
    ]
    reader = real.__class__(real._cluster_for)
    reader.configure({"kubeconfig": real._settings.source.kubeconfig})
    recorder.methods()
    for resource in resources:
        resource.provider = reader
        assert not resource.diff(config_map(namespace, name=resource.id.partition("/")[2], a="1")).changes
        assert resource.refresh().outputs == resource.outputs

    assert len(recorder.methods()) == 1 + SINGLE_READS


def test_a_custom_resource_that_is_declared_empty_and_gets_defaults_can_be_updated(real, namespace, crds):
    def cluster(**annotations):
        metadata = {"name": "mq", "namespace": namespace, "annotations": annotations}
        return {
            "apiVersion": "rabbitmq.com/v1beta1",
            "kind": "RabbitmqCluster",
            "metadata": metadata,
            "spec": {},
        }

    urn = "urn:pulumi:dev::project::kubernetes:rabbitmq.com/v1beta1:RabbitmqCluster::mq"
    resource = Resource(real, urn).create(cluster())
    filled = resource.outputs["spec"]
    assert filled
    resource.update(cluster(step="1"))
    resource.update(cluster(step="2"))

    assert resource.outputs["metadata"]["annotations"] == {"step": "2"}
    assert resource.outputs["spec"] == filled
