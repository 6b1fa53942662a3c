"""Creates and previews, kinds and clusters that are missing."""

import queue

import pytest

from engine.kubernetes import KubernetesProviders
from engine.provider import OutcomeUnknown, ProviderError
from engine.values import UNKNOWN, Secret

from .settings_map import ENTRY, PATH, URN, inputs, live, outputs, update
from .tinyserver import Answer, status


def test_a_create_is_one_post_under_the_common_manager(provider, server):
    document = inputs(a="1")
    server.answers = [Answer(201, live(document, ENTRY))]
    result = provider.create(urn=URN, inputs=document)

    assert [(r.method, r.path, r.query) for r in server.requests] == [
        ("POST", PATH, {"fieldManager": "pulumi-kubernetes"})
    ]
    assert result.id == "default/settings"
    assert result.outputs["__inputs"] == document
    assert result.outputs["__initialApiVersion"] == "v1"
    assert result.outputs["__fieldManager"].startswith("pulumi-kubernetes-")
    assert result.outputs["metadata"]["uid"] == "u1"


def test_secrets_are_sent_plain_and_recorded_secret(provider, server):
    document = inputs(a=Secret("top"))
    server.answers = [Answer(201, live(inputs(a="top"), ENTRY))]
    result = provider.create(urn=URN, inputs=document)

    assert server.requests[0].body["data"] == {"a": "top"}
    assert result.outputs["data"] == {"a": Secret("top")}
    assert result.outputs["__inputs"] == document


def test_previews_send_nothing(provider, server):
    document = inputs(a=UNKNOWN)
    created = provider.create(urn=URN, inputs=document, preview=True)
    updated = update(
        provider, inputs(a="1", b="2"), document, outputs(inputs(a="1", b="2"), ENTRY), preview=True
    )

    assert server.requests == []
    assert (created.id, created.outputs) == ("", document)
    assert updated["data"] == {"a": UNKNOWN}
    assert updated["metadata"]["uid"] == "u1"
    assert "resourceVersion" not in updated["metadata"]


def test_an_existing_object_is_not_taken_over(provider, server):
    exists = status(409, "AlreadyExists", 'configmaps "settings" already exists')
    server.answers = [exists, Answer(200, live(inputs(a="theirs")))]

    with pytest.raises(
        ProviderError, match=r"ConfigMap default/settings: it already exists.*import_='default/settings'"
    ):
        provider.create(urn=URN, inputs=inputs(a="1"))


def test_a_predecessor_that_is_still_being_deleted_is_waited_for(provider, server):
    exists = status(409, "AlreadyExists", "object is being deleted")
    leaving = live(inputs(a="0"), version="5", deletionTimestamp="now", finalizers=["x"])
    end = queue.Queue()
    end.put({"type": "DELETED", "object": leaving})
    end.put(None)
    server.answers = [
        exists,
        Answer(200, leaving),
        Answer(stream=end),
        Answer(201, live(inputs(a="1"), uid="u2")),
    ]

    assert provider.create(urn=URN, inputs=inputs(a="1")).outputs["metadata"]["uid"] == "u2"
    assert [request.method for request in server.requests] == ["POST", "GET", "GET", "POST"]


def test_upserting_takes_an_existing_object_over(server):
    providers = KubernetesProviders()
    provider = providers()
    provider.configure({"kubeconfig": server.kubeconfig(), "upsertExistingObjects": "true"})
    server.answers = [Answer(200, live(inputs(a="1")))]
    provider.create(urn=URN, inputs=inputs(a="1"))
    providers.close()

    assert server.requests[0].method == "PATCH"
    assert server.requests[0].query["fieldManager"].startswith("pulumi-kubernetes-")


def test_a_create_waits_for_its_namespace(provider, server, monkeypatch):
    monkeypatch.setattr("engine.kubernetes.apply.KIND_PAUSES", (0.01, 0.01, 0.01))
    missing = status(404, "NotFound", 'namespaces "default" not found')
    server.answers = [missing, missing, Answer(201, live(inputs(a="1")))]

    assert provider.create(urn=URN, inputs=inputs(a="1")).id == "default/settings"
    assert len(server.requests) == 3


def test_who_is_canceled_waits_for_no_namespace(provider, server):
    def missing(request):
        provider.cancel()
        return status(404, "NotFound", 'namespaces "default" not found')

    server.handler = missing

    with pytest.raises(ProviderError, match=r'namespaces "default" not found'):
        provider.create(urn=URN, inputs=inputs(a="1"))
    assert len(server.requests) == 1


def test_a_kind_that_this_server_does_not_serve_is_not_waited_for(provider, server):
    with pytest.raises(ProviderError, match="nothing at"):
        provider.create(urn=URN, inputs=inputs(a="1"))
    assert len(server.requests) == 1


def test_a_namespace_that_never_comes_is_named(provider, server, monkeypatch):
    monkeypatch.setattr("engine.kubernetes.apply.KIND_PAUSES", (0.01,))
    server.handler = lambda request: status(404, "NotFound", 'namespaces "default" not found')

    with pytest.raises(
        ProviderError, match=r'create ConfigMap default/settings: namespaces "default" not found'
    ):
        provider.create(urn=URN, inputs=inputs(a="1"))


def test_a_kind_is_looked_up_once(provider, server):
    urn = "urn:pulumi:dev::project::kubernetes:example.com/v1:Zone::zone"
    resources = {"resources": [{"name": "zones", "kind": "Zone", "namespaced": True}]}
    zone = {"apiVersion": "example.com/v1", "kind": "Zone", "metadata": {"name": "z", "namespace": "n"}}
    server.handler = lambda request: Answer(
        200, resources if request.path == "/apis/example.com/v1" else live(zone)
    )
    for _ in range(3):
        provider.create(urn=urn, inputs=zone)

    assert [request.method for request in server.requests] == ["GET", "POST", "POST", "POST"]


def test_a_kind_that_the_cluster_lacks_is_named_with_the_remedy(provider, server, monkeypatch):
    monkeypatch.setattr("engine.kubernetes.addressing.KIND_PAUSES", (0.01,))
    urn = "urn:pulumi:dev::project::kubernetes:example.com/v1:Zone::zone"
    zone = {"apiVersion": "example.com/v1", "kind": "Zone", "metadata": {"name": "z", "namespace": "n"}}

    with pytest.raises(ProviderError, match=r"kind Zone of example\.com/v1.*CustomResourceDefinition"):
        provider.create(urn=urn, inputs=zone)


def test_functions_are_refused_by_name(provider):
    with pytest.raises(ProviderError, match=r"kubernetes:helm:template.*Pulumi's own engine"):
        provider.invoke("kubernetes:helm:template", {})


def test_no_cluster_is_an_error_only_when_one_is_needed(monkeypatch, tmp_path):
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    provider = KubernetesProviders()()
    provider.configure({})
    provider.create(urn=URN, inputs=inputs(a="1"), preview=True)

    with pytest.raises(ProviderError, match="no Kubernetes cluster is configured"):
        provider.create(urn=URN, inputs=inputs(a="1"))


def test_a_create_that_the_server_broke_off_may_have_made_the_object(provider, server):
    server.answers = [status(500, "InternalError", "etcdserver: request timed out")]
    with pytest.raises(OutcomeUnknown, match="cannot create ConfigMap default/settings: etcdserver"):
        provider.create(urn=URN, inputs=inputs(a="1"))


def test_what_an_interrupted_create_made_is_found_by_its_inputs(provider, server):
    server.answers = [Answer(200, live(inputs(a="1"), ENTRY))]
    found = provider.find_created(urn=URN, inputs=inputs(a="1"))

    assert [(r.method, r.path) for r in server.requests] == [("GET", f"{PATH}/settings")]
    assert found.id == "default/settings"
    assert found.outputs["metadata"]["uid"] == "u1"
    assert found.outputs["__inputs"] == inputs(a="1")


def test_an_object_that_no_create_of_ours_made_is_not_ours(provider, server):
    theirs = {**ENTRY, "manager": "kubectl-create"}
    labelled = inputs(a="1")
    labelled["metadata"] = {**labelled["metadata"], "labels": {"build-id": "b2"}}
    server.answers = [
        Answer(200, live(inputs(a="1"), theirs)),
        Answer(200, live(inputs(a="1"), ENTRY)),
        status(404, "NotFound", 'configmaps "settings" not found'),
    ]

    assert provider.find_created(urn=URN, inputs=inputs(a="1")) is None
    assert provider.find_created(urn=URN, inputs=labelled) is None
    assert provider.find_created(urn=URN, inputs=inputs(a="1")) is None
