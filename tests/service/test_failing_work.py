"""What senders see when automation refuses, fails, or takes too long."""

import asyncio
import time

import pytest

from automation.errors import (
    DependencyUnavailable,
    DeployFailed,
    InvalidEvent,
    Saturated,
    SourceNotFound,
    StackBusy,
)
from service.app import create_app

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


async def until(condition, seconds=5.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        await asyncio.sleep(0.005)


@pytest.mark.parametrize(
    ("error", "status", "error_type", "retry_after"),
    [
        (InvalidEvent("no", details=("one", "two")), 400, "validation_error", None),
        (SourceNotFound("no code"), 404, "not_found", None),
        (StackBusy("busy"), 409, "conflict", "5"),
        (Saturated("full"), 429, "rate_limit_exceeded", "5"),
        (DependencyUnavailable("storage is away"), 503, "system_error", "5"),
        (DeployFailed("refused", details=("urn: why",)), 500, "system_error", "5"),
    ],
)
async def test_platform_errors_keep_their_status_and_say_when_to_retry(
    client, automation, binary, refusal_problems, error, status, error_type, retry_after
):
    automation.reply = error
    response = await client.post("/", **binary(x_correlation_id="abc", traceparent=TRACE))

    assert refusal_problems(response, status) == []
    body = response.json()
    assert (body["error"], body["error_type"], body["details"]) == (
        error.message,
        error_type,
        list(error.details),
    )
    assert (body["correlation_id"], body["trace_id"]) == ("abc", TRACE[3:35])
    assert response.headers["x-trace-id"] == TRACE[3:35]
    assert response.headers.get("retry-after") == retry_after


async def test_fractions_of_a_second_are_rounded_up_for_the_header(client, automation, binary):
    automation.reply = Saturated("full")
    automation.reply.retry_after = 0.2
    response = await client.post("/", **binary())

    assert (response.headers["retry-after"], response.json()["retry_after"]) == ("1", 0.2)


async def test_unexpected_errors_tell_the_sender_nothing_and_the_log_everything(
    client, automation, binary, refusal_problems, log_lines
):
    automation.reply = KeyError("inner-detail")
    response = await client.post("/", **binary())

    assert refusal_problems(response, 500) == []
    assert response.json()["error_type"] == "unknown_error"
    assert "inner-detail" not in response.text
    assert "KeyError" not in response.text
    (line,) = [line for line in log_lines() if line["msg"] == "unexpected error"]
    assert "KeyError: 'inner-detail'" in line["stack"]
    assert line["correlation_id"] == response.json()["correlation_id"]


async def test_the_service_goes_on_after_an_unexpected_error(client, automation, binary):
    good, automation.reply = automation.reply, ZeroDivisionError()
    assert (await client.post("/", **binary())).status_code == 500
    automation.reply = good
    assert (await client.post("/", **binary())).status_code == 200


async def test_work_that_takes_too_long_is_a_retryable_error_and_goes_on(
    automation, app_settings, open_client, binary, refusal_problems, log_lines
):
    automation.gate.clear()
    async with open_client(create_app(automation, app_settings(request_timeout_seconds=0.05))) as client:
        response = await client.post("/", **binary())

        assert refusal_problems(response, 503) == []
        assert response.json()["retry_after"] == 5.0
        assert "the work goes on" in response.json()["error"]
        assert automation.finished == 0

        automation.gate.set()
        await until(lambda: any(line["msg"] == "late work ended" for line in log_lines()))
        assert automation.finished == 1
        assert (await client.post("/", **binary())).status_code == 200


async def test_late_failures_are_logged(automation, app_settings, open_client, binary, log_lines):
    automation.gate.clear()
    automation.reply = RuntimeError("broke late")
    async with open_client(create_app(automation, app_settings(request_timeout_seconds=0.05))) as client:
        response = await client.post("/", **binary())
        automation.gate.set()
        await until(lambda: any(line["msg"] == "late work failed" for line in log_lines()))

    (line,) = [line for line in log_lines() if line["msg"] == "late work failed"]
    assert line["correlation_id"] == response.headers["x-correlation-id"]
    assert "broke late" in line["stack"]


async def test_slow_bodies_time_out(automation, app_settings, open_client, binary, refusal_problems):
    never = asyncio.Event()

    async def body():
        yield b"{"
        await never.wait()

    async with open_client(create_app(automation, app_settings(body_timeout_seconds=0.05))) as client:
        response = await client.post("/", headers=binary()["headers"], content=body())

    assert refusal_problems(response, 408) == []
    assert response.headers["connection"] == "close"
    assert automation.events == []


async def test_requests_do_not_wait_for_each_other(client, automation, binary):
    automation.gate.clear()
    waiting = [asyncio.create_task(client.post("/", **binary(ce_id=str(number)))) for number in range(20)]
    await until(lambda: len(automation.events) == 20)
    assert (await client.get("/health")).status_code == 200
    automation.gate.set()

    assert {response.status_code for response in await asyncio.gather(*waiting)} == {200}


async def test_the_end_of_the_application_waits_for_late_work_then_closes_automation(
    automation, app_settings, open_client, binary
):
    automation.gate.clear()
    app = create_app(automation, app_settings(request_timeout_seconds=0.05))
    async with open_client(app) as client, app.router.lifespan_context(app):
        await client.post("/", **binary())
        asyncio.get_running_loop().call_later(0.05, automation.gate.set)

    assert automation.finished == 1
    (grace,) = automation.closed_with
    assert 1.0 <= grace <= 5.0


async def test_stuck_work_does_not_hold_the_end_up_longer_than_the_grace(
    automation, app_settings, open_client, binary
):
    automation.gate.clear()
    app = create_app(automation, app_settings(request_timeout_seconds=0.05, shutdown_grace_seconds=0.1))
    began = time.monotonic()
    async with open_client(app) as client, app.router.lifespan_context(app):
        await client.post("/", **binary())

    assert time.monotonic() - began < 2
    assert automation.closed_with == [1.0]
    automation.gate.set()
    await until(lambda: automation.finished == 1)
