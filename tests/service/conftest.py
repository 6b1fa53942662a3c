"""The application around a recording stand-in for automation: the only double, and only at the port."""

import asyncio
import io
import json
import logging

import httpx
import pytest

from automation.events import Reply
from service import logs
from service.app import AppSettings, create_app
from service.rate_limits import Rate

START = "network.notifi.lambda.build.start"
DATA = {"third_party_id": "acme", "parser_id": "greeter"}


class Stats:
    queue_depth = 3
    active = 2
    workers = 8
    limit = 100


class Recorder:
    """Records events; answers with `reply`, or raises it when it is an error, once `gate` is open."""

    def __init__(self):
        self.events = []
        self.reply = Reply(
            status="started", message="the build was started", fields={"job_name": "kaniko-build-x"}
        )
        self.dependencies = {"storage": "ok", "cluster": "ok", "state": "ok"}
        self.stats = Stats()
        self.gate = asyncio.Event()
        self.gate.set()
        self.functions = {}
        self.drift = None
        self.finished = 0
        self.closed_with = []

    async def handle(self, event):
        self.events.append(event)
        await self.gate.wait()
        self.finished += 1
        if isinstance(self.reply, BaseException):
            raise self.reply
        return self.reply

    async def describe(self, function):
        return self.functions.get((function.third_party_id, function.parser_id))

    async def check_drift(self, function):
        found = await self.describe(function)
        return found and {**found, "drift": self.drift}

    async def ready(self):
        await self.gate.wait()
        return self.dependencies

    async def close(self, grace_seconds):
        self.closed_with.append(grace_seconds)


@pytest.fixture
async def automation():
    return Recorder()


@pytest.fixture
def app_settings():
    def make(**changes):
        values = {
            "source": "io.knative.lambda/builder/knative-lambda-local",
            "max_body_bytes": 4096,
            "body_timeout_seconds": 5.0,
            "request_timeout_seconds": 5.0,
            "shutdown_grace_seconds": 5.0,
            "api_tokens_file": None,
            "build_rate": Rate(0, 1),
            "third_party_build_rate": Rate(0, 1),
            "read_rate": Rate(0, 1),
        }
        return AppSettings(**{**values, **changes})

    return make


@pytest.fixture
def app(automation, app_settings):
    return create_app(automation, app_settings())


@pytest.fixture
def open_client():
    def make(app):
        return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service")

    return make


@pytest.fixture
async def client(app, open_client):
    async with open_client(app) as client:
        yield client


@pytest.fixture
def binary():
    """Headers and body of an event in binary mode; `None` takes a header away."""

    def make(event_type=START, data=DATA, body=None, **changes):
        headers = {
            "ce-specversion": "1.0",
            "ce-id": "event-1",
            "ce-source": "network.notifi.acme",
            "ce-type": event_type,
            "content-type": "application/json",
        }
        headers.update({name.replace("_", "-"): value for name, value in changes.items()})
        headers = {name: value for name, value in headers.items() if value is not None}
        return {"headers": headers, "content": json.dumps(data).encode() if body is None else body}

    return make


@pytest.fixture
def structured():
    """Headers and body of the same event in structured mode; `None` takes an attribute away."""

    def make(event_type=START, data=DATA, **changes):
        attributes = {
            "specversion": "1.0",
            "id": "event-1",
            "source": "network.notifi.acme",
            "type": event_type,
            "datacontenttype": "application/json",
            "data": data,
        }
        attributes.update(changes)
        attributes = {name: value for name, value in attributes.items() if value is not None}
        return {
            "headers": {"content-type": "application/cloudevents+json"},
            "content": json.dumps(attributes).encode(),
        }

    return make


@pytest.fixture
def log_lines():
    """A function that returns the JSON log lines so far; logging is as the service configures it."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    stream = io.StringIO()
    logs.configure("debug", stream)

    def lines():
        everything = [json.loads(line) for line in stream.getvalue().splitlines()]
        return [
            line for line in everything if not line["caller"].startswith(("httpx:", "httpcore", "asyncio:"))
        ]

    yield lines
    root.handlers[:], root.level = before[0], before[1]


def error_body_problems(response, status):
    """Return what differs from the contract's error body."""
    body = response.json()
    expected = {"error", "error_type", "details", "correlation_id", "trace_id", "timestamp", "retry_after"}
    found = []
    if response.status_code != status:
        found.append(f"status {response.status_code}: {body}")
    if set(body) != expected:
        found.append(f"keys {set(body) ^ expected}")
    if body["correlation_id"] != response.headers["x-correlation-id"]:
        found.append("correlation id differs")
    if (body["retry_after"] is None) == ("retry-after" in response.headers):
        found.append("retry-after header and body differ")
    if not body["error"] or not isinstance(body["details"], list):
        found.append("error text or details")
    if "ce-type" in response.headers or "Traceback" in response.text:
        found.append("ce headers or a trace")
    return found


@pytest.fixture
def refusal_problems():
    return error_body_problems
