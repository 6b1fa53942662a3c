"""What two states say of a function's drift: found, found to be more or less, over. Pure."""

import datetime
import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from automation.drift.found import Drift
from automation.model import FunctionState
from automation.outbox import lifecycle
from automation.outbox.lifecycle import service_name, timestamp


def found(before: FunctionState, after: FunctionState) -> Drift | None:
    """Return the drift that was not known before."""
    return after.drift if after.drift and after.drift != before.drift else None


def over(before: FunctionState, after: FunctionState) -> Drift | None:
    """Return the drift that is no more, of a function that still runs."""
    return before.drift if after.drift is None and after.deployment is not None else None


def name(before: FunctionState, after: FunctionState) -> str:
    """Return what names a change of drift as a cause of events; empty: there is none."""
    if before.drift == after.drift:
        return ""
    digest = hashlib.sha256(json.dumps(after.drift.as_json() if after.drift else "").encode()).hexdigest()
    since = (before.drift or after.drift or Drift(found_at=datetime.datetime.min, resources=())).found_at
    return f"drift since {since.isoformat()} {digest[:16]}"


def told(before: FunctionState, after: FunctionState) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the ends of the types of lifecycle events, and their data."""
    if drift := found(before, after):
        yield "function.drifted", {**lifecycle.of_function(after), "drift": drift.as_json()}
    elif old := over(before, after):
        healed = after.healed_at != before.healed_at
        yield (
            "function.restored",
            {**lifecycle.of_function(after), "drift": old.as_json(), "healed": healed},
        )


def alert(before: FunctionState, after: FunctionState, now: datetime.datetime) -> dict[str, Any] | None:
    """Return the data of the alert that a function has drifted, or that it no longer has; None: neither."""
    drift, ended = found(before, after), over(before, after)
    known = drift or ended
    if known is None:
        return None
    service = service_name(after)
    return {
        **lifecycle.named(after),
        "alertName": "FunctionDrifted",
        "severity": "warning" if drift else "info",
        "summary": f"{service} is {'not' if drift else 'again'} as it was deployed",
        "description": known.names,
        "labels": {"service": service},
        "annotations": {},
        "startsAt": timestamp(known.found_at),
        **({} if drift else {"endsAt": timestamp(now)}),
    }
