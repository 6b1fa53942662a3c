"""Delivery: the event is sent until the broker has taken it, or the process has to end."""

import email.utils
import http.client
import logging
import random
import ssl
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

from monitor.events import Message
from monitor.stop import Stop

TIMEOUT_SECONDS = 10.0
FIRST_DELAY_SECONDS = 0.25
MAX_DELAY_SECONDS = 30.0

_RETRIED_AS_USUAL = frozenset({404, 408, 425, 429})
"""404: a broker that is not ready yet is not routed to."""
_log = logging.getLogger("monitor.broker")


@dataclass(frozen=True)
class Answer:
    """What came of one try."""

    status: int | None
    """The HTTP status, None when there was no answer."""
    detail: str
    retry_after_seconds: float = 0.0
    """How long the broker wants to be left alone."""

    @property
    def taken(self) -> bool:
        """The broker has the event."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def refused(self) -> bool:
        """The broker says that the event itself is wrong; only somebody who changes the broker can help."""
        return self.status is not None and 300 <= self.status < 500 and self.status not in _RETRIED_AS_USUAL


def deliver(url: str, message: Message, stop: Stop) -> bool:
    """Send until taken; a stop request leaves one last try. Say whether the broker has it."""
    tries = 0
    while True:
        last = stop.requested
        answer = post(url, message)
        tries += 1
        if answer.taken:
            _log.info(
                "the broker took the event", extra={"event_id": message.headers["ce-id"], "tries": tries}
            )
            return True
        pause = delay_seconds(tries, answer, random.random())  # noqa: S311  jitter needs no secrecy
        _log.log(
            logging.ERROR if answer.refused or last else logging.WARNING,
            "the broker did not take the event",
            extra={
                "status": answer.status,
                "error": answer.detail,
                "tries": tries,
                "pause_s": round(pause, 2),
            },
        )
        if last:
            return False
        stop.wait(pause)


def delay_seconds(tries: int, answer: Answer, jitter: float) -> float:
    """Return the pause after so many tries; `jitter` is from 0 to 1.

    Doubling from a quarter second to 30 s, up to half of it taken off by chance; at least what the broker
    asked for, at most 30 s. A refusal is retried too, at the slowest pace: nothing is lost while somebody
    repairs the broker.
    """
    ceiling = MAX_DELAY_SECONDS if answer.refused else FIRST_DELAY_SECONDS * 2.0 ** min(tries - 1, 20)
    pause = min(ceiling, MAX_DELAY_SECONDS) * (1 - jitter / 2)
    return min(max(pause, answer.retry_after_seconds), MAX_DELAY_SECONDS)


def post(url: str, message: Message) -> Answer:
    """Send the event once."""
    parts = urlsplit(url)
    host, target = parts.hostname or "", parts.path or "/"
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        context = ssl.create_default_context()
        connection = http.client.HTTPSConnection(host, parts.port, timeout=TIMEOUT_SECONDS, context=context)
    else:
        connection = http.client.HTTPConnection(host, parts.port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request(
            "POST", f"{target}?{parts.query}" if parts.query else target, message.body, message.headers
        )
        response = connection.getresponse()
        detail = response.read(256).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        return Answer(None, f"{type(error).__name__}: {error}")
    finally:
        connection.close()
    return Answer(response.status, detail, retry_after(response.getheader("Retry-After"), time.time()))


def retry_after(header: str | None, now: float) -> float:
    """Read a Retry-After header, seconds or a date, as seconds from now; 0 when absent or unreadable."""
    if not header:
        return 0.0
    if header.strip().isdecimal():
        return float(header)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(header).timestamp() - now)
    except (ValueError, TypeError):
        return 0.0
