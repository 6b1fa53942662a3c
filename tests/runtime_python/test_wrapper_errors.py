"""What a failing parser answers: error class, retryable, and the HTTP status that a trigger acts by."""

import json

import pytest
from wrapper_process import Function, Start

RAISING = """
import errno, socket, sys, datetime

class Chosen(Exception):
    def __init__(self, retryable):
        self.retryable = retryable

class Rude(Exception):
    def __str__(self):
        raise ValueError("no")

def handler(event):
    return eval(event["do"])

def throw(error):
    raise error
"""


@pytest.fixture(scope="module")
def raising(tmp_path_factory: pytest.TempPathFactory):
    """A parser that raises or returns what the event asks for."""
    function = Function(tmp_path_factory.mktemp("raising"), {"parser.py": RAISING}).started()
    yield function
    function.close()


@pytest.mark.parametrize(
    ("do", "status", "code", "retryable"),
    [
        ("throw(ValueError('bad'))", 422, "VALIDATION_ERROR", False),
        ("throw(TypeError('bad'))", 422, "VALIDATION_ERROR", False),
        ("throw(ImportError('bad'))", 422, "RUNTIME_ERROR", False),
        ("throw(KeyError('bad'))", 422, "RUNTIME_ERROR", False),
        ("throw(Rude())", 422, "RUNTIME_ERROR", False),
        ("throw(FileNotFoundError('bad'))", 422, "RUNTIME_ERROR", False),
        ("throw(PermissionError('bad'))", 422, "RUNTIME_ERROR", False),
        ("throw(Chosen(False))", 422, "RUNTIME_ERROR", False),
        ("sys.exit(3)", 422, "RUNTIME_ERROR", False),
        ("throw(KeyboardInterrupt())", 422, "RUNTIME_ERROR", False),
        ("throw(Chosen(True))", 500, "TRANSIENT_ERROR", True),
        ("throw(ConnectionResetError('bad'))", 500, "TRANSIENT_ERROR", True),
        ("throw(TimeoutError('bad'))", 500, "TRANSIENT_ERROR", True),
        ("throw(socket.gaierror(8, 'bad'))", 500, "TRANSIENT_ERROR", True),
        ("throw(OSError(errno.ENOSPC, 'bad'))", 500, "SYSTEM_ERROR", True),
        ("throw(MemoryError('bad'))", 500, "SYSTEM_ERROR", True),
    ],
)
def test_an_error_is_classified_and_the_status_follows_retryable(
    raising: Function, do: str, status: int, code: str, retryable: bool
) -> None:
    reply = raising.send({"do": do})

    assert reply.status == status
    assert reply.headers["ce-type"] == "io.knative.lambda.response.error"
    assert (reply.data["error"]["code"], reply.data["error"]["retryable"]) == (code, retryable)
    assert "result" not in reply.data


def test_an_error_names_itself_and_shows_no_stack(raising: Function) -> None:
    reply = raising.send({"do": "throw(ValueError('blockId is missing'))"})

    assert reply.data["error"]["message"] == "ValueError: blockId is missing"
    assert "stack" not in reply.data["error"]
    assert b"Traceback" not in reply.body


def test_the_stack_is_in_the_log_with_the_ids_of_the_call(raising: Function) -> None:
    raising.send({"do": "throw(ValueError('find me'))"}, x_correlation_id="c-stack")

    record = raising.wait_for_record(message="the event was not handled", correlation_id="c-stack")
    assert "in throw" in record["stack"]
    assert record["error_code"] == "VALIDATION_ERROR"


def test_the_stack_is_told_when_the_log_level_is_debug(run: Start) -> None:
    function = run("def handler(event): raise ValueError('x')", LOG_LEVEL="debug")

    assert "in handler" in function.send({}).data["error"]["stack"]


@pytest.mark.parametrize(
    ("do", "text"),
    [
        ("datetime.date(2026, 1, 1)", "it holds a date"),
        ("{'a': {1, 2}}", "it holds a set"),
        ("float('nan')", "not JSON compliant"),
        ("{(1, 2): 3}", "keys must be"),
        ("(n for n in [1])", "it holds a generator"),
        ("b'raw'", "it holds a bytes"),
        ("(lambda a: a.append(a) or a)([])", "Circular"),
    ],
)
def test_a_result_that_is_not_json_is_a_clear_error(raising: Function, do: str, text: str) -> None:
    reply = raising.send({"do": do})

    assert reply.status == 422
    assert reply.data["error"]["code"] == "RUNTIME_ERROR"
    assert "the handler's result is not JSON" in reply.data["error"]["message"]
    assert text in reply.data["error"]["message"]


@pytest.mark.parametrize(
    ("do", "result"),
    [
        ("None", {"statusCode": 200, "body": None}),
        ("{'statusCode': 202, 'body': {'a': 1}}", {"statusCode": 202, "body": {"a": 1}}),
        ("{'statusCode': 'x', 'body': 1}", {"statusCode": 200, "body": {"statusCode": "x", "body": 1}}),
        ("{'statusCode': 1, 'more': 2}", {"statusCode": 200, "body": {"statusCode": 1, "more": 2}}),
        ("'\\ud800 ü'", {"statusCode": 200, "body": "\ud800 ü"}),
    ],
)
def test_results_are_wrapped_unless_the_handler_did_it(raising: Function, do: str, result: object) -> None:
    reply = raising.send({"do": do})

    assert reply.status == 200
    assert json.loads(reply.body)["result"] == result


def test_the_function_goes_on_after_errors(raising: Function) -> None:
    raising.send({"do": "sys.exit(3)"})

    assert raising.send({"do": "1 + 1"}).data["result"]["body"] == 2


def test_failures_are_counted_by_type(run: Start) -> None:
    function = run("def handler(event): raise event['nope']")
    function.send({})
    function.request("POST", "/", b"{", {"content-type": "application/json"})

    text = function.request("GET", "/metrics").body.decode()
    labels = 'function="lambda-acme-p1",namespace="knative-lambda-local"'
    assert f'knative_lambda_function_errors_total{{{labels},error_type="runtime"}} 1' in text
    assert f'knative_lambda_function_errors_total{{{labels},error_type="request"}} 1' in text
    assert f'knative_lambda_function_invocations_total{{{labels},status="error"}} 1' in text
