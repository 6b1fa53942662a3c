"""The trace of a function's life on the local platform, span by span, from its sender to the function."""

import asyncio
import datetime
import json
import secrets

import pytest
import pytest_asyncio

from local.client import JOBS, SERVICES, Client
from local.deploy import PREFIX, THIRD_PARTY
from local.session import Session
from tests.service.otlp import Collector, values

pytestmark = pytest.mark.asyncio(loop_scope="session")

CODE = """
def handler(event, context):
    return {"trace": context.trace.trace_id}
"""
DECIDED = ["read stack", "decide"]
BUILDING = [*DECIDED, "prepare context", "decide", "store context", "update stack"]


@pytest.fixture
def collector():
    collector = Collector()
    yield collector
    collector.close()


@pytest_asyncio.fixture(loop_scope="session")
async def traced(tmp_path, collector):
    """A platform whose service sends spans."""
    settings = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_BSP_SCHEDULE_DELAY": "100",
    }
    session = Session(data=tmp_path / "data", cache=tmp_path / "cache", service_environment=settings)
    try:
        await session.start()
        yield session
    finally:
        await session.stop()


async def send(http, session, suffix, parser, traceparent):
    """Post an event to the broker as a sender that traces."""
    headers = {
        "Ce-Specversion": "1.0",
        "Ce-Id": secrets.token_hex(8),
        "Ce-Type": PREFIX + suffix,
        "Ce-Source": f"network.notifi.{THIRD_PARTY}",
        "Ce-Time": datetime.datetime.now(datetime.UTC).isoformat(),
        "Ce-Traceparent": traceparent,
    }
    data = {"third_party_id": THIRD_PARTY, "parser_id": parser}
    async with http.post(session.addresses.broker, json=data, headers=headers) as response:
        assert response.status in (200, 202), await response.text()


async def called(client, http, session, traceparent):
    """Call the function as soon as it is ready; return its answer's data."""
    async with asyncio.timeout(60):
        while not (ready := (await client.api("GET", SERVICES))["items"]) or not ready[0]["status"].get(
            "url"
        ):
            await asyncio.sleep(0.05)
    headers = {
        "Host": ready[0]["status"]["url"].split("://")[1].rstrip("/"),
        "Ce-Specversion": "1.0",
        "Ce-Id": secrets.token_hex(8),
        "Ce-Type": PREFIX + "parser.start",
        "Ce-Source": "tests",
        "Ce-Traceparent": traceparent,
    }
    async with asyncio.timeout(60):
        while True:
            async with http.post(session.addresses.gateway, json={}, headers=headers) as response:
                text = await response.text()
                assert response.status in (200, 404, 502, 503), text
                if response.status == 200:
                    return json.loads(text)
            await asyncio.sleep(0.05)


async def arrived(collector, sender, names):
    """Wait until spans of these names have come below the sender's."""
    async with asyncio.timeout(120):
        while not names <= {name for name, _ in flat(collector.tree(sender))}:
            await asyncio.sleep(0.05)


def flat(tree):
    return [each for name, below in tree for each in [(name, below), *flat(below)]]


def leaves(*names):
    return [(name, []) for name in names]


async def test_a_functions_life_is_one_trace_through_every_part(traced, collector, http, tmp_path):
    (tmp_path / "traced").mkdir()
    (tmp_path / "traced" / "parser.py").write_text(CODE)
    trace, sender = secrets.token_hex(16), secrets.token_hex(8)
    start, complete = (f"CloudEvents Process {PREFIX}build.{end}" for end in ("start", "complete"))
    told = "CloudEvents Process io.knative.lambda.lifecycle.build.completed"

    async with Client(traced.addresses, traced.token) as client:
        await client.put_code(tmp_path / "traced", "traced")
        await send(http, traced, "build.start", "traced", f"00-{trace}-{sender}-01")
        await arrived(collector, sender, {complete, told, "update stack"})
        job = await job_of(client)
        answer = await called(client, http, traced, f"00-{trace}-{secrets.token_hex(8)}-01")
    await traced.restart_service()  # at its end it sends what it holds

    ((name, below),) = collector.tree(sender)
    began = collector.named(start)
    assert name == start
    rollout = [("wait in queue", []), ("carry out", leaves(*DECIDED, "update stack"))]
    building = [("wait in queue", []), ("carry out", leaves(*BUILDING))]
    # What the service tells of the build's end comes back to it from the broker.
    assert below == [*building, (complete, [*rollout, (told, [])])]
    assert f"00-{trace}-{began.span_id.hex()}-01" in json.dumps(job["spec"]["template"])
    ended = collector.named(complete)
    assert ended.parent_span_id == began.span_id
    assert values(began.attributes)["build.job_name"] == job["metadata"]["name"]
    assert answer["result"]["body"] == {"trace": trace}
    assert {span.trace_id.hex() for _, span in below_of(collector, sender)} == {trace}


def below_of(collector, parent):
    """Return (name, span) of all spans below a span id."""
    found = [span for span in collector.spans.values() if span.parent_span_id.hex() == parent]
    return [each for span in found for each in [(span.name, span), *below_of(collector, span.span_id.hex())]]


async def job_of(client):
    """Return the one Job."""
    (job,) = (await client.api("GET", JOBS))["items"]
    return job
