"""Events made from their own schemas, right and wrong ones, by schemathesis: none is answered 5xx."""

import asyncio
import json

import pytest
from hypothesis import HealthCheck, settings

from automation import schemas
from automation.event_parser import SERVED
from automation.event_types import TYPES
from automation.events import Reply
from service.app import AppSettings, create_app
from service.rate_limits import Rate

schemathesis = pytest.importorskip(
    "schemathesis", reason="schemathesis is not installed: make lock, then make test"
)


class Agreeable:
    """Stands in for automation, and does whatever is asked."""

    async def handle(self, event):
        return Reply(status="acknowledged", message="done")


def operation(event_type, version):
    """Return POST / with a structured event of one type, whose data is as its schema says."""
    schema = {name: part for name, part in schemas.document(event_type, version).items() if name[0] != "$"}
    event = {
        "type": "object",
        "required": ["specversion", "id", "source", "type", "data"],
        "properties": {
            "specversion": {"const": "1.0"},
            "id": {"type": "string", "minLength": 1, "pattern": "^[ -~]+$"},
            "source": {"const": "network.notifi.acme"},
            "type": {"const": event_type},
            "subject": {"const": "acme/greeter"},
            "dataschema": {"const": f"http://x/schemas/{event_type}/{version}"},
            "time": {"type": "string", "format": "date-time"},
            "dryrun": {"type": "boolean"},
            "data": schema,
        },
    }
    content = {"application/cloudevents+json": {"schema": event}}
    responses = {str(status): {"description": "as docs/events.md says"} for status in (200, 400)}
    return {"post": {"requestBody": {"required": True, "content": content}, "responses": responses}}


def described():
    """Return an OpenAPI document with a path for each type and version; all are the service's `/`."""
    paths = {
        f"/{name}/{version}": operation(name, version) for name in SERVED for version in TYPES[name].versions
    }
    info = {"title": "events", "version": "1"}
    return schemathesis.openapi.from_dict({"openapi": "3.1.0", "info": info, "paths": paths})


@pytest.fixture(scope="module")
def app():
    values = {
        "source": "s",
        "max_body_bytes": 2**20,
        "body_timeout_seconds": 5,
        "request_timeout_seconds": 5,
        "shutdown_grace_seconds": 1,
        "api_tokens_file": None,
        "build_rate": Rate(0, 1),
        "third_party_build_rate": Rate(0, 1),
        "read_rate": Rate(0, 1),
    }
    return create_app(Agreeable(), AppSettings(**values))


async def post(app, body):
    """Post a body as a structured event; return the status."""
    messages = [{"type": "http.request", "body": body, "more_body": False}]
    sent = []

    async def receive():
        return messages.pop(0)

    async def send(message):
        sent.append(message)

    headers = [(b"content-type", b"application/cloudevents+json")]
    scope = {"type": "http", "method": "POST", "path": "/", "headers": headers, "query_string": b""}
    await app(scope, receive, send)
    return sent[0]["status"]


@described().parametrize()
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_event_is_answered_with_an_error_of_the_service(case, app):
    sent = case.as_transport_kwargs()
    body = sent["data"] if "data" in sent else json.dumps(sent.get("json")).encode()

    assert asyncio.run(post(app, body or b"")) in (200, 400)
