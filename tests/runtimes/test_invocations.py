"""Invocation events: what their metadata asks for. Their payload and ids are in test_events.py."""

import datetime
import time

import pytest

from tests.runtimes.process import FunctionProcess, Reply

TRACE_ID, SPAN_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def at(seconds: float) -> str:
    """Return the time so many seconds from now as RFC 3339."""
    return (datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)).isoformat()


def invoke(function: FunctionProcess, payload: object, *, kind: str = "sync", **metadata: object) -> Reply:
    data = {"functionName": "lambda-acme-p1", "namespace": "n", "invocationId": "i-1", "correlationId": "c-1"}
    return function.send(
        {**data, "payload": payload, "metadata": metadata}, ce_type=f"io.knative.lambda.invoke.{kind}"
    )


@pytest.mark.parametrize("kind", ["sync", "async", "scheduled", "retry"])
def test_every_kind_of_invocation_is_answered_with_its_ids_and_metrics(actions, kind) -> None:
    reply = invoke(actions, {"do": "echo", "value": 1}, kind=kind, retryCount=2, deadlineAt=at(60))

    assert (reply.status, reply.headers["ce-type"]) == (200, "io.knative.lambda.response.success")
    assert reply.data["result"] == {"statusCode": 200, "body": {"data": 1}}
    assert (reply.data["invocationId"], reply.data["correlationId"]) == ("i-1", "c-1")
    assert set(reply.data["metrics"]) == {"durationMs", "coldStart", "memoryUsedMb"}


def test_the_handler_learns_what_the_sender_tells_about_the_invocation(actions) -> None:
    reply = invoke(actions, {"do": "metadata"}, retryCount=2, campaign="spring")

    assert reply.data["result"]["body"] == {"retryCount": 2, "campaign": "spring"}


def test_the_trace_of_an_invocations_metadata_goes_on(actions) -> None:
    reply = invoke(actions, {"do": "facts"}, traceId=TRACE_ID, spanId=SPAN_ID)

    assert reply.data["result"]["body"]["traceparent"] == f"00-{TRACE_ID}-{SPAN_ID}-01"
    assert reply.headers["x-trace-id"] == TRACE_ID


def test_an_event_past_its_deadline_is_answered_without_a_call(run) -> None:
    function = run()

    reply = invoke(function, {"do": "log", "n": 1}, deadlineAt=at(-1))

    assert (reply.status, reply.headers["ce-type"]) == (504, "io.knative.lambda.response.timeout")
    assert (reply.data["error"]["code"], reply.data["error"]["retryable"]) == ("TIMEOUT_ERROR", False)
    assert "deadlineAt" in reply.data["error"]["message"]
    assert invoke(function, {"do": "nothing"}).data["metrics"]["coldStart"], "nothing was called before"
    assert "printed" not in function.lines


def test_the_deadline_of_an_event_is_the_handlers(actions) -> None:
    remaining = invoke(actions, {"do": "facts"}, deadlineAt=at(5)).data["result"]["body"]["remaining"]

    assert 3 < remaining <= 5


def test_a_deadline_after_the_functions_time_leaves_that(actions) -> None:
    remaining = invoke(actions, {"do": "facts"}, deadlineAt=at(3600)).data["result"]["body"]["remaining"]

    assert 50 < remaining <= 60


def test_a_handler_is_stopped_at_the_events_deadline(run) -> None:
    function = run("later")
    invoke(function, {"seconds": 0})

    began = time.monotonic()
    reply = invoke(function, {"seconds": 3600}, deadlineAt=at(0.5))

    assert (reply.status, reply.headers["ce-type"]) == (504, "io.knative.lambda.response.timeout")
    assert time.monotonic() - began < 20
    assert reply.data["error"]["retryable"]
    assert "deadlineAt" in reply.data["error"]["message"]
    function.wait_for_line("stopped")
    assert invoke(function, {"seconds": 0}).status == 200


def test_a_handler_in_a_loop_is_answered_for_at_the_events_deadline(run) -> None:
    function = run()
    invoke(function, {"do": "nothing"})

    began = time.monotonic()
    reply = invoke(function, {"do": "hang"}, deadlineAt=at(0.5))

    assert reply.status == 504
    assert time.monotonic() - began < 20, "the function's own time is 60 s"
    assert function.exit_status() == 1


@pytest.mark.parametrize(
    ("metadata", "why"),
    [
        pytest.param({"deadlineAt": "soon"}, "RFC 3339", id="words"),
        pytest.param({"deadlineAt": 1700000000}, "RFC 3339", id="number"),
        pytest.param({"deadlineAt": "2026-01-31T12:00:00"}, "RFC 3339", id="no-offset"),
        pytest.param({"deadlineAt": "2026-13-31T12:00:00Z"}, "RFC 3339", id="no-such-month"),
    ],
)
def test_a_deadline_that_is_no_time_is_refused(actions, metadata, why) -> None:
    reply = invoke(actions, {"do": "nothing"}, **metadata)

    assert (reply.status, reply.data["error"]["code"]) == (400, "VALIDATION_ERROR")
    assert why in reply.data["error"]["message"]


def test_metadata_that_is_no_object_is_refused(actions) -> None:
    reply = actions.send({"payload": {}, "metadata": [1]}, ce_type="io.knative.lambda.invoke.sync")

    assert (reply.status, reply.data["error"]["message"]) == (400, "metadata is no JSON object")


def test_other_events_keep_a_deadline_in_their_data_to_themselves(plain) -> None:
    data = {"payload": 1, "metadata": {"deadlineAt": at(-1)}}

    assert plain.send(data).data["result"]["body"] == {"data": data}
