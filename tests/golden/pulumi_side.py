"""A process of its own in which Pulumi's own engine works on the golden stack, by the Automation API.

Arguments: preview, up or refresh; the backend's folder; the namespace; and the edits by part as JSON. Prints
one JSON object: `changes`, `steps` (what does not stay the same: name, op, keys, detailed) and `failed` (the
names of resources with errors, or the text of any other error).
"""

import json
import sys
from typing import Any

from pulumi import automation

from tests.golden.program import golden, program
from tests.golden.site import PASSPHRASE, STACK

_SAME = {"same", "refresh"}


def main(verb: str, folder: str, namespace: str, edits: str) -> None:
    """Carry the operation out and print what it did."""
    stack = automation.create_or_select_stack(
        stack_name=STACK.name,
        project_name=STACK.project,
        program=program(json.loads(edits), namespace=namespace),
        opts=automation.LocalWorkspaceOptions(
            project_settings=automation.ProjectSettings(
                name=STACK.project,
                runtime="python",
                backend=automation.ProjectBackend(url=f"file://{folder}"),
            ),
            env_vars={"PULUMI_CONFIG_PASSPHRASE": PASSPHRASE},
        ),
    )
    events: list[Any] = []
    error = ""
    try:
        getattr(stack, verb)(on_event=events.append)
    except automation.CommandError as failure:
        error = str(failure)
    print(json.dumps(golden(_report(events, error), namespace)))  # noqa: T201 - the answer


def _report(events: list[Any], error: str) -> dict[str, Any]:
    told = [event.diagnostic_event for event in events if event.diagnostic_event]
    failed = sorted(
        {_name(item.urn) for item in told if item.severity == "error" and "kubernetes:" in (item.urn or "")}
    )
    summaries = [event.summary_event.resource_changes for event in events if event.summary_event]
    begun = [event.resource_pre_event.metadata for event in events if event.resource_pre_event]
    return {
        "changes": {str(getattr(op, "value", op)): count for op, count in (summaries or [{}])[0].items()},
        "steps": [_step(item) for item in begun if _op(item) not in _SAME and "kubernetes:" in item.type],
        "failed": failed or ([error] if error else []),
    }


def _step(item: Any) -> dict[str, Any]:
    row: dict[str, Any] = {"name": _name(item.urn), "op": _op(item)}
    if item.keys:
        row["keys"] = list(item.keys)
    if item.detailed_diff:
        row["detailed"] = {
            path: str(getattr(diff.diff_kind, "value", diff.diff_kind)) + " input" * diff.input_diff
            for path, diff in item.detailed_diff.items()
        }
    return row


def _op(item: Any) -> str:
    return str(getattr(item.op, "value", item.op))


def _name(urn: str) -> str:
    return urn.rsplit("::", 1)[-1]


if __name__ == "__main__":
    main(*sys.argv[1:])
