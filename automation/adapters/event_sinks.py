"""An address that takes events by HTTP POST, over kept-alive connections."""

from typing import Final

import urllib3
from urllib3.exceptions import HTTPError

from automation.errors import DependencyUnavailable
from automation.outbox.breaker import Breaker, Patience
from automation.outbox.derivation import Telling
from automation.outbox.messages import Message
from automation.outbox.outbox import Outbox
from automation.outbox.sinks import EventRefused, Guarded, Sinks
from automation.settings import AutomationSettings

BROKER_SECONDS: Final = 10.0
CALLBACK_SECONDS: Final = 5.0
"""How long a call may take: the platform contract, sections 1.4 and 9."""

_BROKER_PATIENCE: Final = Patience(failures=5, open_seconds=10.0)
_CALLBACK_PATIENCE: Final = Patience(failures=5, open_seconds=60.0)
"""The contract's section 9 for callbacks; shorter for the broker, which everything waits for."""

_REFUSALS: Final = frozenset({400, 410, 413, 415, 422})
"""The event itself is wrong; every other status may change with time or with the sink's configuration."""

_DETAIL_CHARACTERS: Final = 256


class HttpSink:
    """See EventSink."""

    def __init__(self, url: str, seconds: float) -> None:
        self._url = url
        self._pool = urllib3.PoolManager(
            num_pools=1, maxsize=4, timeout=urllib3.Timeout(total=seconds), retries=False
        )

    def send(self, message: Message) -> None:
        """See EventSink."""
        headers = {"content-type": message.content_type, "user-agent": "knative-lambda-builder"}
        try:
            answer = self._pool.request("POST", self._url, body=message.body, headers=headers)
        except HTTPError as error:
            raise DependencyUnavailable(f"the sink of events did not answer: {error}") from error
        if answer.status < 300:
            return
        detail = f"{answer.status} {answer.data[:_DETAIL_CHARACTERS].decode('utf-8', 'replace')}"
        if answer.status in _REFUSALS:
            raise EventRefused(detail)
        raise DependencyUnavailable(f"the sink of events did not take an event: {detail}")

    def close(self) -> None:
        """See EventSink."""
        self._pool.clear()


def outbox(settings: AutomationSettings) -> Outbox:
    """Return the outbox that the settings call for."""
    telling = Telling(kinds=settings.told, environment=settings.environment, url_of=settings.url_of)
    return Outbox(telling, sinks(settings))


def sinks(settings: AutomationSettings) -> Sinks:
    """Return the sinks that the settings name."""
    broker = Guarded(HttpSink(settings.sink_url, BROKER_SECONDS), Breaker(_BROKER_PATIENCE))
    if not settings.scheduler_url:
        return Sinks(broker)
    url = settings.scheduler_url.rstrip("/") + "/fusion/execution/response"
    return Sinks(broker, Guarded(HttpSink(url, CALLBACK_SECONDS), Breaker(_CALLBACK_PATIENCE)))
