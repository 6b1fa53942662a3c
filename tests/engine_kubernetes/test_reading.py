"""Refreshes and imports."""

from .settings_map import ENTRY, URN, inputs, live, ours, outputs
from .tinyserver import Answer, status


def test_a_refresh_reads_what_was_set_as_it_is_now(provider, server):
    old = inputs(a="1")
    server.answers = [Answer(200, live(inputs(a="drifted", extra="x"), ours(), version="9"))]
    result = provider.read(urn=URN, id="default/settings", inputs=old, outputs=outputs(old, ours()))

    assert result.inputs["data"] == {"a": "drifted"}
    assert result.outputs["__inputs"] == result.inputs
    assert result.outputs["data"] == {"a": "drifted", "extra": "x"}
    assert result.outputs["__fieldManager"] == "pulumi-kubernetes-12345678"
    diff = provider.diff(
        urn=URN, id="default/settings", old_inputs=result.inputs, old_outputs=result.outputs, news=old
    )
    assert {path: item.kind.value for path, item in diff.detailed.items()} == {"data.a": "update-replace"}


def test_a_refresh_of_what_is_gone_says_so(provider, server):
    server.answers = [status(404, "NotFound", "gone")]

    assert (
        provider.read(urn=URN, id="default/settings", inputs=inputs(), outputs=outputs(inputs())).id is None
    )


def test_an_import_takes_what_people_can_set(provider, server):
    found = live(inputs(a="1"), ENTRY, creationTimestamp="then", labels={"x": "y"})
    server.answers = [Answer(200, {**found, "status": {}})]
    result = provider.read(urn=URN, id="default/settings", inputs={}, outputs={})

    assert result.inputs == {
        **inputs(a="1"),
        "metadata": {"name": "settings", "namespace": "default", "labels": {"x": "y"}},
    }
    assert result.outputs["__fieldManager"].startswith("pulumi-kubernetes-")


def test_importing_a_custom_resource_gives_its_identity(provider, server):
    urn = "urn:pulumi:dev::project::kubernetes:example.com/v1:Zone::zone"
    resources = {"resources": [{"name": "zones", "kind": "Zone", "namespaced": True}]}
    zone = {
        "apiVersion": "example.com/v1",
        "kind": "Zone",
        "metadata": {"name": "z", "namespace": "n", "uid": "u"},
    }
    server.handler = lambda request: Answer(
        200, resources if request.path == "/apis/example.com/v1" else {**zone, "spec": {"a": 1}}
    )
    result = provider.read(urn=urn, id="n/z", inputs={}, outputs={})

    assert result.inputs == {**zone, "metadata": {"name": "z", "namespace": "n"}}
    assert [request.path for request in server.requests] == [
        "/apis/example.com/v1",
        "/apis/example.com/v1/namespaces/n/zones/z",
    ]
