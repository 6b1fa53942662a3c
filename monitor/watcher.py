"""The loop: look at the pod until its build has ended, then say how.

The role allows `get` and no `watch`, so the pod is polled: every 100 ms at first, when short builds end, then
slower, but often enough that an end is known within half a second.
"""

import datetime
import itertools
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass

from monitor.cache import MAX_LOG_BYTES, cache_hits
from monitor.kubernetes import ApiUnavailable, PodGone, PodReader
from monitor.stop import Stop
from monitor.verdict import CalledOff, Pod, Rules, Verdict, Waiting, created_at, gone, verdict, waiting

FIRST_PAUSE_SECONDS = 0.1
MAX_PAUSE_SECONDS = 0.4
MAX_ERROR_PAUSE_SECONDS = 5.0
LOG_TRIES = 4
LAST_LOOK_SECONDS = 2.0
"""After a stop request, how long the pod is still looked at to learn what the stop means."""

_log = logging.getLogger("monitor.watcher")


@dataclass(frozen=True)
class Ending:
    """How the watch ended; `result` is None when the process was told to end and the build still ran."""

    result: Verdict | CalledOff | None
    pod_uid: str = ""
    log: str = ""
    cache_hits: int | None = None
    """Commands whose layer was in the cache; None: the build failed, or its log cannot be had."""


class Watcher:
    """Watches one pod."""

    def __init__(self, reader: PodReader, rules: Rules, stop: Stop) -> None:
        self._reader = reader
        self._rules = rules
        self._stop = stop
        self._created: datetime.datetime | None = None
        self._uid = ""
        self._wait: Waiting | None = None
        self._last_look: float | None = None

    def watch(self) -> Ending:
        """Return when the build has ended, was called off, or this process has to end."""
        pauses, error_pauses = _pauses(MAX_PAUSE_SECONDS, 1.1), _pauses(MAX_ERROR_PAUSE_SECONDS, 2.0)
        while not self._given_up():
            try:
                ending = self._look()
                pause, error_pauses = next(pauses), _pauses(MAX_ERROR_PAUSE_SECONDS, 2.0)
            except ApiUnavailable as error:
                ending, pause = None, next(error_pauses)
                _log.warning(
                    "the pod cannot be read", extra={"error": str(error), "pause_s": round(pause, 2)}
                )
            if ending is not None:
                return ending
            self._pause(pause)
        late = gone(self._created, _now(), self._rules)
        return Ending(late if isinstance(late, Verdict) else None, self._uid)

    def _look(self) -> Ending | None:
        try:
            pod = self._reader.pod()
        except PodGone:
            return Ending(gone(self._created, _now(), self._rules), self._uid)
        now = _now()
        self._created, self._uid = created_at(pod), pod.get("metadata", {}).get("uid", "")
        self._wait = waiting(pod, now, self._rules, self._wait)
        result = self._judge(pod, now, "")
        if not isinstance(result, Verdict):
            return Ending(result, self._uid) if result else None
        if result.diagnosis is None:
            return Ending(result, self._uid, cache_hits=self._cache_hits())
        log = self._read_log()
        return Ending(self._judge(pod, now, log), self._uid, log)

    def _judge(self, pod: Pod, now: datetime.datetime, log: str) -> Verdict | CalledOff | None:
        return verdict(pod, now, self._rules, wait=self._wait, log=log, stopping=self._stop.requested)

    def _read_log(self) -> str:
        """Return the end of the build's log, empty when it cannot be had: the event matters more."""
        for pause in itertools.islice(_pauses(MAX_ERROR_PAUSE_SECONDS, 2.0), LOG_TRIES):
            try:
                return self._reader.log(self._rules.container)
            except PodGone:
                return ""
            except ApiUnavailable as error:
                _log.warning("the build's log cannot be read", extra={"error": str(error)})
            if self._stop.requested:
                break
            self._pause(pause)
        return ""

    def _cache_hits(self) -> int | None:
        """Try once to read the log: a success is not held up for what is only of interest."""
        try:
            return cache_hits(self._reader.beginning(self._rules.container, MAX_LOG_BYTES))
        except (PodGone, ApiUnavailable) as error:
            _log.warning("the build's log cannot be read", extra={"error": str(error)})
            return None

    def _given_up(self) -> bool:
        if self._stop.requested and self._last_look is None:
            self._last_look = time.monotonic() + LAST_LOOK_SECONDS
        return self._last_look is not None and time.monotonic() >= self._last_look

    def _pause(self, seconds: float) -> None:
        if self._stop.requested:
            time.sleep(FIRST_PAUSE_SECONDS)
        else:
            self._stop.wait(seconds)


def _pauses(longest: float, factor: float) -> Iterator[float]:
    pause = FIRST_PAUSE_SECONDS
    while True:
        yield pause
        pause = min(pause * factor, longest)


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
