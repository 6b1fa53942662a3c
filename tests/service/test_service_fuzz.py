"""Whatever bytes come as headers and body, the answer is never a 5xx, and never a half one."""

import json

from cloudevents.core.bindings.http import HTTPMessage, from_binary_event
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from automation.event_parser import NOT_SERVED, SERVED

# The application is made once for all examples: it keeps nothing between requests but counters.
patient = settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

FIELDS = [
    "third_party_id",
    "parserId",
    "name",
    "s3_prefix",
    "status",
    "image_uri",
    "error",
    "time",
    "subject",
    "id",
]

names = st.sampled_from(
    [b"ce-id", b"ce-source", b"ce-type", b"ce-specversion", b"ce-time", b"ce-subject"]
) | (
    st.sampled_from(
        [b"ce-dataschema", b"ce-correlationid", b"ce-", b"ce-x_y", b"content-type", b"content-length"]
    )
    | st.sampled_from([b"content-encoding", b"x-correlation-id", b"traceparent"])
)
values = (
    st.sampled_from(
        [b"1.0", b"application/json", b"application/cloudevents+json", b"a", b"%", b"%ff", b"%00", b""]
    )
    | st.sampled_from([name.encode() for name in (*SERVED, *sorted(NOT_SERVED))])
    | st.binary(max_size=40)
)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["acme", "1.0", *SERVED]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.sampled_from(FIELDS), inner, max_size=4)
    ),
    max_leaves=15,
)
bodies = st.binary(max_size=200) | json_values.map(lambda value: json.dumps(value).encode())
valid = [
    (b"ce-id", b"1"),
    (b"ce-source", b"network.notifi.acme"),
    (b"ce-specversion", b"1.0"),
    (b"content-type", b"application/json"),
]


async def call(app, headers, chunks, method="POST", path="/"):
    """Call the application as a server would, with headers as raw bytes; return status, headers and body."""
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "headers": headers,
        "query_string": b"",
        "app": app,
    }
    messages = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    messages.append({"type": "http.request", "body": b"", "more_body": False})
    sent = []

    async def receive():
        return messages.pop(0)

    async def send(message):
        sent.append(message)

    await app(scope, receive, send)
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    answered = {name.decode("ascii"): value.decode("ascii") for name, value in sent[0]["headers"]}
    return sent[0]["status"], answered, sent[1]["body"]


def check(status, headers, body):
    assert status in (200, 400, 413)
    assert headers["x-correlation-id"]
    document = json.loads(body)
    if status == 200:
        assert from_binary_event(HTTPMessage(headers, body)).get_data() == document
    else:
        assert document["error"]
        assert headers.get("ce-id") is None


@patient
@given(st.lists(st.tuples(names, values), max_size=12), st.lists(bodies, max_size=3))
@example([(b"ce-time", b"99999-01-01T00:00:00Z"), *valid], [])
@example([(b"ce-time", b"2026-01-01T00:00:00+99:99"), *valid], [])
@example([(b"traceparent", b"\xff"), (b"x-correlation-id", b"\xff\x00\r\n"), *valid], [b"\xff"])
@example([(b"content-length", "\u00b2".encode("latin-1")), *valid], [])
@example([(b"content-type", b"application/cloudevents+json")], [b'{"time":"9999-12-31T23:59:59-23:59"}'])
async def test_any_headers_and_any_body_get_an_answer_below_500(app, headers, chunks):
    check(*await call(app, headers, chunks))


@patient
@given(st.sampled_from(SERVED), json_values, st.lists(st.tuples(names, values), max_size=3))
async def test_any_data_of_a_served_type_gets_an_answer_below_500(app, event_type, data, extra):
    headers = [*valid, (b"ce-type", event_type.encode()), *extra]
    check(*await call(app, headers, [json.dumps(data).encode()]))


@patient
@given(
    st.dictionaries(
        st.text() | st.sampled_from(["id", "source", "type", "data", "data_base64", *FIELDS]), json_values
    )
)
async def test_any_structured_event_gets_an_answer_below_500(app, attributes):
    body = json.dumps(
        {"specversion": "1.0", "id": "1", "source": "s", "type": SERVED[0], **attributes}
    ).encode()
    check(*await call(app, [(b"content-type", b"application/cloudevents+json")], [body]))


@patient
@given(st.text(), st.text(min_size=1))
async def test_any_path_and_method_get_an_answer_below_500(app, path, method):
    status, headers, _ = await call(app, valid, [], method=method, path="/" + path)
    assert 200 <= status < 500
    assert headers["x-correlation-id"]
