"""What reaches the handler, and what comes back: CloudEvents in both modes, and plain JSON."""

import base64
import json
import re

import pytest

from tests.runtimes.process import EVENT, FunctionProcess

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
STRUCTURED = {"specversion": "1.0", "id": "e-1", "source": "network.notifi.acme", "type": "t.parser.start"}
AS_STRUCTURED = {"content-type": "application/cloudevents+json; charset=utf-8"}
JSON = {"content-type": "application/json"}
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def structured(function: FunctionProcess, **fields: object):
    return function.request("POST", "/", json.dumps(STRUCTURED | fields).encode(), AS_STRUCTURED)


def body(reply):
    assert reply.status == 200, reply.body
    assert reply.data["result"]["statusCode"] == 200
    return reply.data["result"]["body"]


def test_a_binary_event_reaches_the_handler_with_its_attributes(whole) -> None:
    assert body(whole.send({"contextId": "c"}, ce_subject="p%C3%A4rser%20one")) == {
        "data": {"contextId": "c"},
        "type": "t.parser.start",
        "source": "network.notifi.acme",
        "subject": "pärser one",
    }


def test_a_structured_event_reaches_the_handler_like_a_binary_one(whole) -> None:
    reply = structured(whole, data={"contextId": "c"}, subject="p1", sequence=1, unset=None)

    assert body(reply) == body(whole.send({"contextId": "c"}, ce_subject="p1"))


def test_base64_data_of_a_structured_event_is_decoded(plain) -> None:
    encoded = base64.b64encode(b'{"a": 1}').decode()

    assert body(structured(plain, data_base64=encoded, datacontenttype="application/json")) == {
        "data": {"a": 1}
    }


def test_a_plain_json_body_is_a_direct_call(whole) -> None:
    found = body(whole.request("POST", "/", b'{"a": 1}', JSON))

    assert (found["data"], found["type"]) == ({"a": 1}, "io.knative.lambda.invoke.sync")


@pytest.mark.parametrize("data", [None, [1, 2], "text", 7, 1.5, True, {"ü": "😀", "__proto__": 1}])
def test_data_of_any_kind_reaches_the_handler(plain, data) -> None:
    assert body(plain.send(data)) == {"data": data}
    assert body(structured(plain, data=data)) == {"data": data}


def test_an_event_without_a_body_has_no_data(plain) -> None:
    assert body(plain.request("POST", "/", None, EVENT)) == {"data": None}


def test_the_payload_of_an_invocation_event_is_the_data(plain) -> None:
    data = {"invocationId": "i-1", "correlationId": "c-1", "payload": {"a": 1}, "functionName": "f"}

    reply = plain.send(data, ce_type="io.knative.lambda.invoke.async", ce_id="not fit for a header")

    assert body(reply) == {"data": {"a": 1}}
    assert (reply.data["invocationId"], reply.data["correlationId"]) == ("i-1", "c-1")


def test_a_reply_is_a_response_cloudevent_of_the_function(plain) -> None:
    reply = plain.send({})

    names = ("specversion", "type", "source", "subject", "causationid")
    assert {name: reply.headers[f"ce-{name}"] for name in names} == {
        "specversion": "1.0",
        "type": "io.knative.lambda.response.success",
        "source": "io.knative.lambda/lambda-acme-p1",
        "subject": "lambda-acme-p1",
        "causationid": "e-1",
    }
    assert UUID.fullmatch(reply.headers["ce-id"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", reply.headers["ce-time"])
    assert reply.headers["content-type"] == "application/json"


def test_a_reply_says_whose_it_is_and_what_it_took(plain) -> None:
    data = plain.send({}).data

    assert set(data) == {"functionName", "namespace", "invocationId", "correlationId", "result", "metrics"}
    assert (data["functionName"], data["namespace"]) == ("lambda-acme-p1", "knative-lambda-local")
    assert UUID.fullmatch(data["invocationId"])
    assert set(data["metrics"]) == {"durationMs", "coldStart", "memoryUsedMb"}
    assert 0 <= data["metrics"]["durationMs"] < 10_000
    assert 1 < data["metrics"]["memoryUsedMb"] < 200


def test_only_the_first_call_is_a_cold_start(run) -> None:
    function = run("plain")
    function.request("POST", "/", b"{", JSON)

    assert [function.send({}).data["metrics"]["coldStart"] for _ in range(3)] == [True, False, False]


def test_the_context_tells_about_the_call(run) -> None:
    function = run(TIMEOUT_SECONDS="7")

    reply = function.send({"do": "facts"}, x_correlation_id="c-1", traceparent=TRACEPARENT)

    facts = body(reply)
    assert 6 < facts.pop("remaining") <= 7
    assert facts == {
        "function": "lambda-acme-p1",
        "namespace": "knative-lambda-local",
        "third_party": "acme",
        "parser": "p1",
        "invocation": reply.data["invocationId"],
        "correlation": "c-1",
        "traceparent": TRACEPARENT,
        "cold_start": True,
        "event_id": "e-1",
    }


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param({"x_correlation_id": "c-1", "ce_correlationid": "c-2"}, "c-1", id="header-first"),
        pytest.param({"ce_correlationid": "c-2"}, "c-2", id="then-extension"),
        pytest.param({}, "e-1", id="then-event-id"),
    ],
)
def test_the_correlation_id_is_taken_and_echoed(plain, headers, expected) -> None:
    reply = plain.send({}, **headers)

    assert reply.headers["x-correlation-id"] == expected
    assert reply.headers["ce-correlationid"] == expected
    assert reply.data["correlationId"] == expected


def test_an_id_that_is_unfit_for_a_header_is_replaced(plain) -> None:
    reply = structured(plain, id="a\r\nSet-Cookie: x")

    assert UUID.fullmatch(reply.headers["x-correlation-id"])
    assert "set-cookie" not in reply.headers
    assert reply.headers["ce-causationid"] == "a%0D%0ASet-Cookie:%20x"


@pytest.mark.parametrize("place", ["traceparent", "ce_traceparent"])
def test_the_trace_goes_on_in_the_reply(plain, place) -> None:
    reply = plain.send({}, **{place: TRACEPARENT})

    assert reply.headers["ce-traceparent"] == TRACEPARENT
    assert reply.headers["x-trace-id"] == "0af7651916cd43dd8448eb211c80319c"


@pytest.mark.parametrize(
    "malformed", ["x", "ff" + TRACEPARENT[2:], TRACEPARENT.replace("b7ad6b7169203331", "0" * 16)]
)
def test_a_malformed_trace_is_dropped(plain, malformed) -> None:
    reply = plain.send({}, traceparent=malformed)

    assert (reply.status, "ce-traceparent" in reply.headers) == (200, False)


REFUSED = [
    pytest.param(b"{", JSON | EVENT, "not JSON", id="malformed"),
    pytest.param(b"NaN", JSON | EVENT, "not JSON", id="NaN"),
    pytest.param(b'{"a": 1} x', JSON | EVENT, "not JSON", id="more-than-json"),
    pytest.param(b'"\xff"', JSON | EVENT, "not JSON", id="not-UTF-8"),
    pytest.param(b"\xef\xbb\xbf{}", JSON | EVENT, "not JSON", id="byte-order-mark"),
    pytest.param(b"[" * 100_000, JSON | EVENT, "", id="deep"),
    pytest.param(b"{}", EVENT, "content type", id="no-content-type"),
    pytest.param(b"{}", EVENT | {"content-type": "text/plain"}, "text/plain", id="text"),
    pytest.param(b"{}", JSON | {"ce-id": "1"}, "ce-source is missing", id="some-attributes-missing"),
    pytest.param(b"{}", JSON | EVENT | {"ce-specversion": "0.3"}, "1.0 is understood", id="old-specversion"),
    pytest.param(b"{}", JSON | EVENT | {"ce-id": ""}, "ce-id is missing or empty", id="empty-id"),
    pytest.param(b"{}", JSON | EVENT | {"ce-not-a-name": "x"}, "no attribute name", id="odd-name"),
    pytest.param(b"[]", {"content-type": "application/cloudevents-batch+json"}, "one event", id="batch"),
    pytest.param(b"[]", AS_STRUCTURED, "JSON object", id="structured-list"),
    pytest.param(b"null", AS_STRUCTURED, "JSON object", id="structured-null"),
    pytest.param(b"", AS_STRUCTURED, "JSON object", id="structured-nothing"),
    pytest.param(json.dumps(STRUCTURED | {"ext": [1]}).encode(), AS_STRUCTURED, "'ext'", id="odd-attribute"),
    pytest.param(
        json.dumps(STRUCTURED | {"data": 1, "data_base64": "MQ=="}).encode(),
        AS_STRUCTURED,
        "both",
        id="two-data",
    ),
    pytest.param(
        json.dumps(STRUCTURED | {"data_base64": "%"}).encode(), AS_STRUCTURED, "not base64", id="base64"
    ),
    pytest.param(
        json.dumps(STRUCTURED | {"data_base64": "eA==", "datacontenttype": "text/plain"}).encode(),
        AS_STRUCTURED,
        "has to be JSON",
        id="base64-text",
    ),
]


@pytest.mark.parametrize(("sent", "headers", "why"), REFUSED)
def test_what_is_no_event_is_refused_with_the_reason(plain, sent, headers, why) -> None:
    reply = plain.request("POST", "/", sent, headers)

    assert reply.status == 400, reply.body
    assert reply.headers["ce-type"] == "io.knative.lambda.response.error"
    assert (reply.data["error"]["code"], reply.data["error"]["retryable"]) == ("VALIDATION_ERROR", False)
    assert why in reply.data["error"]["message"]
