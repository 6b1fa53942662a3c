"""Looks for builds that nobody reported, and reports them: what a lost event or a dead monitor leaves behind.

It goes through all Jobs every now and then, on every replica: by their ids, reports of one build are one.
"""

import datetime
import logging
from collections.abc import Callable
from typing import Final

from automation.errors import PlatformError
from automation.events import FunctionId
from automation.model import Build
from automation.ports import BuildObserver
from automation.reconciliation import Finding, finding

_LOG: Final = logging.getLogger(__name__)

LatestBuild = Callable[[FunctionId], Build | None]
"""Returns the build that a function's record names. Raises PlatformError."""


class Reconciler:
    """One round at a time, in one thread."""

    def __init__(
        self,
        observer: BuildObserver,
        latest_build: LatestBuild,
        clock: Callable[[], datetime.datetime],
    ) -> None:
        self._observer = observer
        self._latest_build = latest_build
        self._clock = clock
        self._settled: frozenset[str] = frozenset()
        """UIDs of Jobs whose end is recorded, so that a finished one costs one look."""

    def round(self, ended: Callable[[], bool] = lambda: False) -> int:
        """Report all builds that should have been reported; return how many.

        One that cannot be reported waits for the next round, and so do all others once `ended` says so.
        Raises DependencyUnavailable if the Jobs cannot be listed.
        """
        builds, now = self._observer.builds(), self._clock()
        findings = {build.job["metadata"]["uid"]: finding(build, now) for build in builds}
        self._settled = self._settled.intersection(findings)
        new = {uid: found for uid, found in findings.items() if found and uid not in self._settled}
        return sum(self._settle(uid, found) for uid, found in new.items() if not ended())

    def _settle(self, uid: str, found: Finding) -> bool:
        """Report a build if its function waits for it; say whether it was reported."""
        extra = {"kl_function": str(found.function), "kl_job": found.build.job_name}
        try:
            build = self._latest_build(found.function)
            if build is None or build.job_name != found.build.job_name:
                return False  # its record may be yet to come: a Job is there before it is recorded
            if not build.is_live:
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
