"""The dead letter sink over HTTP, for letters that do not come from a Broker."""

from typing import Final

import urllib3
from urllib3.exceptions import HTTPError

from automation.dead_letters.letter import is_worth_a_retry
from automation.errors import DependencyUnavailable
from automation.outbox.sinks import EventRefused

KEEP_SECONDS: Final = 25.0
"""Longest wait for the sink: below a delivery's 30 seconds, so that its sender sees what came of it."""


class HttpDeadLetterSink:
    """Posts letters; for several threads."""

    def __init__(self, url: str, *, connections: int) -> None:
        self._url = url
        self._http = urllib3.PoolManager(maxsize=connections, timeout=KEEP_SECONDS, retries=False)

    def keep(self, headers: dict[str, str], body: bytes) -> None:
        """Return once a letter is kept. Raises DependencyUnavailable; EventRefused for good."""
        try:
            answer = self._http.request("POST", self._url, body=body, headers=headers)
        except HTTPError as error:
            raise DependencyUnavailable(f"the dead letter sink did not answer: {error}") from error
        if is_worth_a_retry(answer.status):
            raise DependencyUnavailable(f"the dead letter sink did not take a letter: {answer.status}")
        if answer.status >= 300:
            raise EventRefused(str(answer.status))

    def close(self) -> None:
        """Release connections."""
        self._http.clear()
