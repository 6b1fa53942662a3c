"""Events have Pulumi's order and shape."""

from typing import Any

import pulumi
import pytest
from pulumi.automation.events import EngineEvent

from engine import Engine, StackRef, UpdateFailed
from tests.engine.fake import Group, Thing, World

Options = pulumi.ResourceOptions
Events = list[dict[str, Any]]


def kinds(events: Events) -> list[str]:
    """Return the kind of each event."""
    return [next(key for key in event if key not in ("sequence", "timestamp")) for event in events]


def steps(events: Events, kind: str) -> list[tuple[str, str]]:
    """Return operation and name of each event of a kind."""
    found = [event[kind]["metadata"] for event in events if kind in event]
    return [(item["op"], item["urn"].rsplit("::", 1)[-1]) for item in found]


def program(version: int = 1) -> Any:
    """Return a program with a component and a resource."""

    def run() -> None:
        group = Group("group", outputs={"x": 1})
        Thing("a", Options(parent=group), size=version)
        pulumi.log.info("hello")
        pulumi.log.debug("never seen")

    return run


def test_a_run_opens_with_its_configuration_and_closes_with_the_summary(
    engine: Engine, stack: StackRef
) -> None:
    events: Events = []

    engine.up(stack, program(), config={"proj:x": "1"}, on_event=events.append)

    assert [event["sequence"] for event in events] == list(range(len(events)))
    found = kinds(events)
    assert (found[0], found[-2:]) == ("preludeEvent", ["summaryEvent", "cancelEvent"])
    summary = events[-2]["summaryEvent"]
    assert summary["resourceChanges"] == {"create": 3}
    assert (summary["result"], summary["isPreview"], summary["maybeCorrupt"]) == ("succeeded", False, False)
    assert [event["diagnosticEvent"]["message"] for event in events if "diagnosticEvent" in event] == [
        "hello"
    ]


def test_every_step_is_announced_and_components_report_with_their_outputs(
    engine: Engine, stack: StackRef
) -> None:
    events: Events = []

    engine.up(stack, program(), on_event=events.append)

    assert steps(events, "resourcePreEvent") == [
        ("create", "proj-dev"),
        ("create", "group"),
        ("create", "default"),
        ("create", "a"),
    ]
    reported = steps(events, "resOutputsEvent")
    assert sorted(reported) == sorted(steps(events, "resourcePreEvent"))
    assert reported[-1] == ("create", "proj-dev")
    group = next(
        event["resOutputsEvent"]["metadata"]
        for event in events
        if "::group" in str(event.get("resOutputsEvent"))
    )
    assert group["new"]["outputs"] == {"x": 1}


def test_a_replacement_reports_its_three_steps_with_the_reasons(engine: Engine, stack: StackRef) -> None:
    engine.up(stack, lambda: Thing("a", forced=1))
    events: Events = []

    engine.up(stack, lambda: Thing("a", forced=2), on_event=events.append)

    assert [op for op, name in steps(events, "resOutputsEvent") if name == "a"] == [
        "create-replacement",
        "replace",
        "delete-replaced",
    ]
    replace = next(
        event["resourcePreEvent"]["metadata"]
        for event in events
        if event.get("resourcePreEvent", {}).get("metadata", {}).get("op") == "replace"
    )
    assert (replace["keys"], replace["diffs"]) == (["forced"], ["forced"])
    assert (replace["old"]["id"], replace["new"]["id"]) == ("a-1", "a-2")


def test_a_failing_step_reports_diagnostic_then_failure(
    engine: Engine, stack: StackRef, world: World
) -> None:
    world.fail("create", "a", "quota")
    events: Events = []

    with pytest.raises(UpdateFailed):
        engine.up(stack, program(), on_event=events.append)

    found = kinds(events)
    position = found.index("resOpFailedEvent")
    before = events[position - 1]["diagnosticEvent"]
    assert (before["severity"], before["message"]) == ("error", "quota")
    assert before["urn"].endswith("::a")
    assert events[-2]["summaryEvent"]["result"] == "failed"
    assert "create" in events[-2]["summaryEvent"]["resourceChanges"]
    assert found[-1] == "cancelEvent"


def test_a_preview_marks_its_events_as_planning(engine: Engine, stack: StackRef) -> None:
    events: Events = []

    engine.preview(stack, program(), on_event=events.append)

    assert all(event["resourcePreEvent"]["planning"] for event in events if "resourcePreEvent" in event)
    assert events[-2]["summaryEvent"]["isPreview"] is True


def test_pulumis_own_classes_read_the_events(engine: Engine, stack: StackRef) -> None:
    events: Events = []
    engine.up(stack, program(1), on_event=events.append)
    engine.up(stack, program(2), on_event=events.append)
    engine.destroy(stack, on_event=events.append)

    parsed = [EngineEvent.from_json(event) for event in events]

    updated = [item.res_outputs_event for item in parsed if item.res_outputs_event]
    assert any(item.metadata.op == "update" for item in updated)
    assert parsed[-2].summary_event is not None
