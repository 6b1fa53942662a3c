"""Looks for builds that nobody reported, and reports them: what a lost event or a dead monitor leaves behind.

It goes through all Jobs every now and then, on every replica: by their ids, reports of one build are one.
"""

import datetime
import logging
from collections.abc import Callable
from typing import Final

from automation.errors import PlatformError
from automation.events import FunctionId
from automation.ports import BuildObserver
from automation.reconciliation import Finding, finding

_LOG: Final = logging.getLogger(__name__)

Awaited = Callable[[FunctionId, str], bool]
"""Says whether a function waits for the result of the build with that Job. Raises PlatformError."""


class Reconciler:
    """One round at a time, in one thread."""

    def __init__(
        self,
        observer: BuildObserver,
        awaited: Awaited,
        clock: Callable[[], datetime.datetime],
    ) -> None:
        self._observer = observer
        self._awaited = awaited
        self._clock = clock
        self._settled: frozenset[str] = frozenset()
        """UIDs of Jobs that nobody waits for any more, so that a finished one costs one look."""

    def round(self) -> int:
        """Report all builds that should have been reported; return how many.

        One that cannot be reported waits for the next round. Raises DependencyUnavailable if the Jobs cannot
        be listed.
        """
        builds, now = self._observer.builds(), self._clock()
        findings = {build.job["metadata"]["uid"]: finding(build, now) for build in builds}
        self._settled = self._settled.intersection(findings)
        new = {uid: found for uid, found in findings.items() if found and uid not in self._settled}
        return sum(self._settle(uid, found) for uid, found in new.items())

    def _settle(self, uid: str, found: Finding) -> bool:
        """Report a build if its function waits for it; say whether it was reported."""
        extra = {"kl_function": str(found.function), "kl_job": found.build.job_name}
        try:
            if not self._awaited(found.function, found.build.job_name):
                self._settled |= {uid}
                return False
            self._observer.report(found.event(self._log_of(found)))
        except PlatformError as error:
            _LOG.warning("an unreported build cannot be reported", extra={**extra, "kl_error": error.message})
            return False
        _LOG.warning("a build that nobody had reported is reported", extra=extra)
        return True

    def _log_of(self, found: Finding) -> str:
        """Return the end of a failed build's log; none if it cannot be had: the report matters more."""
        if found.verdict.diagnosis is None or found.verdict.exit_code is None:
            return ""
        try:
            return self._observer.log(found.pod)
        except PlatformError as error:
            _LOG.warning("a build's log cannot be read", extra={"kl_error": error.message})
            return ""
