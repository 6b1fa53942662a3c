"""Updates: ownership handed over once, then one request; conflicts, guards, ignored fields."""

import json
import threading

import pytest

from engine.kubernetes import KubernetesProviders
from engine.provider import OutcomeUnknown, PartialFailure, ProviderError

from .settings_map import ENTRY, URN, inputs, live, ours, outputs, update
from .tinyserver import Answer, status


def test_the_first_update_hands_ownership_over_and_applies(provider, server):
    old, new = inputs(a="1"), inputs(a="2")
    server.answers = [Answer(200, live(old)), Answer(200, live(new, ours(), version="3"))]
    result = update(provider, old, new, outputs(old, ENTRY))

    handover, applied = server.requests
    assert handover.headers["Content-Type"] == "application/json-patch+json"
    assert {"op": "test", "path": "/metadata/uid", "value": "u1"} in handover.body
    assert {"op": "replace", "path": "/metadata/managedFields/0/operation", "value": "Apply"} in handover.body
    assert applied.headers["Content-Type"] == "application/apply-patch+yaml"
    assert applied.query == {"fieldManager": "pulumi-kubernetes-12345678"}
    assert applied.body["metadata"]["uid"] == "u1"
    assert result["data"] == {"a": "2"}


def test_later_updates_are_one_request(provider, server):
    old, new = inputs(a="1"), inputs(a="2")
    server.answers = [Answer(200, live(new, ours()))]
    update(provider, old, new, outputs(old, ours()))

    assert [request.method for request in server.requests] == ["PATCH"]


def test_ownership_recorded_too_long_ago_is_looked_at_afresh(provider, server):
    old, new = inputs(a="1"), inputs(a="2")
    other = {"manager": "controller", "operation": "Update", "fieldsV1": {"f:status": {}}}
    server.answers = [
        status(422, "Invalid", "the test failed"),
        Answer(200, live(old, other, ENTRY, version="7")),
        Answer(200, live(old)),
        Answer(200, live(new, ours())),
    ]
    update(provider, old, new, outputs(old, ENTRY))

    assert [request.method for request in server.requests] == ["PATCH", "GET", "PATCH", "PATCH"]
    test, replace = server.requests[2].body
    assert test == {"op": "test", "path": "/metadata/resourceVersion", "value": "7"}
    assert [(entry["manager"], entry["operation"]) for entry in replace["value"]] == [
        ("pulumi-kubernetes-12345678", "Apply"),
        ("controller", "Update"),
    ]


def test_fields_edited_by_kubectl_are_taken_back(provider, server):
    """As Pulumi's provider does: a person's edit is not another controller."""
    old, new = inputs(a="1"), inputs(a="2")
    edited = {"manager": "kubectl", "operation": "Update", "fieldsV1": {"f:data": {"f:a": {}}}}
    conflict = status(
        409, "Conflict", "1 conflict", causes=[{"field": ".data.a", "message": 'conflict with "kubectl"'}]
    )
    server.answers = [
        conflict,
        Answer(200, live(old, ours(), edited)),
        Answer(200, live(old)),
        Answer(200, live(new, ours())),
    ]
    update(provider, old, new, outputs(old, ours()))

    assert [request.method for request in server.requests] == ["PATCH", "GET", "PATCH", "PATCH"]


def test_a_conflict_names_field_owner_and_ways_out(provider, server):
    old, new = inputs(a="1"), inputs(a="2")
    causes = [{"field": ".spec.replicas", "message": 'conflict with "hpa" with subresource "scale"'}]
    server.answers = [
        status(409, "Conflict", "Apply failed with 1 conflict", causes=causes),
        Answer(200, live(old, ours())),
    ]
    with pytest.raises(PartialFailure) as caught:
        update(provider, old, new, outputs(old, ours()))

    (reason,) = caught.value.reasons
    for part in (".spec.replicas", '"hpa"', "pulumi.com/patchForce", "ignore_changes=['spec.replicas']"):
        assert part in reason
    assert caught.value.outputs["__inputs"] == new
    assert caught.value.outputs["data"] == {"a": "1"}


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(status(409, "Conflict", "uid mismatch: no existing object was found"), id="gone"),
        pytest.param(
            status(422, "Invalid", "immutable", causes=[{"field": "metadata.uid"}]), id="another object"
        ),
    ],
)
def test_an_update_never_makes_or_changes_another_object(provider, server, answer):
    old, new = inputs(a="1"), inputs(a="2")
    server.answers = [answer]

    with pytest.raises(ProviderError, match="Refresh the stack"):
        update(provider, old, new, outputs(old, ours()))
    assert len(server.requests) == 1


def test_definitions_of_kinds_are_replaced_whole(provider, server):
    """Their lists have no merge keys."""
    urn = "urn:pulumi:dev::project::kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition::crd"
    schema = {"openAPIV3Schema": {"x-kubernetes-preserve-unknown-fields": True}}
    document = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "zones.example.com"},
        "spec": {"versions": [{"name": "v1", "schema": schema}]},
    }
    established = {"conditions": [{"type": "Established", "status": "True"}]}
    server.answers = [
        Answer(200, live(document, version="8")),
        Answer(200, {**live(document), "status": established}),
    ]
    result = provider.update(
        urn=urn, id="zones.example.com", old_inputs=document, old_outputs=outputs(document), news=document
    )

    read, replaced = server.requests
    assert (read.method, replaced.method) == ("GET", "PUT")
    assert replaced.body["metadata"] == {"name": "zones.example.com", "resourceVersion": "8", "uid": "u1"}
    assert replaced.body["spec"]["versions"][0]["schema"] == schema
    recorded = result["__inputs"]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    assert recorded == {"x_kubernetes_preserve_unknown_fields": True}


def test_the_annotation_forces_the_apply(provider, server):
    old, new = inputs(a="1"), inputs(a="2")
    new["metadata"] = {**new["metadata"], "annotations": {"pulumi.com/patchForce": "true"}}
    server.answers = [Answer(200, live(new, ours()))]
    update(provider, old, new, outputs(old, ours()))

    assert server.requests[0].query["force"] == "true"


def test_a_new_manager_inherits_from_the_old_one(provider, server):
    old, new = inputs(a="1"), inputs(a="2")
    new["metadata"] = {**new["metadata"], "annotations": {"pulumi.com/patchFieldManager": "team"}}
    server.answers = [Answer(200, live(old)), Answer(200, live(new, ours("team")))]
    result = update(provider, old, new, outputs(old, ours()))

    handover, applied = server.requests
    assert {"op": "replace", "path": "/metadata/managedFields/0/manager", "value": "team"} in handover.body
    assert applied.query["fieldManager"] == "team"
    assert result["__fieldManager"] == "team"


def test_ignored_fields_are_left_to_their_owner(provider, server):
    old, new = inputs(a="1", b="1"), inputs(a="1", b="2")
    theirs = {"manager": "controller", "operation": "Update", "fieldsV1": {"f:data": {"f:a": {}}}}
    rest = {**ours(), "fieldsV1": {"f:data": {"f:b": {}}}}
    server.answers = [
        Answer(200, live(inputs(a="theirs", b="1"), rest, theirs)),
        Answer(200, live(new, rest)),
    ]
    update(provider, old, new, outputs(old, rest), ignore_changes=("data.a",))

    assert server.requests[1].body["data"] == {"b": "2"}


@pytest.mark.parametrize(
    ("path", "key"),
    [
        pytest.param('metadata.annotations["a.b/c"]', "a.b/c", id="a key with dots"),
        pytest.param("metadata.annotations.plain", "plain", id="a plain key"),
    ],
)
def test_ignored_fields_may_have_any_name(provider, server, path, key):
    old, new = inputs(a="1"), inputs(a="2")
    for document, value in ((old, "1"), (new, "2")):
        document["metadata"]["annotations"] = {key: value}
    found = live(inputs(a="1"), ours(), annotations={key: "live"})
    server.answers = [Answer(200, found), Answer(200, live(new, ours()))]
    update(provider, old, new, outputs(old, ours()), ignore_changes=(path,))

    assert server.requests[1].body["metadata"]["annotations"] == {key: "live"}


def test_an_ignored_item_of_a_list_keeps_its_live_value(provider, server):
    old, new = inputs(a="1"), inputs(a="2")
    for document, value in ((old, "1"), (new, "2")):
        document["metadata"]["finalizers"] = [value, "same"]
    found = live(inputs(a="1"), ours(), finalizers=["live", "same"])
    server.answers = [Answer(200, found), Answer(200, live(new, ours()))]
    update(provider, old, new, outputs(old, ours()), ignore_changes=("metadata.finalizers[0]",))

    assert server.requests[1].body["metadata"]["finalizers"] == ["live", "same"]


def test_ignored_fields_that_are_only_ours_keep_their_live_value(provider, server):
    old, new = inputs(a="1", b="1"), inputs(a="1", b="2")
    server.answers = [Answer(200, live(inputs(a="live", b="1"), ours())), Answer(200, live(new, ours()))]
    update(provider, old, new, outputs(old, ours()), ignore_changes=("data.a",))

    assert server.requests[1].body["data"] == {"a": "live", "b": "2"}


def test_an_update_without_an_answer_may_have_taken_effect(provider, server):
    """So it stays on record as pending, and the object is looked at before the next update."""
    over = threading.Event()

    def hang(request):
        over.wait(20)
        return Answer(200, live(inputs(a="2"), ours()))

    server.handler = hang
    provider.configure(
        {"kubeconfig": server.kubeconfig(), "kubeClientSettings": json.dumps({"timeout": 0.2})}
    )
    old = inputs(a="1")

    with pytest.raises(OutcomeUnknown, match="cannot update ConfigMap default/settings: no answer"):
        update(provider, old, inputs(a="2"), outputs(old, ours()))
    over.set()


def test_skipping_updates_of_unreachable_clusters_leaves_resources_as_recorded():
    config = {
        "current-context": "x",
        "clusters": [{"name": "x", "cluster": {"server": "http://127.0.0.1:1"}}],
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
        "users": [{"name": "x", "user": {"token": "t"}}],
    }
    provider = KubernetesProviders()()
    provider.configure({"kubeconfig": json.dumps(config), "skipUpdateUnreachable": "true"})
    old, recorded = inputs(a="1"), outputs(inputs(a="1"))

    assert provider.check(urn=URN, olds=old, news=inputs(a="2"), random_seed=b"").inputs == old
    assert provider.read(urn=URN, id="default/settings", inputs=old, outputs=recorded).outputs == recorded
