"""Events that the service refuses for good, kept as dead letters before they are answered.

eventing-rabbitmq's dispatcher drops what is answered with a status that is not worth a retry (docs/decisions/
0121). So what came from the Broker is posted to the dead letter sink first. A sink that does not take it
makes the answer 503: then the dispatcher delivers it again, and dead-letters it itself in the end.
"""

import asyncio
import logging
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from automation.adapters.dead_letter_sink import HttpDeadLetterSink
from automation.dead_letters.failure import explained, explanations
from automation.dead_letters.letter import is_worth_a_retry
from automation.errors import InvalidEvent, PlatformError
from automation.outbox.sinks import EventRefused
from service.logs import fields

BROKERS_PATH: Final = "/"
"""Where Triggers deliver; on the other paths senders see the answer themselves."""

_DESTINATION: Final = "http://knative-lambda-builder/"
"""`knativeerrordest` of such letters: this Service, whatever name the Trigger knows it by."""
_AT_ONCE: Final = 4
"""Letters on their way at one time: few, so that a flood of refusals cannot use up the process's threads."""

logger = logging.getLogger(__name__)


class Refused:
    """Posts refused events to the dead letter sink; one for all requests."""

    def __init__(self, sink_url: str) -> None:
        self._sink = HttpDeadLetterSink(sink_url, connections=_AT_ONCE)
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="refused")

    async def keep(
        self, path: str, headers: Iterable[tuple[str, str]], body: bytes, error: PlatformError
    ) -> None:
        """Return once the event is kept, or if it need not be. Raises DependencyUnavailable.

        Header names are in lower case. What is no event at all is none of the Broker's, and is not kept.
        """
        if path != BROKERS_PATH or is_worth_a_retry(error.status):
            return
        text = "; ".join((error.message, *error.details))
        try:
            letter = explained(dict(headers), body, explanations(error.status, _DESTINATION, text.encode()))
        except InvalidEvent:
            return
        try:
            await asyncio.get_running_loop().run_in_executor(self._threads, self._sink.keep, *letter)
        except EventRefused as refusal:
            logger.error("a refused event is lost", extra=fields(error=f"the sink answered {refusal}"))

    def close(self) -> None:
        """Release threads and connections."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._sink.close()
