"""Log lines: JSON, the contract's fields, never data."""

import logging

from automation.errors import DependencyUnavailable

SECRET = "swordfish-in-data"


async def test_every_event_leaves_one_line_with_its_ids(client, binary, log_lines):
    response = await client.post("/", **binary(ce_id="e-7"))

    (line,) = [line for line in log_lines() if line["msg"] == "request answered"]
    assert line["level"] == "info"
    assert line["correlation_id"] == response.headers["x-correlation-id"]
    assert (line["third_party_id"], line["parser_id"]) == ("acme", "greeter")
    assert (line["event_id"], line["event_type"]) == ("e-7", "network.notifi.lambda.build.start")
    assert (line["method"], line["path"], line["http_status"], line["reply_status"]) == (
        "POST",
        "/",
        200,
        "started",
    )
    assert 0 < line["duration_ms"] < 5000
    assert line["caller"].startswith("service.boundary:")
    assert line["ts"].endswith("+00:00")


async def test_refusals_are_warnings_and_failures_are_errors(client, automation, binary, log_lines):
    await client.post("/", **binary(ce_id=None))
    automation.reply = RuntimeError()
    await client.post("/", **binary())

    levels = {line["http_status"]: line["level"] for line in log_lines() if line["msg"] == "request answered"}
    assert levels == {400: "warn", 500: "error"}


async def test_what_fails_on_our_side_is_explained_in_the_log(client, automation, binary, log_lines):
    automation.reply = DependencyUnavailable("storage is away", details=("bucket code",))
    automation.reply.__cause__ = OSError("connection refused")
    await client.post("/", **binary())

    (line,) = [line for line in log_lines() if line["msg"] == "request answered"]
    assert (line["error"], line["details"]) == ("storage is away", "bucket code")
    assert line["cause"] == "OSError('connection refused')"
    assert "stack" not in line


async def test_probes_and_scrapes_are_logged_at_debug_level_only(client, log_lines):
    for path in ("/health", "/ready", "/metrics"):
        await client.get(path)

    assert {line["level"] for line in log_lines()} == {"debug"}


async def test_log_lines_hold_no_event_data(client, automation, binary, structured, log_lines):
    data = {"third_party_id": "a", "parser_id": "b", "reason": SECRET, "extra": {"key": SECRET}}
    bad = {"third_party_id": SECRET + "!", "parser_id": [SECRET], "s3_bucket": SECRET.upper()}
    for event in (
        binary("network.notifi.lambda.service.delete", data),
        structured(data=data),
        binary(data=bad),
        binary(body=b'{"x": "' + SECRET.encode()),
        structured(myext={"a": SECRET}),
    ):
        await client.post("/", **event)

    assert len([line for line in log_lines() if line["msg"] == "request answered"]) == 5
    assert SECRET not in str(log_lines())


async def test_lines_of_other_modules_carry_the_requests_ids(client, automation, binary, log_lines):
    handle = automation.handle

    async def logging_handle(event):
        logging.getLogger("automation.worker").info(
            "working", extra={"kl_parser_id": "greeter", "ignored": SECRET}
        )
        return await handle(event)

    automation.handle = logging_handle
    await client.post("/", **binary(x_correlation_id="abc"))

    (line,) = [line for line in log_lines() if line["msg"] == "working"]
    assert (line["correlation_id"], line["parser_id"]) == ("abc", "greeter")
    assert "ignored" not in line


async def test_line_breaks_and_odd_characters_stay_within_a_line(log_lines):
    logging.getLogger("x").warning("two\nlines \ud800 and %s", "\u2028")

    (line,) = log_lines()
    assert line["msg"] == "two\nlines \ud800 and \u2028"
    assert line["level"] == "warn"


async def test_long_texts_are_cut(log_lines):
    logging.getLogger("x").info("x" * 10_000)

    assert len(log_lines()[0]["msg"]) == 2048
