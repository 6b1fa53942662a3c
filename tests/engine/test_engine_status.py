"""What a provider's call waits for reaches whoever watches the operation."""

from typing import Any

from engine import Engine, StackRef, status
from engine.provider import Properties
from tests.engine.fake import Thing, World


def test_what_a_call_waits_for_is_told_with_its_resource_once_and_only_meanwhile(
    engine: Engine, stack: StackRef, world: World
) -> None:
    def wait(_: str, __: Properties) -> None:
        for text in ("1 of 2 pods", "1 of 2 pods", "", "2 of 2 pods"):
            status.tell(text)

    world.faults["create", "slow"] = wait
    events: list[dict[str, Any]] = []

    engine.up(stack, lambda: Thing("slow"), on_event=events.append)

    told = [event["diagnosticEvent"] for event in events if "diagnosticEvent" in event]
    assert [(body["message"], body["ephemeral"]) for body in told] == [
        ("1 of 2 pods", True),
        ("2 of 2 pods", True),
    ]
    assert all(body["urn"].endswith("::slow") for body in told)


def test_telling_without_a_listener_does_nothing() -> None:
    status.tell("nobody hears this")
