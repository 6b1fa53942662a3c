"""What travels through a broker: an event, how many hops it has left, and the headers that go with it."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from local.eventing.cloudevents import Event
from local.eventing.journal import Message as Entry

TTL = "knativebrokerttl"
"""The extension that Knative's brokers count hops with. Subscribers never see it."""
MAX_HOPS = 255
_PASSED = frozenset(("traceparent", "tracestate", "x-request-id"))
_PASSED_PREFIX = "knative-"


@dataclass(frozen=True)
class Message:
    """An event inside of a broker. `headers` (names in lower case) are passed on to subscribers."""

    event: Event
    hops_left: int = MAX_HOPS
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def received(cls, event: Event, headers: Mapping[str, str]) -> "Message":
        """Take an event as it came in from outside; a hop count in it goes down by one."""
        passed = {name: value for name, value in headers.items() if _is_passed(name) and value.isascii()}
        text = event.attributes.get(TTL)
        if text is None:
            return cls(event, MAX_HOPS, passed)
        hops = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
        return cls(event.without(TTL), min(hops, MAX_HOPS) - 1, passed)

    def reply(self, event: Event) -> "Message":
        """Return a subscriber's reply to this message, one hop further on."""
        return replace(self, event=event.without(TTL), hops_left=self.hops_left - 1)

    def to_entry(self) -> Entry:
        """Return the journal's form."""
        data = None if self.event.data is None else base64.b64encode(self.event.data).decode()
        attributes = dict(self.event.attributes)
        return {"attributes": attributes, "data": data, "hops": self.hops_left, "headers": dict(self.headers)}

    @classmethod
    def from_entry(cls, entry: Entry) -> "Message":
        """Return what `to_entry` was called on."""
        data = None if entry["data"] is None else base64.b64decode(entry["data"])
        return cls(Event(entry["attributes"], data), entry["hops"], entry["headers"])


def _is_passed(name: str) -> bool:
    return name in _PASSED or name.startswith(_PASSED_PREFIX)
