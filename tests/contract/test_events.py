"""The stream of events that tells of an operation, in Pulumi's form."""

import pytest

from engine import StackRef, UpdateFailed
from engine.protocol import StackEngine
from tests.contract.resources import Group, Thing
from tests.contract.world import World


def kind_of(event: dict) -> str:
    return next(key for key in event if key not in ("sequence", "timestamp"))


def told(events: list[dict], kind: str, name: str) -> list[str]:
    """The ops of the events of a kind about a resource."""
    bodies = [event[kind] for event in events if kind in event]
    return [body["metadata"]["op"] for body in bodies if body["metadata"]["urn"].endswith(f"::{name}")]


def test_a_stream_begins_and_ends_as_pulumis(engine: StackEngine, world: World, stack: StackRef):
    events: list[dict] = []

    def program():
        Group("g", size=1)
        Thing("a", value=1)

    engine.up(stack, program, config={"proj:size": "1"}, on_event=events.append)

    kinds = [kind_of(event) for event in events if kind_of(event) != "diagnosticEvent"]
    assert kinds[0] == "preludeEvent"
    assert kinds[-2:] == ["summaryEvent", "cancelEvent"]
    assert events[0]["preludeEvent"]["config"]["proj:size"] == "1"
    assert [event["sequence"] for event in events] == sorted(event["sequence"] for event in events)
    for name in ("a", "g"):
        assert told(events, "resourcePreEvent", name) == told(events, "resOutputsEvent", name) == ["create"]
    [summary] = [event["summaryEvent"] for event in events if "summaryEvent" in event]
    assert summary["resourceChanges"] == {"create": 3}


def test_a_failure_is_told_with_its_resource_before_the_end(
    engine: StackEngine, world: World, stack: StackRef
):
    events: list[dict] = []
    world.fail("create", "a", "quota exceeded")

    with pytest.raises(UpdateFailed):
        engine.up(stack, lambda: Thing("a") and None, on_event=events.append)

    [diagnostic] = [
        event["diagnosticEvent"]
        for event in events
        if "quota exceeded" in event.get("diagnosticEvent", {}).get("message", "")
    ]
    assert diagnostic["urn"].endswith("::a")
    assert diagnostic["severity"] == "error"
    assert told(events, "resOpFailedEvent", "a") == ["create"]
    assert kind_of(events[-1]) == "cancelEvent"


def test_the_steps_of_a_replacement_are_told_in_order(engine: StackEngine, world: World, stack: StackRef):
    engine.up(stack, lambda: Thing("a", forced=1) and None)
    events: list[dict] = []
    engine.up(stack, lambda: Thing("a", forced=2) and None, on_event=events.append)

    assert told(events, "resOutputsEvent", "a") == ["create-replacement", "replace", "delete-replaced"]
    [replace] = [
        event["resourcePreEvent"]["metadata"]
        for event in events
        if event.get("resourcePreEvent", {}).get("metadata", {}).get("op") == "replace"
    ]
    assert replace["keys"] == ["forced"]
    assert replace["detailedDiff"] == {"forced": {"diffKind": "update-replace", "inputDiff": True}}
