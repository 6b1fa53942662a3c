"""Previews by dry runs, for those who ask for them."""

import pytest

from engine.kubernetes import KubernetesProviders
from engine.provider import ProviderError
from engine.values import UNKNOWN

from .settings_map import ENTRY, URN, inputs, live, ours, outputs
from .tinyserver import Answer, status

WEBHOOK = "admission webhook w does not support dry run"


@pytest.fixture
def asking(server):
    providers = KubernetesProviders(server_previews=True)
    provider = providers()
    provider.configure({"kubeconfig": server.kubeconfig()})
    yield provider
    providers.close()


def update(provider, news, recorded):
    return provider.update(
        urn=URN,
        id="default/settings",
        old_inputs=inputs(a="1"),
        old_outputs=recorded,
        news=news,
        preview=True,
    )


def test_a_create_is_tried_without_being_stored(asking, server):
    found = live(inputs(a="1", defaulted="x"), ENTRY, creationTimestamp="now")
    server.answers = [Answer(201, {**found, "status": {"phase": ""}})]
    result = asking.create(urn=URN, inputs=inputs(a="1"), preview=True)

    (request,) = server.requests
    assert (request.method, request.query["dryRun"]) == ("POST", "All")
    assert result.id == ""
    assert result.outputs["data"] == {"a": "1", "defaulted": "x"}
    assert result.outputs["metadata"] == inputs()["metadata"]
    assert "status" not in result.outputs


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(status(403, "Forbidden", "may not"), id="without the right"),
        pytest.param(status(404, "NotFound", 'namespaces "default" not found'), id="before its namespace"),
        pytest.param(status(409, "AlreadyExists", "exists"), id="while its predecessor is there"),
        pytest.param(status(400, "BadRequest", WEBHOOK), id="past a webhook without dry runs"),
    ],
)
def test_a_create_that_the_server_cannot_try_is_previewed_here(asking, server, answer):
    server.answers = [answer]

    assert asking.create(urn=URN, inputs=inputs(a="1"), preview=True).outputs == inputs(a="1")


def test_what_the_server_refuses_fails_the_preview(asking, server):
    server.answers = [status(422, "Invalid", "data.a: Invalid value")]
    with pytest.raises(ProviderError, match=r"cannot create .*Invalid value"):
        asking.create(urn=URN, inputs=inputs(a="1"), preview=True)

    server.answers = [status(422, "Invalid", "data.a: Invalid value")]
    with pytest.raises(ProviderError, match=r"cannot update .*Invalid value"):
        update(asking, inputs(a="2"), outputs(inputs(a="1"), ours()))


def test_unknown_values_are_not_tried(asking, server):
    asking.create(urn=URN, inputs=inputs(a=UNKNOWN), preview=True)

    assert server.requests == []


@pytest.mark.parametrize(("owner", "force"), [(ours(), None), (ENTRY, "true")])
def test_an_update_is_tried_as_it_will_be_after_the_handover(asking, server, owner, force):
    server.answers = [Answer(200, live(inputs(a="2"), ours(), version="9"))]
    result = update(asking, inputs(a="2"), outputs(inputs(a="1"), owner))

    (request,) = server.requests
    assert (request.method, request.query["dryRun"]) == ("PATCH", "All")
    assert request.query.get("force") == force
    assert request.query["fieldManager"] == "pulumi-kubernetes-12345678"
    assert result["data"] == {"a": "2"}
    assert result["metadata"]["uid"] == "u1"
    assert "resourceVersion" not in result["metadata"]


def test_without_the_right_to_write_an_update_is_previewed_here(asking, server):
    server.answers = [status(403, "Forbidden", "may not")]

    assert update(asking, inputs(a="2"), outputs(inputs(a="1"), ours()))["data"] == {"a": "2"}


def test_nobody_is_asked_by_default(provider, server):
    provider.create(urn=URN, inputs=inputs(a="1"), preview=True)
    update(provider, inputs(a="2"), outputs(inputs(a="1"), ours()))

    assert server.requests == []


def test_the_environment_can_ask_for_it(monkeypatch, server):
    monkeypatch.setenv("PULUMI_K8S_SERVER_PREVIEWS", "true")
    provider = KubernetesProviders()()
    provider.configure({"kubeconfig": server.kubeconfig()})
    server.answers = [Answer(201, live(inputs(a="1")))]
    provider.create(urn=URN, inputs=inputs(a="1"), preview=True)

    assert len(server.requests) == 1
