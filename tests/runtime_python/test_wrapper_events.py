"""What reaches the handler, and what comes back: CloudEvents in both modes, and plain JSON."""

import base64
import json
import re

import pytest
from wrapper_process import EVENT, Function

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
STRUCTURED = {"specversion": "1.0", "id": "e-1", "source": "network.notifi.acme", "type": "t.parser.start"}
JSON = {"content-type": "application/json"}


def structured(function: Function, **fields: object):
    body = json.dumps(STRUCTURED | fields).encode()
    return function.request(
        "POST", "/", body, {"content-type": "application/cloudevents+json; charset=utf-8"}
    )


def test_a_binary_event_reaches_the_handler_with_its_attributes(echo: Function) -> None:
    reply = echo.send({"contextId": "c"}, ce_subject="p%C3%A4rser%20one")

    assert reply.status == 200
    assert reply.data["result"] == {
        "statusCode": 200,
        "body": {
            "data": {"contextId": "c"},
            "type": "t.parser.start",
            "source": "network.notifi.acme",
            "subject": "pärser one",
        },
    }


def test_a_structured_event_reaches_the_handler_like_a_binary_one(echo: Function) -> None:
    reply = structured(echo, data={"contextId": "c"}, subject="p1")

    assert (
        reply.data["result"]["body"] == echo.send({"contextId": "c"}, ce_subject="p1").data["result"]["body"]
    )


def test_base64_data_of_a_structured_event_is_decoded(echo: Function) -> None:
    encoded = base64.b64encode(b'{"a": 1}').decode()

    reply = structured(echo, data_base64=encoded, datacontenttype="application/json")

    assert reply.data["result"]["body"]["data"] == {"a": 1}


def test_a_plain_json_body_is_a_direct_call(echo: Function) -> None:
    reply = echo.request("POST", "/", b'{"a": 1}', JSON)

    assert reply.data["result"]["body"]["data"] == {"a": 1}
    assert reply.data["result"]["body"]["type"] == "io.knative.lambda.invoke.sync"


@pytest.mark.parametrize("data", [None, [1, 2], "text", 7, True])
def test_data_that_is_no_object_is_in_the_data_attribute(echo: Function, data: object) -> None:
    assert echo.send(data).data["result"]["body"]["data"] == data


def test_an_event_without_a_body_has_no_data(echo: Function) -> None:
    assert echo.request("POST", "/", None, EVENT).data["result"]["body"]["data"] is None


def test_the_payload_of_an_invocation_event_is_the_data(echo: Function) -> None:
    data = {"invocationId": "i-1", "correlationId": "c-1", "payload": {"a": 1}, "functionName": "f"}

    reply = echo.send(data, ce_type="io.knative.lambda.invoke.async")

    assert reply.data["result"]["body"]["data"] == {"a": 1}
    assert (reply.data["invocationId"], reply.data["correlationId"]) == ("i-1", "c-1")


def test_a_reply_is_a_response_cloudevent_of_the_function(echo: Function) -> None:
    reply = echo.send({})

    headers = {
        name: reply.headers[f"ce-{name}"]
        for name in ("specversion", "type", "source", "subject", "causationid")
    }
    assert headers == {
        "specversion": "1.0",
        "type": "io.knative.lambda.response.success",
        "source": "io.knative.lambda/lambda-acme-p1",
        "subject": "lambda-acme-p1",
        "causationid": "e-1",
    }
    assert UUID.fullmatch(reply.headers["ce-id"])
    assert reply.headers["content-type"] == "application/json"


def test_a_reply_says_whose_it_is_and_what_it_took(echo: Function) -> None:
    data = echo.send({}).data

    assert (data["functionName"], data["namespace"]) == ("lambda-acme-p1", "knative-lambda-local")
    assert UUID.fullmatch(data["invocationId"])
    assert data["metrics"]["durationMs"] >= 0
    assert 1 < data["metrics"]["memoryUsedMb"] < 100


def test_only_the_first_call_is_a_cold_start(run) -> None:
    function = run("def handler(event): return 1")

    assert [function.send({}).data["metrics"]["coldStart"] for _ in range(3)] == [True, False, False]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param({"x_correlation_id": "c-1", "ce_correlationid": "c-2"}, "c-1", id="header first"),
        pytest.param({"ce_correlationid": "c-2"}, "c-2", id="then extension"),
        pytest.param({}, "e-1", id="then event id"),
    ],
)
def test_the_correlation_id_is_taken_and_echoed(
    echo: Function, headers: dict[str, str], expected: str
) -> None:
    reply = echo.send({}, **headers)

    assert reply.headers["x-correlation-id"] == expected
    assert reply.headers["ce-correlationid"] == expected
    assert reply.data["correlationId"] == expected


def test_an_id_that_is_unfit_for_a_header_is_replaced(echo: Function) -> None:
    reply = structured(echo, id="a\r\nSet-Cookie: x")

    assert UUID.fullmatch(reply.headers["x-correlation-id"])
    assert "set-cookie" not in reply.headers
    assert reply.headers["ce-causationid"] == "a%0D%0ASet-Cookie:%20x"


def test_the_trace_goes_on_in_the_reply(echo: Function) -> None:
    traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    reply = echo.send({}, traceparent=traceparent)

    assert reply.headers["ce-traceparent"] == traceparent
    assert reply.headers["x-trace-id"] == "0af7651916cd43dd8448eb211c80319c"


@pytest.mark.parametrize(
    ("body", "headers", "why"),
    [
        pytest.param(b"{", JSON | EVENT, "not JSON", id="malformed"),
        pytest.param(b"NaN", JSON | EVENT, "not JSON", id="NaN"),
        pytest.param(b'"\xff"', JSON | EVENT, "not JSON", id="not UTF-8"),
        pytest.param(b"[" * 100_000, JSON | EVENT, "nested too deeply", id="deep"),
        pytest.param(b"{}", EVENT, "content type", id="no content type"),
        pytest.param(b"{}", EVENT | {"content-type": "text/plain"}, "text/plain", id="text"),
        pytest.param(b"{}", JSON | {"ce-id": "1"}, "ce-source is missing", id="some attributes missing"),
        pytest.param(
            b"{}", JSON | EVENT | {"ce-specversion": "0.3"}, "1.0 is understood", id="old specversion"
        ),
        pytest.param(b"{}", JSON | EVENT | {"ce-id": ""}, "ce-id is missing or empty", id="empty id"),
        pytest.param(b"[]", {"content-type": "application/cloudevents-batch+json"}, "one event", id="batch"),
        pytest.param(
            b"[]", {"content-type": "application/cloudevents+json"}, "JSON object", id="structured list"
        ),
        pytest.param(
            json.dumps(STRUCTURED | {"data": 1, "data_base64": "MQ=="}).encode(),
            {"content-type": "application/cloudevents+json"},
            "both given",
            id="two data",
        ),
        pytest.param(
            json.dumps(STRUCTURED | {"data_base64": "%", "datacontenttype": "application/json"}).encode(),
            {"content-type": "application/cloudevents+json"},
            "not base64",
            id="bad base64",
        ),
    ],
)
def test_what_is_no_event_is_refused_with_the_reason(
    echo: Function, body: bytes, headers: dict[str, str], why: str
) -> None:
    reply = echo.request("POST", "/", body, headers)

    assert reply.status == 400
    assert reply.data["error"]["code"] == "VALIDATION_ERROR"
    assert reply.data["error"]["retryable"] is False
    assert why in reply.data["error"]["message"]
