"""Does what the event asks for: the Python half of the conformance suite's parser."""

import errno
import json
import pathlib
import sys
import time


class Chosen(Exception):
    def __init__(self, retryable):
        self.retryable = retryable


def handler(event, context):
    return globals()[event["do"]](event, context)


def echo(event, context):
    return {"data": event["value"]}


def facts(event, context):
    return {
        "function": context.function_name,
        "namespace": context.function_namespace,
        "third_party": context.third_party_id,
        "parser": context.parser_id,
        "invocation": context.invocation_id,
        "correlation": context.correlation_id,
        "traceparent": context.trace.traceparent,
        "cold_start": context.cold_start,
        "event_id": context.event.id,
        "remaining": context.remaining_seconds(),
    }


def metadata(event, context):
    return dict(context.metadata)


def validation(event, context):
    return int("not a number")


def runtime(event, context):
    return {}["missing"]


def network(event, context):
    raise ConnectionRefusedError(errno.ECONNREFUSED, "nobody listens")


def exhausted(event, context):
    raise OSError(errno.ENOSPC, "disk full")


def permission(event, context):
    raise PermissionError(errno.EACCES, "not yours")


def retryable(event, context):
    raise Chosen(True)


def permanent(event, context):
    error = ConnectionResetError("gone for good")
    error.retryable = False
    raise error


def exit_(event, context):
    sys.exit(3)


globals()["exit"] = exit_


def not_json(event, context):
    return {"value": {1, 2}}


def wrapped(event, context):
    return {"statusCode": 202, "body": {"a": 1}}


def unwrapped(event, context):
    return {"statusCode": 202, "more": 1}


def nothing(event, context):
    return None


def log(event, context):
    print("printed", flush=True)
    context.logger.warning("logged", extra={"n": event["n"]})


def hold(event, context):
    print("holding", flush=True)
    while not pathlib.Path(event["until"]).exists():
        time.sleep(0.005)
    return "finished"


def late(event, context):
    time.sleep(event["seconds"])


def hang(event, context):
    print("hanging", flush=True)
    while True:
        json.dumps("busy")
