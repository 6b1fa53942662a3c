"""What /metrics tells."""

import pytest

from automation.errors import Saturated
from automation.event_parser import FAILURE_REASONS, SERVED
from automation.events import Reply
from service import VERSION
from service.app import create_app
from service.rate_limits import Rate
from tests.service.conftest import DATA

DONE = {
    "third_party_id": "a",
    "parser_id": "b",
    "status": "success",
    "image_uri": "f:1",
    "duration_ms": 42_000,
}
FAILED = {"third_party_id": "a", "parser_id": "b", "status": "failed", "duration_ms": 1000}


def value(app, name, **labels):
    return app.state.metrics.registry.get_sample_value(name, labels)


async def test_requests_are_counted_and_timed_by_method_path_and_status(client, app, binary):
    await client.post("/events", **binary())
    await client.post("/events", **binary(ce_id=None))
    await client.get("/events")

    for method, status in (("POST", "200"), ("POST", "400"), ("GET", "405")):
        assert value(app, "http_requests_total", method=method, path="/events", status=status) == 1
    assert value(app, "http_request_duration_seconds_count", method="POST", path="/events") == 2


async def test_events_are_counted_by_type_and_mode(client, app, binary, structured):
    start = "network.notifi.lambda.build.start"
    await client.post("/", **binary())
    await client.post("/", **binary(data={}))
    await client.post("/", **structured())

    assert value(app, "cloudevents_received_total", type=start, mode="binary") == 2
    assert value(app, "cloudevents_received_total", type=start, mode="structured") == 1


async def test_errors_are_counted_by_type(client, app, automation, binary):
    await client.post("/", **binary(ce_id=None))
    automation.reply = Saturated("full")
    await client.post("/", **binary())
    automation.reply = RuntimeError()
    await client.post("/", **binary())
    await client.get("/nowhere")

    for error_type in ("validation_error", "rate_limit_exceeded", "unknown_error", "not_found"):
        assert value(app, "errors_total", error_type=error_type) == 1
    assert value(app, "build_requests_total", status="error") == 1


async def test_builds_are_counted_by_their_outcome(client, app, binary):
    await client.post("/", **binary())
    await client.post("/", **binary("network.notifi.lambda.build.complete", DONE))
    await client.post("/", **binary("network.notifi.lambda.build.failed", {**FAILED, "reason": "oom"}))
    await client.post("/", **binary("network.notifi.lambda.build.failed", {**FAILED, "reason": "sunspots"}))

    assert value(app, "build_requests_total", status="success") == 1
    assert value(app, "builds_total", status="success") == 1
    assert value(app, "builds_total", status="failed") == 2
    assert value(app, "build_failures_total", reason="oom") == 1
    assert value(app, "build_failures_total", reason="other") == 1
    assert value(app, "build_duration_seconds_sum", status="success") == 42


@pytest.mark.parametrize(
    ("kind", "spec", "builds"),
    [
        ("function.deploy", {"type": "inline", "inline": {"code": "def handler(event): ..."}}, 1),
        ("function.deploy", {"type": "image", "image": {"repository": "registry.test/a"}}, 0),
        ("service.update", None, 0),
    ],
)
async def test_a_specification_asks_for_a_build_if_it_has_code(client, app, binary, kind, spec, builds):
    runtime = {"language": "python", "version": "3.12"}
    data = {"metadata": {"name": "greeter", "namespace": "acme"}, "spec": {"timeoutSeconds": 9}}
    data["spec"] |= {"source": spec, "runtime": runtime} if spec else {}

    answer = await client.post("/", **binary(f"io.knative.lambda.command.{kind}", data))

    assert answer.status_code < 300
    assert value(app, "build_requests_total", status="success") == builds


@pytest.mark.parametrize("reply", [Reply(status="planned", message=""), Saturated("full")])
@pytest.mark.parametrize("kind", ["start", "complete", "failed"])
async def test_a_dry_run_counts_as_no_build(client, app, automation, binary, kind, reply):
    automation.reply = reply
    data = {"start": DATA, "complete": DONE, "failed": {**FAILED, "reason": "oom"}}[kind]
    await client.post("/", **binary(f"network.notifi.lambda.build.{kind}", data, ce_dryrun="true"))

    for status in ("success", "error"):
        assert value(app, "build_requests_total", status=status) == 0
    for status in ("success", "failed"):
        assert value(app, "builds_total", status=status) == 0
    assert value(app, "build_failures_total", reason="oom") == 0


async def test_duplicates_count_as_duplicates_only(client, app, automation, binary):
    automation.reply = Reply(status="skipped", message="seen")
    await client.post("/", **binary())

    start = "network.notifi.lambda.build.start"
    assert value(app, "duplicate_events_skipped_total", event_type=start) == 1
    assert value(app, "build_requests_total", status="success") == 0


async def test_events_are_counted_by_how_they_ended_and_timed_unless_refused(client, app, automation, binary):
    start = "network.notifi.lambda.build.start"
    await client.post("/", **binary())
    await client.post("/", **binary(data={}))
    for error in (Saturated("full"), RuntimeError()):
        automation.reply = error
        await client.post("/", **binary())

    def ended(outcome):
        return value(app, "knative_lambda_events_total", event_type=start, outcome=outcome)

    assert (ended("success"), ended("refused"), ended("failed")) == (1, 1, 2)
    assert value(app, "knative_lambda_event_processing_time_seconds_count", event_type=start) == 3


async def test_an_event_beyond_a_rate_is_neither_refused_nor_failed(
    automation, app_settings, open_client, binary
):
    app = create_app(automation, app_settings(build_rate=Rate(0.001, 1)))
    async with open_client(app) as client:
        assert [(await client.post("/", **binary(ce_id=str(n)))).status_code for n in (1, 2)] == [200, 429]

    start = "network.notifi.lambda.build.start"
    assert value(app, "knative_lambda_events_total", event_type=start, outcome="limited") == 1
    assert value(app, "knative_lambda_events_total", event_type=start, outcome="failed") == 0
    assert value(app, "knative_lambda_event_processing_time_seconds_count", event_type=start) == 1


async def test_an_event_whose_request_ran_out_of_time_counts_as_such(
    automation, app_settings, open_client, binary
):
    app = create_app(automation, app_settings(request_timeout_seconds=0.01))
    automation.gate.clear()
    async with app.router.lifespan_context(app), open_client(app) as client:
        assert (await client.post("/", **binary())).status_code == 503
        automation.gate.set()

    start = "network.notifi.lambda.build.start"
    assert value(app, "knative_lambda_event_timeouts_total", event_type=start) == 1
    assert value(app, "knative_lambda_events_total", event_type=start, outcome="failed") == 1


async def test_what_alerts_look_at_exists_before_the_first_event(app):
    for reason in (*FAILURE_REASONS, "other"):
        assert value(app, "build_failures_total", reason=reason) == 0
    for event_type in SERVED:
        for outcome in ("success", "refused", "limited", "failed"):
            assert value(app, "knative_lambda_events_total", event_type=event_type, outcome=outcome) == 0
    assert value(app, "builds_total", status="failed") == 0
    assert value(app, "errors_total", error_type="rate_limit_exceeded") == 0


async def test_dependencies_are_shown_as_readiness_last_found_them(client, app, automation):
    automation.dependencies = {"storage": "ok", "state": "no answer"}
    await client.get("/ready")
    found = [value(app, "knative_lambda_dependency_up", dependency=name) for name in ("storage", "state")]
    automation.dependencies = {"state": "ok"}
    await client.get("/ready")

    assert found == [1, 0]
    assert value(app, "knative_lambda_dependency_up", dependency="state") == 1
    assert value(app, "knative_lambda_dependency_up", dependency="storage") is None


async def test_labels_never_come_from_senders(client, app, binary):
    for number in range(50):
        await client.post("/", **binary(f"made.up.type.{number}", ce_id=str(number)))
        await client.request(f"BREW{number}", "/", **binary())
        await client.get(f"/path/{number}")
    text = (await client.get("/metrics")).text

    assert value(app, "cloudevents_received_total", type="unknown", mode="binary") == 50
    assert "made.up" not in text
    assert "BREW" not in text
    assert "/path" not in text
    assert 'method="other"' in text


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [("", "text/plain"), ("application/openmetrics-text", "application/openmetrics-text")],
)
async def test_metrics_are_served_in_the_format_asked_for(client, accept, content_type):
    response = await client.get("/metrics", headers={"accept": accept})

    assert response.status_code == 200
    assert response.headers["content-type"].startswith(content_type)
    assert "async_job_queue_depth 3.0" in response.text
    assert "async_jobs_active 2.0" in response.text
    assert "knative_lambda_queue_limit 100.0" in response.text
    assert f'knative_lambda_build_info{{version="{VERSION}"}} 1.0' in response.text
    assert "process_resident_memory_bytes" in response.text


async def test_two_applications_keep_their_metrics_apart(app, automation, app_settings, client, binary):
    other = create_app(automation, app_settings())
    await client.post("/", **binary())

    assert value(other, "http_requests_total", method="POST", path="/", status="200") is None
