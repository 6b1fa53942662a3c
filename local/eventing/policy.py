"""How often and how long delivery is tried, and what an answer means. Pure.

The rules are Knative's: no answer, 404, 408, 409, 429 and 5xx are worth another try, other refusals are
not; waits grow linearly (0, d, 2d, …) or exponentially (d, 2d, 4d, …) and are stretched by Retry-After of
429 and 503.
"""

import datetime
import email.utils
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_DURATION = re.compile(
    r"P(?:([0-9]+(?:[.,][0-9]+)?)W)?(?:([0-9]+(?:[.,][0-9]+)?)D)?"
    r"(?:T(?:([0-9]+(?:[.,][0-9]+)?)H)?(?:([0-9]+(?:[.,][0-9]+)?)M)?(?:([0-9]+(?:[.,][0-9]+)?)S)?)?"
)
_SECONDS = (7 * 86400.0, 86400.0, 3600.0, 60.0, 1.0)
_RETRIED = frozenset((404, 408, 409, 429))
_DEFAULT = {"retry": 10, "backoffPolicy": "exponential", "backoffDelay": "PT0.2S"}
"""Knative's own default of a Broker without a delivery spec (config-br-defaults)."""
NO_TIMEOUT_SECONDS = 300.0
"""Knative has no limit without `timeout`; an emulator that waits forever would only look broken."""


class PolicyError(ValueError):
    """The delivery spec cannot be used; the text is for the object's status."""


@dataclass(frozen=True)
class Policy:
    """A compiled delivery spec; times in seconds."""

    retry: int = 0
    exponential: bool = True
    delay: float = 0.0
    timeout: float = NO_TIMEOUT_SECONDS
    retry_after_max: float | None = None
    """Upper limit of Retry-After; 0 ignores it, None is no limit."""

    def wait(self, attempt: int, retry_after: float | None) -> float:
        """Return the seconds before retry number `attempt`, counted from 0."""
        backoff = self.delay * (2.0**attempt if self.exponential else attempt)
        if retry_after is None:
            return backoff
        limit = self.retry_after_max
        return max(backoff, retry_after if limit is None else min(retry_after, limit))


@dataclass(frozen=True)
class Answer:
    """What a receiver answered, or `status` -1 with the reason in `body` when it did not."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes

    @property
    def is_success(self) -> bool:
        """Whether the receiver has taken the event."""
        return 200 <= self.status < 300

    @property
    def is_worth_a_retry(self) -> bool:
        """Whether the same request may succeed later."""
        return self.status == -1 or self.status >= 500 or self.status in _RETRIED

    def retry_after(self, now: datetime.datetime) -> float | None:
        """Return the seconds that a 429 or 503 asks to wait; None if it does not say."""
        text = self.headers.get("retry-after", "").strip()
        if self.status not in (429, 503) or not text:
            return None
        if re.fullmatch("[0-9]{1,9}", text):
            return float(text)
        try:
            moment = email.utils.parsedate_to_datetime(text)
        except ValueError:
            return None
        return max((moment - now).total_seconds(), 0.0) if moment.tzinfo else None


def compile_policy(trigger: Mapping[str, Any] | None, broker: Mapping[str, Any] | None) -> Policy:
    """Compile a Trigger's delivery spec, or the Broker's where the Trigger has none. Raises PolicyError."""
    spec = trigger or broker or _DEFAULT
    retry = spec.get("retry", 0)
    if not isinstance(retry, int) or retry < 0:
        raise PolicyError(f"delivery.retry is {retry!r}; expected a number from 0")
    policy = spec.get("backoffPolicy", "exponential")
    if policy not in ("linear", "exponential"):
        raise PolicyError(f"delivery.backoffPolicy is {policy!r}; allowed are linear and exponential")
    limit = spec.get("retryAfterMax")
    return Policy(
        retry=retry,
        exponential=policy == "exponential",
        # Without a policy Knative does not wait between tries, whatever the delay says.
        delay=_duration("backoffDelay", spec) if "backoffPolicy" in spec else 0.0,
        timeout=_duration("timeout", spec) or NO_TIMEOUT_SECONDS,
        retry_after_max=None if limit is None else _duration("retryAfterMax", spec),
    )


def parse_duration(text: str) -> float:
    """Return the seconds of an ISO 8601 duration such as PT1S or PT1M30.5S; raises ValueError."""
    match = _DURATION.fullmatch(text)
    if match is None or not any(match.groups()) or text.endswith("T"):
        raise ValueError(f"{text!r} is no duration; expected ISO 8601 such as PT1S, PT0.5S or PT2M")
    return sum(
        float(number.replace(",", ".")) * unit
        for number, unit in zip(match.groups(), _SECONDS, strict=True)
        if number
    )


def _duration(name: str, spec: Mapping[str, Any]) -> float:
    if spec.get(name) is None:
        return 0.0
    try:
        return parse_duration(spec[name])
    except (ValueError, TypeError) as error:
        raise PolicyError(f"delivery.{name}: {error}") from None
