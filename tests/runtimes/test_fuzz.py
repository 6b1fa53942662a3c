"""Whatever is sent, the answer is one that is documented, and the function goes on."""

import contextlib
import http.client
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.runtimes.process import EVENT, PATIENCE_SECONDS
from tests.runtimes.test_events import STRUCTURED

DOCUMENTED = {200, 400, 422}
ATTRIBUTES = st.sampled_from(
    ["specversion", "id", "source", "type", "subject", "data", "data_base64", "x", "X-y"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
DOCUMENTS = st.dictionaries(ATTRIBUTES, VALUES, max_size=6).map(
    lambda found: json.dumps(STRUCTURED | found).encode()
)
BODIES = st.binary(max_size=64) | VALUES.map(lambda value: json.dumps(value).encode()) | DOCUMENTS
TYPES = st.sampled_from(
    [
        "application/json",
        "application/cloudevents+json",
        "application/x+json; charset=utf-8",
        "text/plain",
        "",
        "/",
    ]
)
HEADER_TEXT = st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=12
)
HEADERS = st.dictionaries(st.sampled_from(["ce-id", "ce-type", "ce-x", "ce-X_y", "traceparent"]), HEADER_TEXT)


@pytest.fixture(scope="module")
def connection(plain):
    """One connection for all examples: a function that answers keeps it."""
    made = http.client.HTTPConnection("127.0.0.1", plain.port, timeout=PATIENCE_SECONDS)
    with contextlib.closing(made):
        yield made


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=BODIES, content_type=TYPES, headers=HEADERS, binary=st.booleans())
def test_any_request_gets_a_documented_answer(connection, body, content_type, headers, binary) -> None:
    sent = {"content-type": content_type, **(EVENT if binary else {}), **headers}
    connection.request("POST", "/", body, {name: value.encode("latin-1") for name, value in sent.items()})

    response = connection.getresponse()
    answer = json.loads(response.read())

    assert response.status in DOCUMENTED, answer
    assert ("result" in answer) == (response.status == 200)


@settings(max_examples=100, deadline=None)
@given(st.binary(min_size=1, max_size=200))
def test_any_bytes_are_refused_and_the_function_goes_on(plain, sent) -> None:
    answer = plain.raw(sent + b"\r\n\r\n")

    assert not answer or answer.split(b" ")[1] in (b"400", b"404", b"405", b"501", b"505"), answer
    assert plain.process.poll() is None
