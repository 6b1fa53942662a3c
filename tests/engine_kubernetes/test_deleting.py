"""Deletes: which object is meant, dependents, waiting for the end."""

import json
import queue

import pytest

from engine.kubernetes import KubernetesProviders
from engine.kubernetes.delete import COLLECTOR_PAUSES
from engine.provider import ProviderError

from .settings_map import PATH, delete, inputs, live, outputs
from .tinyserver import Answer, status


def test_a_delete_names_the_object_that_is_meant(provider, server):
    server.answers = [Answer(200, {"kind": "Status", "status": "Success"})]
    delete(provider, inputs(a="1"), outputs(inputs(a="1")))

    (request,) = server.requests
    assert (request.method, request.path) == ("DELETE", f"{PATH}/settings")
    assert request.body == {"propagationPolicy": "Background", "preconditions": {"uid": "u1"}}


@pytest.mark.parametrize(
    ("kind", "annotation", "policy"),
    [
        pytest.param("ConfigMap", None, "Background", id="a kind that owns nothing"),
        pytest.param("ConfigMap", "orphan", "Orphan", id="as the program says"),
        pytest.param("Service", None, "Foreground", id="other kinds"),
        pytest.param("Service", "background", "Background", id="other kinds as the program says"),
    ],
)
def test_dependents_go_first_unless_there_can_be_none(provider, server, kind, annotation, policy):
    document = {**inputs(), "kind": kind}
    if annotation:
        document["metadata"]["annotations"] = {"pulumi.com/deletionPropagationPolicy": annotation}
    server.answers = [Answer(200, {"kind": "Status", "status": "Success"})]
    urn = f"urn:pulumi:dev::project::kubernetes:core/v1:{kind}::settings"
    provider.delete(urn=urn, id="default/settings", old_inputs=document, old_outputs=outputs(document))

    assert server.requests[0].body["propagationPolicy"] == policy


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(status(404, "NotFound", "not there"), id="gone"),
        pytest.param(
            status(409, "Conflict", "the UID in the precondition (u1) does not match the UID in record (u2)"),
            id="successor of the same name",
        ),
    ],
)
def test_an_object_that_is_gone_is_deleted(provider, server, answer):
    server.answers = [answer]
    delete(provider, inputs(a="1"), outputs(inputs(a="1")))

    assert len(server.requests) == 1


def test_a_delete_waits_for_the_end(provider, server):
    lines = queue.Queue()
    lines.put({"type": "MODIFIED", "object": live(inputs(a="1"))})
    lines.put({"type": "DELETED", "object": live(inputs(a="1"))})
    lines.put(None)
    lingering = live(inputs(a="1"), version="5", deletionTimestamp="now", finalizers=["example.com/guard"])
    server.answers = [Answer(200, lingering), Answer(stream=lines)]
    delete(provider, inputs(a="1"), outputs(inputs(a="1")))

    assert server.requests[1].query["resourceVersion"] == "5"
    assert server.requests[1].query["fieldSelector"] == "metadata.name=settings"


def collected(version):
    """An object that waits for the garbage collector only."""
    finalizers = ["foregroundDeletion"]
    return Answer(200, live(inputs(a="1"), version=version, deletionTimestamp="now", finalizers=finalizers))


def test_what_the_collector_takes_soon_is_not_watched(provider, server):
    server.answers = [collected("5"), collected("5"), status(404, "NotFound", "gone")]
    delete(provider, inputs(a="1"), outputs(inputs(a="1")))

    assert [request.method for request in server.requests] == ["DELETE", "GET", "GET"]
    assert not any(request.query.get("watch") for request in server.requests)
    assert server.connections == 1


def test_what_the_collector_does_not_take_soon_is_watched_from_what_was_seen_last(provider, server):
    looks = len(COLLECTOR_PAUSES)
    lines = queue.Queue()
    lines.put({"type": "DELETED", "object": live(inputs(a="1"))})
    lines.put(None)
    server.answers = [collected("5"), *(collected("6") for _ in range(looks)), Answer(stream=lines)]
    delete(provider, inputs(a="1"), outputs(inputs(a="1")))

    assert len(server.requests) == 1 + looks + 1
    assert server.requests[-1].query["resourceVersion"] == "6"


def test_an_object_that_may_not_be_read_is_watched(provider, server):
    lines = queue.Queue()
    lines.put({"type": "DELETED", "object": live(inputs(a="1"))})
    lines.put(None)
    server.answers = [collected("5"), status(403, "Forbidden", "may not"), Answer(stream=lines)]
    delete(provider, inputs(a="1"), outputs(inputs(a="1")))

    assert server.requests[-1].query["resourceVersion"] == "5"


@pytest.mark.parametrize(
    "answers",
    [
        pytest.param([live(inputs(a="1"))], id="the object as it was"),
        pytest.param([live(inputs(a="1"), deletionTimestamp="now"), None], id="the object at its end"),
        pytest.param(
            [live(inputs(a="1"), deletionTimestamp="now"), live(inputs(a="1"), uid="u2")], id="a successor"
        ),
    ],
)
def test_a_delete_that_answers_with_the_object_waits_no_longer_than_it_lives(provider, server, answers):
    """Some kinds answer with what was deleted, and there is no event to come."""
    gone = status(404, "NotFound", "gone")
    server.answers = [gone if answer is None else Answer(200, answer) for answer in answers]
    delete(provider, inputs(a="1"), outputs(inputs(a="1")))

    assert [request.method for request in server.requests] == ["DELETE", "GET"][: len(answers)]


def test_a_delete_that_may_not_be_watched_looks_again_and_again(provider, server, monkeypatch):
    monkeypatch.setattr("engine.kubernetes.delete._POLL_SECONDS", 0.01)
    lingering = live(inputs(a="1"), deletionTimestamp="now", finalizers=["example.com/guard"])
    answers = iter([Answer(200, lingering), Answer(200, lingering), status(404, "NotFound", "gone")])
    server.handler = lambda request: (
        status(403, "Forbidden", "may not watch") if request.query.get("watch") else next(answers)
    )
    delete(provider, inputs(a="1"), outputs(inputs(a="1")))

    assert [request.method for request in server.requests] == ["DELETE", "GET", "GET", "GET", "GET"]


def test_a_delete_that_hangs_names_the_finalizers(provider, server):
    lingering = live(inputs(a="1"), deletionTimestamp="now", finalizers=["example.com/guard"])
    server.handler = lambda request: (
        Answer(stream=_ended()) if request.query.get("watch") else Answer(200, lingering)
    )

    with pytest.raises(ProviderError, match=r"not gone after 1 s.*example\.com/guard"):
        delete(provider, inputs(a="1"), outputs(inputs(a="1")), timeout=1)


def test_an_unready_delete_policy_is_refused_before_anything_is_sent(provider, server):
    document = inputs(a="1")
    document["metadata"]["annotations"] = {"pulumi.com/deletionPropagationPolicy": "sideways"}

    with pytest.raises(ProviderError, match=r"'sideways'.*orphan, background, foreground"):
        delete(provider, document, outputs(document))
    assert server.requests == []


def test_the_deletion_of_an_object_whose_kind_is_gone_succeeds(provider, server):
    urn = "urn:pulumi:dev::project::kubernetes:example.com/v1:Zone::zone"
    zone = {"apiVersion": "example.com/v1", "kind": "Zone", "metadata": {"name": "z", "namespace": "n"}}
    provider.delete(urn=urn, id="n/z", old_inputs=zone, old_outputs=zone)

    assert [request.method for request in server.requests] == ["GET"]


def test_unreachable_clusters_fail_deletes_unless_told_otherwise(monkeypatch):
    config = {
        "current-context": "x",
        "clusters": [{"name": "x", "cluster": {"server": "http://127.0.0.1:1"}}],
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
        "users": [{"name": "x", "user": {"token": "t"}}],
    }
    strict, lenient = KubernetesProviders()(), KubernetesProviders()()
    strict.configure({"kubeconfig": json.dumps(config)})
    lenient.configure({"kubeconfig": json.dumps(config), "deleteUnreachable": "true"})

    with pytest.raises(ProviderError, match=r"127\.0\.0\.1:1"):
        delete(strict, inputs(a="1"), outputs(inputs(a="1")))
    delete(lenient, inputs(a="1"), outputs(inputs(a="1")))


def _ended():
    lines = queue.Queue()
    lines.put(None)
    return lines


def test_a_canceled_delete_says_that_the_object_is_still_going(provider, server):
    lingering = live(inputs(a="1"), deletionTimestamp="now", finalizers=["example.com/guard"])

    def answer(request):
        provider.cancel()
        return Answer(stream=_ended()) if request.query.get("watch") else Answer(200, lingering)

    server.handler = answer

    with pytest.raises(ProviderError, match=r"was canceled; it is still being deleted"):
        delete(provider, inputs(a="1"), outputs(inputs(a="1")))
