"""Bad requests: each gets its 4xx in the contract's error body, and automation never hears of it."""

import json

import pytest

DEEP = b'{"a":' * 65 + b"1" + b"}" * 65
VERY_DEEP = b"[" * 100_000


@pytest.mark.parametrize(
    ("changes", "hint"),
    [
        pytest.param({"content_type": None}, "content-type: '' is not allowed", id="no content type"),
        pytest.param({"content_type": "text/plain"}, "content-type: 'text/plain'", id="text"),
        pytest.param({"content_type": "application/xml"}, "content-type", id="xml"),
        pytest.param({"content_type": "application/jsonp"}, "content-type", id="almost json"),
        pytest.param({"content_type": "application/json; charset=utf-16"}, "charset 'utf-16'", id="charset"),
        pytest.param({"content_type": "application/cloudevents"}, "content-type", id="no event format"),
        pytest.param({"content_type": "application/cloudevents+xml"}, "content-type", id="event format"),
        pytest.param({"content_encoding": "gzip"}, "compressed bodies are not supported", id="compressed"),
        pytest.param(
            {"ce_dryrun": "yes"}, 'dryrun: "yes" is not allowed; allowed: true or false', id="dryrun"
        ),
        pytest.param({"ce_planid": "42"}, 'planid: "42" is not allowed; allowed: the plan_id', id="planid"),
        pytest.param(
            {"ce_dryrun": "true", "ce_planid": "plan-" + "0" * 32}, "send one of dryrun and planid", id="both"
        ),
        pytest.param({"ce_id": None}, "id: missing", id="no id"),
        pytest.param({"ce_source": None}, "source: missing", id="no source"),
        pytest.param({"ce_type": None}, "type: missing", id="no type"),
        pytest.param({"ce_specversion": None}, "specversion: missing", id="no specversion"),
        pytest.param({"ce_specversion": "0.3"}, "specversion: not valid; allowed: 1.0", id="old specversion"),
        pytest.param({"ce_id": ""}, "id: empty", id="empty id"),
        pytest.param({"ce_subject": ""}, "subject: empty", id="empty subject"),
        pytest.param({"ce_id": "a%0ab"}, "id: ", id="line break in id"),
        pytest.param({"ce_id": "x" * 1025}, "id: ", id="long id"),
        pytest.param({"ce_time": "yesterday"}, "time: not valid; allowed: RFC 3339", id="time"),
        pytest.param({"ce_time": "2026-01-31T12:00:00"}, "time: not valid", id="time without zone"),
        pytest.param({"ce_bad_name": "x"}, "'bad-name': not valid", id="extension name"),
        pytest.param({"ce_data": "x"}, "'data': not valid", id="extension named data"),
        pytest.param({"ce_type": "network.notifi.lambda.build.begin"}, "is not known", id="unknown type"),
        pytest.param({"ce_type": "io.knative.lambda.invoke.sync"}, "not served yet", id="type not built"),
        pytest.param({"body": b""}, "third_party_id: missing", id="no body"),
        pytest.param({"body": b"{"}, "data: malformed JSON at line 1 column 2", id="malformed"),
        pytest.param({"body": b"{'a':1}"}, "data: malformed JSON", id="python"),
        pytest.param({"body": b"\xff\xfe"}, "data: not UTF-8", id="not utf-8"),
        pytest.param({"body": b"\xef\xbb\xbf{}"}, "data: malformed JSON", id="byte order mark"),
        pytest.param({"body": b'{"a":1} {"b":2}'}, "data: malformed JSON", id="two documents"),
        pytest.param({"body": b'{"parser_id":"a","parser_id":"b"}'}, "same name", id="duplicate key"),
        pytest.param({"body": b'{"x":{"a":1,"a":1}}'}, "same name", id="inner duplicate key"),
        pytest.param({"body": b'{"a":NaN}'}, "NaN is not JSON", id="nan"),
        pytest.param({"body": b'{"a":-Infinity}'}, "-Infinity is not JSON", id="infinity"),
        pytest.param({"body": b'{"a":1e999}'}, "too large", id="overflowing number"),
        pytest.param({"body": b'{"a":' + b"1" * 4001 + b"}"}, "third_party_id", id="big integer"),
        pytest.param({"body": DEEP}, "nested too deeply; allowed: 64 levels", id="deep"),
        pytest.param({"data": []}, "data: a list is not allowed", id="list"),
        pytest.param({"data": "text"}, "data: ", id="string"),
        pytest.param({"data": {"third_party_id": "a"}}, "parser_id: missing", id="no parser"),
        pytest.param(
            {"data": {"third_party_id": "../..", "parser_id": "b"}}, "third_party_id: ", id="path trick"
        ),
        pytest.param(
            {"data": {"third_party_id": "a", "parser_id": "b", "s3_prefix": "../../x"}},
            "s3_prefix: ",
            id="key trick",
        ),
    ],
)
async def test_bad_binary_events_are_refused(client, automation, binary, refusal_problems, changes, hint):
    response = await client.post("/", **binary(**changes))

    assert refusal_problems(response, 400) == []
    body = response.json()
    assert body["error_type"] == "validation_error"
    assert body["retry_after"] is None
    assert any(hint in detail for detail in body["details"]), body["details"]
    assert automation.events == []


@pytest.mark.parametrize(
    ("changes", "hint"),
    [
        pytest.param({"id": None}, "id: missing", id="no id"),
        pytest.param({"type": None}, "type: missing", id="no type"),
        pytest.param({"id": 5}, "id: empty or not a text", id="id is a number"),
        pytest.param({"source": ["x"]}, "source: empty or not a text", id="source is a list"),
        pytest.param({"specversion": 1.0}, "specversion: not valid", id="version is a number"),
        pytest.param({"time": 5}, "time: not valid", id="time is a number"),
        pytest.param({"myextension": {"a": 1}}, "'myextension': not valid", id="extension is an object"),
        pytest.param({"Bad-Name": "x"}, "'Bad-Name': not valid", id="extension name"),
        pytest.param({"datacontenttype": "text/plain"}, "datacontenttype is not JSON", id="data is text"),
        pytest.param({"datacontenttype": 5}, "datacontenttype is not JSON", id="content type is a number"),
        pytest.param({"data_base64": "e30="}, "exclude each other", id="data twice"),
        pytest.param({"data": None, "data_base64": "!"}, "data_base64 holds no JSON", id="not base64"),
        pytest.param({"data": None, "data_base64": 5}, "data_base64 holds no JSON", id="base64 is a number"),
        pytest.param(
            {"data": None, "data_base64": "e2E="}, "data_base64 holds no JSON", id="base64 of no JSON"
        ),
        pytest.param(
            {"data": None, "data_base64": "\u00e4"}, "data_base64 holds no JSON", id="base64 not ascii"
        ),
    ],
)
async def test_bad_structured_events_are_refused(
    client, automation, structured, refusal_problems, changes, hint
):
    event_type = changes.get("type", "network.notifi.lambda.build.start")
    event = structured(event_type, **{name: value for name, value in changes.items() if name != "type"})
    response = await client.post("/", **event)

    assert refusal_problems(response, 400) == []
    assert any(hint in detail for detail in response.json()["details"]), response.json()["details"]
    assert automation.events == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"1", b"null", b'"x"', b'{"id":1,"id":2}', b"\xff", DEEP])
async def test_structured_bodies_that_are_no_event_are_refused(client, automation, refusal_problems, body):
    headers = {"content-type": "application/cloudevents+json"}
    response = await client.post("/", headers=headers, content=body)

    assert refusal_problems(response, 400) == []
    assert automation.events == []


@pytest.mark.parametrize("name", ["ce-id", "ce-type", "ce-source", "ce-subject", "content-type"])
async def test_headers_sent_twice_are_refused(client, automation, binary, refusal_problems, name):
    event = binary()
    headers = [*event["headers"].items(), (name, "application/json"), (name, "application/json")]
    response = await client.post("/", headers=headers, content=event["content"])

    assert refusal_problems(response, 400) == []
    assert any("send it once" in detail for detail in response.json()["details"])
    assert automation.events == []


async def test_every_problem_of_the_message_is_reported_at_once(client, refusal_problems):
    headers = {"content-type": "text/plain", "ce-subject": "", "ce-time": "x"}
    response = await client.post("/", headers=headers, content=b"{")

    assert refusal_problems(response, 400) == []
    names = {detail.partition(":")[0] for detail in response.json()["details"]}
    assert names == {"content-type", "data", "id", "source", "type", "specversion", "subject", "time"}
    assert response.json()["error"] == "the event has 8 problems; see details"


async def test_very_deep_documents_are_refused_quickly(
    app_settings, automation, open_client, binary, refusal_problems
):
    from service.app import create_app

    async with open_client(create_app(automation, app_settings(max_body_bytes=1_000_000))) as client:
        response = await client.post("/", **binary(body=VERY_DEEP))

    assert refusal_problems(response, 400) == []
    assert automation.events == []


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "BREW"])
@pytest.mark.parametrize("path", ["/", "/events", "/build"])
async def test_other_methods_are_refused_with_the_allowed_one(client, automation, binary, path, method):
    response = await client.request(method, path, **binary())

    assert response.status_code == 405
    assert response.headers["allow"] == "POST"
    assert automation.events == []


async def test_other_methods_get_the_error_body(client, refusal_problems):
    assert refusal_problems(await client.get("/"), 405) == []
    assert refusal_problems(await client.post("/health"), 405) == []


@pytest.mark.parametrize("path", ["/nowhere", "/events/", "/%2e%2e/", "/%2Fevents", "/metrics/x"])
async def test_unknown_paths_are_not_found(client, automation, binary, refusal_problems, path):
    response = await client.post(path, **binary())

    assert refusal_problems(response, 404) == []
    assert response.json()["error_type"] == "not_found"
    assert automation.events == []


async def stream(chunks):
    for chunk in chunks:
        yield chunk


async def test_bodies_over_the_limit_are_refused(client, automation, binary, refusal_problems):
    response = await client.post("/", **binary(body=b" " * 4097))

    assert refusal_problems(response, 413) == []
    assert "longer than 4096 bytes" in response.json()["error"]
    assert response.headers["connection"] == "close"
    assert automation.events == []


@pytest.mark.parametrize("announced", [None, "10", "nonsense", "-1", "9" * 30])
async def test_the_announced_length_is_not_trusted(client, automation, binary, refusal_problems, announced):
    event = binary(content_length=announced)
    response = await client.post("/", headers=event["headers"], content=stream([b" " * 1000] * 5))

    assert refusal_problems(response, 413) == []
    assert automation.events == []


async def test_a_body_of_exactly_the_limit_is_taken(client, automation, binary):
    document = json.dumps({"third_party_id": "a", "parser_id": "b"}).encode()
    response = await client.post("/", **binary(body=document.ljust(4096)))

    assert response.status_code == 200
    assert len(automation.events) == 1


async def test_two_megabytes_of_data_are_taken_by_default(app_settings, automation, open_client, structured):
    from service.app import create_app
    from service.settings import DEFAULT_MAX_BODY_BYTES

    data = {"third_party_id": "a", "parser_id": "b", "padding": "x" * 2_000_000}
    async with open_client(
        create_app(automation, app_settings(max_body_bytes=DEFAULT_MAX_BODY_BYTES))
    ) as client:
        response = await client.post("/", **structured(data=data))

    assert response.status_code == 200
    assert len(automation.events) == 1
