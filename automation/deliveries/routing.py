"""Which event goes to whom where no Triggers say it. Pure.

    the automation service   the types that it takes
    a function               `parser.start` of its third party (source) for its parser (subject)

Any other event goes nowhere, as with a Broker that nobody asks for it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from components.manifests.function import START_EVENT
from components.naming import function_name

SERVICE: Final = "service"
FUNCTION: Final = "function"
NOBODY: Final = "nobody"
RECEIVERS: Final = (SERVICE, FUNCTION, NOBODY)

_SOURCE: Final = "network.notifi."


@dataclass(frozen=True, kw_only=True)
class Destination:
    """Where one event goes."""

    receiver: str
    """SERVICE or FUNCTION."""
    url: str
    timeout_seconds: float
    """Longest wait for one answer."""


@dataclass(frozen=True, kw_only=True)
class Routes:
    """The table, in place of all Triggers of an environment."""

    service_url: str
    service_types: frozenset[str] = frozenset()
    """Types that the service takes; empty: all."""
    service_timeout_seconds: float = 30.0
    function_url: str = ""
    """How a function is reached, `{name}` and `{namespace}` are filled in; empty: functions get nothing."""
    namespace: str = ""
    function_timeout_seconds: float = 330.0
    """A delivery that ends before its call does would be repeated beside it: 300 s are the longest call."""

    def of(self, attributes: Mapping[str, str]) -> list[Destination]:
        """Return where an event goes; one without a type to the service, which refuses it."""
        event_type = attributes.get("type", "")
        found = []
        if not event_type or not self.service_types or event_type in self.service_types:
            found.append(self._service())
        function = self._function(attributes) if event_type == START_EVENT else None
        return [*found, function] if function else found

    def _service(self) -> Destination:
        return Destination(
            receiver=SERVICE, url=self.service_url, timeout_seconds=self.service_timeout_seconds
        )

    def _function(self, attributes: Mapping[str, str]) -> Destination | None:
        source, parser = attributes.get("source", ""), attributes.get("subject", "")
        third_party = source.removeprefix(_SOURCE)
        if not (self.function_url and parser and third_party) or third_party == source:
            return None
        name = function_name(third_party, parser)
        return Destination(
            receiver=FUNCTION,
            url=self.function_url.format(name=name, namespace=self.namespace),
            timeout_seconds=self.function_timeout_seconds,
        )
