"""Spans over OTLP: one trace from an event to the end of its build, and what tracing must not cost."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from concurrent import futures

import grpc
import httpx
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from automation.app import assemble
from service import tracing
from service.app import create_app
from service.settings import GRPC, HTTP, TracingSettings
from tests.automation.conftest import DIGEST, WRAPPERS, ClusterObserver, World
from tests.service.otlp import Collector, values
from tests.service.test_real_server import ROOT
from tests.service.test_start_up import REQUIRED

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SENDER = "00f067aa0ba902b7"
IDS = {"third_party_id": "tp1", "parser_id": "p1"}
START = "network.notifi.lambda.build.start"
COMPLETE = "network.notifi.lambda.build.complete"


class Observer(ClusterObserver):
    """The world's observer as a part of an automation."""

    def builds(self):
        return ()

    def pending(self):
        return ()

    def service(self, function):
        return None

    def close(self):
        """There is nothing to let go of."""


@pytest.fixture
def collector():
    collector = Collector()
    yield collector
    collector.close()


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path)
    world.put()
    return world


@pytest.fixture
async def serve(world, app_settings):
    """Start the real application over the real automation, with or without a tracer; ends with the test."""
    opened = []

    async def make(tracer=None):
        parts = {} if tracer is None else {"tracer": tracer}
        observer = Observer(world)
        automation = assemble(
            world.settings, world.engine, world.store, WRAPPERS, observer, observer, **parts
        )
        app = create_app(automation, app_settings(), **parts)
        lifespan = app.router.lifespan_context(app)
        await lifespan.__aenter__()
        client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service")
        opened.append((client, lifespan))
        return client

    async def end():
        while opened:
            client, lifespan = opened.pop()
            await client.aclose()
            await lifespan.__aexit__(None, None, None)

    make.end = end
    yield make
    await end()


def tracer_to(endpoint, protocol=HTTP):
    return tracing.create(TracingSettings(endpoint=endpoint, protocol=protocol))


async def send(client, event_type, data, id, **headers):
    names = {"ce-specversion": "1.0", "ce-id": id, "ce-source": "network.notifi.tp1", "ce-type": event_type}
    return await client.post(
        "/events", json=data, headers={**names, "content-type": "application/json", **headers}
    )


def handed_on(world):
    """The trace context that the build's Job has."""
    (job,) = (value for (kind, _), value in world.cluster.objects.items() if kind == "Job")
    pod = job["spec"]["template"]["spec"]
    variables = [pair for each in pod["containers"] for pair in each.get("env", [])]
    return next(pair["value"] for pair in variables if pair["name"] == "TRACEPARENT")


async def build(world, client, **headers):
    started = (await send(client, START, IDS, "e1", **headers)).json()
    names = ("job_name", "image_uri", "content_hash")
    data = {**IDS, **{name: started[name] for name in names}, "image_digest": DIGEST, "status": "success"}
    done = await send(client, COMPLETE, data, "e2", **{"ce-traceparent": handed_on(world)})
    assert done.status_code == 200, done.text


async def test_the_life_of_an_event_is_one_trace_from_its_sender_to_the_rollout(world, serve, collector):
    client = await serve(tracer_to(collector.endpoint))

    await build(world, client, traceparent=f"00-{TRACE}-{SENDER}-01")
    await serve.end()

    assert {span.trace_id.hex() for span in collector.spans.values()} == {TRACE}
    start = collector.named(f"CloudEvents Process {START}")
    assert handed_on(world) == f"00-{TRACE}-{start.span_id.hex()}-01"
    work = ["read stack", "decide", "prepare context", "decide", "store context", "update stack"]
    rollout = ["read stack", "decide", "update stack"]
    done = ("wait in queue", []), ("carry out", [(name, []) for name in rollout])
    assert collector.tree(SENDER) == [
        (
            start.name,
            [
                ("wait in queue", []),
                ("carry out", [(name, []) for name in work]),
                (f"CloudEvents Process {COMPLETE}", list(done)),
            ],
        )
    ]
    assert start.kind == Span.SPAN_KIND_SERVER
    told = values(start.attributes)
    assert told["cloudevents.event_id"] == "e1"
    assert told["cloudevents.event_source"] == "network.notifi.tp1"
    assert told["cloudevents.event_type"] == START
    assert told["lambda.function"] == "tp1/p1"
    assert told["build.job_name"].startswith("kaniko-")


async def test_every_span_lies_within_its_parent_in_time(world, serve, collector):
    client = await serve(tracer_to(collector.endpoint))

    await send(client, START, IDS, "e1")
    await serve.end()

    parents = [(span, collector.spans.get(span.parent_span_id.hex())) for span in collector.spans.values()]
    inner = [(span, parent) for span, parent in parents if parent]
    assert len(inner) == len(collector.spans) - 1
    for span, parent in inner:
        assert parent.start_time_unix_nano <= span.start_time_unix_nano
        assert span.end_time_unix_nano <= parent.end_time_unix_nano


async def test_an_event_without_a_trace_begins_one_and_is_told_its_id(serve, collector):
    client = await serve(tracer_to(collector.endpoint))

    answer = await send(client, START, IDS, "e1")
    await serve.end()

    assert {span.trace_id.hex() for span in collector.spans.values()} == {answer.headers["x-trace-id"]}


async def test_a_trace_that_the_sender_does_not_sample_is_passed_on_and_not_sent(world, serve, collector):
    client = await serve(tracer_to(collector.endpoint))

    answer = await send(client, START, IDS, "e1", traceparent=f"00-{TRACE}-{SENDER}-00")
    await serve.end()

    assert answer.headers["x-trace-id"] == TRACE
    assert handed_on(world).startswith(f"00-{TRACE}-")
    assert handed_on(world).endswith("-00")
    assert not collector.spans


@pytest.mark.parametrize(
    ("harm", "status", "code"),
    [("sender", 400, Status.STATUS_CODE_UNSET), ("storage", 503, Status.STATUS_CODE_ERROR)],
)
async def test_only_our_own_failures_are_failures_of_the_span(
    world, serve, collector, monkeypatch, harm, status, code
):
    client = await serve(tracer_to(collector.endpoint))
    if harm == "storage":
        monkeypatch.setattr(world.engine, "outputs", _unreachable)

    answer = await send(client, START, IDS if harm == "storage" else {"third_party_id": "tp1"}, "e1")
    await serve.end()

    assert answer.status_code == status
    span = collector.named(f"CloudEvents Process {START}")
    assert span.status.code == code
    assert values(span.attributes)["error.type"] == answer.json()["error_type"]


def _unreachable(stack):
    from automation.errors import DependencyUnavailable

    raise DependencyUnavailable("the state cannot be reached")


async def test_a_plan_stays_approvable_though_each_request_is_a_span_of_its_own(serve, collector):
    client = await serve(tracer_to(collector.endpoint))
    plans = [(await send(client, START, IDS, "e1", **{"ce-dryrun": "true"})).json() for _ in range(2)]

    approved = await send(client, START, IDS, "e1", **{"ce-planid": plans[0]["plan_id"]})

    assert plans[0]["plan_id"] == plans[1]["plan_id"]
    assert approved.status_code == 200, approved.text


async def test_a_collector_that_is_away_costs_no_event_and_little_time_at_the_end(world, serve):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        client = await serve(tracer_to(f"http://127.0.0.1:{free.getsockname()[1]}"))
        await build(world, client)
        began = time.monotonic()
        await serve.end()

    assert time.monotonic() - began < 8


@pytest.mark.parametrize(("sent", "spans"), [({}, 0), ({"traceparent": f"00-{TRACE}-{SENDER}-01"}, 1)])
async def test_an_event_that_is_only_counted_is_in_its_senders_trace_or_in_none(
    serve, collector, sent, spans
):
    client = await serve(tracer_to(collector.endpoint))

    await send(client, "network.notifi.lambda.job.start", IDS, "e1", **sent)
    await serve.end()

    assert len(collector.spans) == spans


async def test_without_a_tracer_an_answer_has_the_senders_trace_only(serve):
    client = await serve()

    assert "x-trace-id" not in (await send(client, START, IDS, "e1")).headers


async def test_spans_go_over_grpc_as_well(serve):
    class Servicer(trace_service_pb2_grpc.TraceServiceServicer):
        def __init__(self):
            self.names = []

        def Export(self, request, context):
            groups = [scope for group in request.resource_spans for scope in group.scope_spans]
            self.names += [span.name for group in groups for span in group.spans]
            return trace_service_pb2.ExportTraceServiceResponse()

    taken = Servicer()
    server = grpc.server(futures.ThreadPoolExecutor(1))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(taken, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        client = await serve(tracer_to(f"http://127.0.0.1:{port}", GRPC))
        await send(client, START, IDS, "e1")
        await serve.end()
    finally:
        await asyncio.to_thread(server.stop(None).wait)

    assert f"CloudEvents Process {START}" in taken.names


def modules(**variables):
    """The modules of a process that came as far as its tracer."""
    program = (
        "import json, os, sys; from service import __main__ as main, settings\n"
        "tracer = main.tracer_of(settings.read(os.environ).tracing); print(json.dumps(list(sys.modules)))\n"
        "tracer.close(1)"
    )
    environ = {"PATH": os.environ["PATH"], **REQUIRED, **variables}
    environ.update({key: os.environ[key] for key in ("PYTHONPATH",) if key in os.environ})
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environ, capture_output=True, text=True, check=True
    )
    return set(json.loads(run.stdout))


def test_without_an_endpoint_no_exporter_is_imported():
    off = modules()
    on = modules(OTEL_EXPORTER_OTLP_ENDPOINT="http://collector.test:4318")

    # Pulumi's SDK imports OpenTelemetry's own at any rate.
    ours = {"service.tracing", "opentelemetry.exporter.otlp.proto.http.trace_exporter"}
    assert not ours & off
    assert not any(name.startswith("opentelemetry.exporter") for name in off)
    assert ours <= on
    assert modules(OTEL_EXPORTER_OTLP_ENDPOINT="http://collector.test:4318", OTEL_SDK_DISABLED="true") == off
