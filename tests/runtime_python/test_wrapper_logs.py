"""Standard output: one JSON object a line, with the ids of the call, beside what the parser prints."""

import json

from wrapper_process import Start

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
LOGGING = """
import asyncio, logging, threading
log = logging.getLogger("mine")

def work(event, context):
    print("printed", event["n"])
    log.info("logged %s", event["n"], extra={"n": event["n"]})
    context.logger.warning("through the context")
"""


def test_records_of_the_parser_carry_the_ids_of_the_call(run: Start) -> None:
    function = run(LOGGING + "def handler(event, context): work(event, context)")

    invocation = function.send({"n": 1}, x_correlation_id="c-1", traceparent=TRACEPARENT).data["invocationId"]

    record = function.wait_for_record(logger="mine", n=1)
    assert record["message"] == "logged 1"
    assert record["level"] == "info"
    assert record["service"] == {"name": "lambda-acme-p1", "namespace": "knative-lambda-local"}
    assert record["invocation"] == {"id": invocation, "cold_start": True}
    assert record["cloudevent"] == {"id": "e-1", "type": "t.parser.start", "source": "network.notifi.acme"}
    assert (record["trace_id"], record["span_id"], record["trace_flags"]) == tuple(TRACEPARENT.split("-")[1:])
    assert (record["correlation_id"], record["third_party_id"], record["parser_id"]) == ("c-1", "acme", "p1")
    assert function.wait_for_record(logger="function")["correlation_id"] == "c-1"
    function.wait_for_line("printed 1")


def test_records_of_async_handlers_carry_the_ids_too(run: Start) -> None:
    function = run(
        LOGGING + "async def handler(event, context):\n  await asyncio.sleep(0)\n  work(event, context)"
    )

    function.send({"n": 1}, x_correlation_id="c-1")
    function.send({"n": 2}, x_correlation_id="c-2")

    assert function.wait_for_record(logger="mine", n=1)["correlation_id"] == "c-1"
    assert function.wait_for_record(logger="mine", n=2)["correlation_id"] == "c-2"


def test_the_end_of_a_call_is_logged_with_its_duration(run: Start) -> None:
    function = run("def handler(event): return 1")

    function.send({}, x_correlation_id="c-1")

    record = function.wait_for_record(message="the event was handled", correlation_id="c-1")
    assert record["invocation"]["duration_ms"] >= 0
    assert record["timestamp"].endswith("Z")


def test_records_outside_of_calls_have_no_ids_of_calls(run: Start) -> None:
    function = run(
        "import logging\nlogging.getLogger('mine').warning('at import')\ndef handler(event): return 1"
    )

    assert "correlation_id" not in function.wait_for_record(message="at import")


def test_the_log_level_holds_for_the_parser_as_well(launch: Start) -> None:
    code = "import logging\nlogging.info('quiet')\nlogging.error('loud')\nraise SystemExit"
    function = launch(code, LOG_LEVEL="error")

    assert function.exit_status() == 1
    assert [record["message"] for record in function.records()][:1] == ["loud"]


def test_lines_of_many_calls_never_mix(run: Start) -> None:
    function = run(
        """
import logging, threading
def handler(event):
    def talk():
        for n in range(50):
            print("printed", "line")
            logging.info("logged")
    threads = [threading.Thread(target=talk) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
"""
    )

    function.send({})
    function.wait_for_record(message="the event was handled")

    records = [json.loads(line) for line in function.lines if line.startswith("{")]
    assert sum(record["message"] == "logged" for record in records) == 200
    assert "".join(line for line in function.lines if not line.startswith("{")).count("printed line") == 200


def test_records_that_json_cannot_hold_are_written_all_the_same(run: Start) -> None:
    function = run(
        "import logging\n"
        "def handler(event): logging.info('odd \\ud800', extra={'thing': object(), 'level': 'x'})"
    )

    function.send({})

    record = function.wait_for_record(logger="root")
    assert record["thing"].startswith("<object")
    assert record["level"] == "info"
