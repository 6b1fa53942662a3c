"""What a failing parser answers: error class, retryable, and the HTTP status that a trigger acts by."""

import pytest


@pytest.mark.parametrize(
    ("do", "status", "code", "retryable"),
    [
        ("validation", 422, "VALIDATION_ERROR", False),
        ("runtime", 422, "RUNTIME_ERROR", False),
        ("permission", 422, "RUNTIME_ERROR", False),
        ("permanent", 422, "RUNTIME_ERROR", False),
        ("exit", 422, "RUNTIME_ERROR", False),
        ("not_json", 422, "RUNTIME_ERROR", False),
        ("retryable", 500, "TRANSIENT_ERROR", True),
        ("network", 500, "TRANSIENT_ERROR", True),
        ("exhausted", 500, "SYSTEM_ERROR", True),
    ],
)
def test_an_error_is_classified_and_the_status_follows_retryable(
    actions, do, status, code, retryable
) -> None:
    reply = actions.send({"do": do})

    assert reply.status == status, reply.body
    assert reply.headers["ce-type"] == "io.knative.lambda.response.error"
    error = reply.data["error"]
    assert (error["code"], error["retryable"]) == (code, retryable)
    assert error["message"]
    assert set(error) == {"code", "message", "retryable"}, "no stack"
    assert "result" not in reply.data


@pytest.mark.parametrize(
    ("do", "result"),
    [
        ("nothing", {"statusCode": 200, "body": None}),
        ("wrapped", {"statusCode": 202, "body": {"a": 1}}),
        ("unwrapped", {"statusCode": 200, "body": {"statusCode": 202, "more": 1}}),
    ],
)
def test_results_are_wrapped_unless_the_handler_did_it(actions, do, result) -> None:
    reply = actions.send({"do": do})

    assert (reply.status, reply.data["result"]) == (200, result)


def test_a_result_that_is_not_json_says_so(actions) -> None:
    assert "the handler's result is not JSON" in actions.send({"do": "not_json"}).data["error"]["message"]


def test_the_function_goes_on_after_errors(actions) -> None:
    actions.send({"do": "exit"})

    assert actions.send({"do": "echo", "value": 2}).data["result"]["body"] == {"data": 2}


def test_an_error_is_in_the_log_with_the_ids_of_the_call(actions) -> None:
    actions.send({"do": "runtime"}, x_correlation_id="c-error")

    record = actions.wait_for_record(message="the event was not handled", correlation_id="c-error")
    assert (record["level"], record["error_code"]) == ("error", "RUNTIME_ERROR")
    assert record["error"]


def test_the_stack_is_told_when_the_log_level_is_debug(run, runtime) -> None:
    function = run(LOG_LEVEL="debug")

    # Errors of Go have no stack, panics have.
    reply = function.send({"do": "panic" if runtime.language == "go" else "runtime"})

    assert reply.status == 422
    assert "parser" in reply.data["error"]["stack"]


def test_failures_are_counted_by_type(run) -> None:
    function = run()
    function.send({"do": "network"})
    function.request("POST", "/", b"{", {"content-type": "application/json"})

    text = function.request("GET", "/metrics").body.decode()
    labels = 'function="lambda-acme-p1",namespace="knative-lambda-local"'
    assert f'knative_lambda_function_errors_total{{{labels},error_type="network"}} 1\n' in text
    assert f'knative_lambda_function_errors_total{{{labels},error_type="request"}} 1\n' in text
    assert f'knative_lambda_function_invocations_total{{{labels},status="error"}} 1\n' in text
