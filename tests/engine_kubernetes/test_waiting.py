"""How waiting for an object ends."""

import queue
import threading
import time

import pytest

from engine.provider import PartialFailure

from .tinyserver import Answer, status

URN = "urn:pulumi:dev::project::kubernetes:batch/v1:Job::build"


def job(**annotations):
    metadata = {"name": "build", "namespace": "default", "annotations": annotations}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": {}}


def live(version="1", *found, **annotations):
    document = job(**annotations)
    document["metadata"] |= {"uid": "u", "resourceVersion": version}
    return {**document, "status": {"startTime": "t", "conditions": list(found)}}


def events(*objects):
    lines = queue.Queue()
    for item in objects:
        lines.put({"type": "MODIFIED", "object": item})
    lines.put(None)
    return lines


COMPLETE = {"type": "Complete", "status": "True"}
FAILED = {"type": "Failed", "status": "True", "reason": "DeadlineExceeded", "message": "too slow"}


def test_a_create_returns_the_object_as_it_was_when_ready(provider, server):
    server.answers = [Answer(201, live("1")), Answer(stream=events(live("2"), live("3", COMPLETE)))]
    server.handler = lambda request: Answer(stream=events(live("3", COMPLETE)))
    result = provider.create(urn=URN, inputs=job())

    assert result.outputs["status"]["conditions"] == [COMPLETE]
    assert server.requests[1].query["fieldSelector"] == "metadata.name=build"


def test_an_object_that_fails_is_recorded_with_the_reasons(provider, server):
    server.answers = [Answer(201, live("1", FAILED))]

    with pytest.raises(PartialFailure) as caught:
        provider.create(urn=URN, inputs=job())
    assert caught.value.id == "default/build"
    assert caught.value.reasons == ("Job default/build failed", "[DeadlineExceeded] too slow")
    assert caught.value.outputs["metadata"]["uid"] == "u"
    assert caught.value.outputs["__inputs"] == job()


def test_waiting_ends_at_the_annotations_timeout(provider, server):
    text = {"pulumi.com/timeoutSeconds": "1"}
    server.answers = [Answer(201, live("1", **text))]
    server.handler = lambda request: Answer(stream=events())
    started = time.monotonic()

    with pytest.raises(
        PartialFailure, match="Job default/build was not ready after 1 s; the Job has not completed"
    ):
        provider.create(urn=URN, inputs=job(**text))
    assert time.monotonic() - started < 10


def test_what_is_not_to_be_awaited_is_not_watched(provider, server):
    server.answers = [Answer(201, live("1", **{"pulumi.com/skipAwait": "true"}))]
    provider.create(urn=URN, inputs=job(**{"pulumi.com/skipAwait": "true"}))

    assert [request.method for request in server.requests] == ["POST"]


def test_the_annotation_replaces_the_kinds_own_rule(provider, server):
    text = {"pulumi.com/waitFor": "jsonpath={.status.startTime}=t"}
    server.answers = [Answer(201, live("1", **text))]
    provider.create(urn=URN, inputs=job(**text))

    assert [request.method for request in server.requests] == ["POST"]


def test_an_object_that_vanishes_while_it_is_awaited_is_a_failure(provider, server):
    gone = queue.Queue()
    gone.put({"type": "DELETED", "object": live("2")})
    gone.put(None)
    server.answers = [Answer(201, live("1")), Answer(stream=gone)]

    with pytest.raises(PartialFailure, match="was deleted while it was waited for"):
        provider.create(urn=URN, inputs=job())


def test_a_watch_that_started_too_late_is_taken_up_by_a_read(provider, server):
    expired = queue.Queue()
    expired.put({"type": "ERROR", "object": {"code": 410, "reason": "Expired", "message": "too old"}})
    expired.put(None)
    server.answers = [Answer(201, live("1")), Answer(stream=expired), Answer(200, live("9", COMPLETE))]
    result = provider.create(urn=URN, inputs=job())

    assert result.outputs["metadata"]["resourceVersion"] == "9"


def test_a_watch_that_ends_is_resumed_where_it_stopped(provider, server):
    server.answers = [
        Answer(201, live("1")),
        Answer(stream=events(live("2"))),
        Answer(stream=events()),
        Answer(stream=events(live("3", COMPLETE))),
    ]
    provider.create(urn=URN, inputs=job())

    versions = [request.query.get("resourceVersion") for request in server.requests[1:]]
    assert versions == ["1", "2", "2"]


@pytest.mark.parametrize("code", [403, 500])
def test_what_may_not_be_watched_is_looked_at_again_and_again(provider, server, monkeypatch, code):
    monkeypatch.setattr("engine.kubernetes.await_._POLL_SECONDS", 0.01)
    found = iter([live("2"), live("3", COMPLETE)])

    def answer(request):
        if request.method == "POST":
            return Answer(201, live("1"))
        return status(code, "Refused", "no") if request.query.get("watch") else Answer(200, next(found))

    server.handler = answer

    assert provider.create(urn=URN, inputs=job()).outputs["metadata"]["resourceVersion"] == "3"


def test_a_job_that_goes_on_gets_its_time_anew(provider, server):
    """Each change comes 0.6 s after the last one, and the limit is 1 s."""
    changes = iter([live("2"), live("3"), live("4", COMPLETE)])

    def answer(request):
        if request.method == "POST":
            return Answer(201, live("1", **{"pulumi.com/timeoutSeconds": "1"}))
        threading.Event().wait(0.6)
        return Answer(stream=events(next(changes)))

    server.handler = answer
    document = job(**{"pulumi.com/timeoutSeconds": "1"})

    assert provider.create(urn=URN, inputs=document).outputs["metadata"]["resourceVersion"] == "4"


def test_a_job_that_is_not_complete_is_replaced_on_request(provider, server):
    document = job(**{"pulumi.com/replaceUnready": "true"})
    recorded = {**live("1"), "__inputs": document}
    server.answers = [
        Answer(200, live("2")),
        Answer(200, live("3", COMPLETE)),
        status(404, "NotFound", "gone"),
    ]
    verdicts = [
        provider.diff(urn=URN, id="default/build", old_inputs=document, old_outputs=recorded, news=document)
        for _ in range(3)
    ]

    assert [bool(verdict.replaces) for verdict in verdicts] == [True, False, True]


def test_a_canceled_wait_ends_with_the_object_as_it_is(provider, server):
    """As for ^C: the operation has to end, and the next one to know what is there."""

    def answer(request):
        if request.method == "POST":
            return Answer(201, live("1"))
        provider.cancel()
        return Answer(stream=events(live("2")))

    server.handler = answer

    with pytest.raises(PartialFailure, match="waiting for Job default/build was canceled") as caught:
        provider.create(urn=URN, inputs=job())
    assert caught.value.id == "default/build"
    assert caught.value.outputs["metadata"]["resourceVersion"] == "2"
