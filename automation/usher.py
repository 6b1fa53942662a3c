"""Lets builds that wait begin when their turn comes, and tells of the line of builds.

Every replica does it, after events and every now and then; what is decided is written down in the cluster
before it is done, so that any of them may finish what another began (`build_turns`).
"""

import datetime
import logging
from collections.abc import Callable
from typing import Final

from automation.build_queue import Limits, Line
from automation.build_turns import Turns, line, suspended
from automation.errors import DependencyUnavailable, PlatformError, StackBusy
from automation.events import FunctionId
from automation.ports import BuildObserver

FRESH: Final = datetime.timedelta(seconds=5)
"""How old a line may be that decides whether another build may wait; rounds look more often while some do."""

_TRIES: Final = 5
"""How often a round begins again because another replica was faster."""

_LOG: Final = logging.getLogger(__name__)

Begin = Callable[[FunctionId, str], bool]
"""Lets the build with this Job begin; False: it is not what its function waits for. Raises PlatformError."""


class Usher:
    """One round at a time, in one thread; `line` may be called by any. Remembers a line for moments only."""

    def __init__(
        self,
        observer: BuildObserver,
        begin: Begin,
        limits: Limits,
        clock: Callable[[], datetime.datetime],
    ) -> None:
        self._observer = observer
        self._begin = begin
        self._limits = limits
        self._clock = clock
        self._seen: tuple[datetime.datetime, Line] | None = None

    def line(self) -> Line | None:
        """Return the line of builds as it was moments ago; None if no build has to wait here.

        Raises DependencyUnavailable.
        """
        if not self._limits.are_set:
            return None
        seen, now = self._seen, self._clock()
        if seen is not None and now - seen[0] < FRESH:
            return seen[1]
        return self._noted(now, line(self._observer.jobs(), self._limits, self._observer.turns().jobs))

    def round(self, ended: Callable[[], bool] = lambda: False) -> int:
        """Let all builds begin whose turn has come; return how many did.

        Without limits that are all that waited when there were some. Raises DependencyUnavailable.
        """
        begun, passed_over = 0, frozenset[str]()
        for _ in range(_TRIES):
            given = self._given(passed_over)
            if given is None:
                continue  # another replica has given turns meanwhile
            results = {name: self._begun(function, name) for function, name in given if not ended()}
            begun += sum(result is True for result in results.values())
            refused = frozenset(name for name, result in results.items() if result is False)
            passed_over |= refused
            if not refused or ended():
                break
        return begun

    def _given(self, passed_over: frozenset[str]) -> list[tuple[FunctionId, str]] | None:
        """Give turns and return whose are to be carried out; None if somebody else was faster."""
        before = self._observer.turns()
        # Turns before Jobs: a turn that was given before we read them is seen as one or as a begun Job.
        now, jobs = self._clock(), self._observer.jobs()
        waiting = suspended(jobs)
        pending = (before.jobs & waiting) - passed_over
        known = self._noted(now, line(jobs, self._limits, pending))
        given = [
            *(job for job in known.jobs if job.name in pending),
            *(job for job in known.turns(passed_over)),
        ]
        names = frozenset(job.name for job in given) | self._recorded(known, before.jobs - waiting)
        if names != before.jobs and not self._observer.give_turns(Turns(names, before.version)):
            return None
        return [(job.function, job.name) for job in given]

    def _recorded(self, known: Line, begun: frozenset[str]) -> frozenset[str]:
        """See that the stacks know of turns whose Jobs have begun; return those of which that is not sure.

        Whoever lets a Job begin may die before that is recorded.
        """
        jobs = [job for job in known.jobs if job.name in begun]
        return frozenset(job.name for job in jobs if self._begun(job.function, job.name) is None)

    def _begun(self, function: FunctionId, job_name: str) -> bool | None:
        """Carry a turn out; False: it is for somebody else, None: it stays given, for the next round."""
        extra = {"kl_function": str(function), "kl_job": job_name}
        try:
            begun = self._begin(function, job_name)
        except (DependencyUnavailable, StackBusy) as error:
            # Perhaps another replica is at it: what was given must not be given to somebody else as well.
            _LOG.info("a build cannot begin yet", extra={**extra, "kl_error": error.message})
            return None
        except PlatformError as error:
            _LOG.warning("a build cannot begin", extra={**extra, "kl_error": error.message})
            return False
        if begun:
            _LOG.info("a build's turn has come", extra=extra)
        return begun

    def _noted(self, now: datetime.datetime, known: Line) -> Line:
        self._seen = (now, known)
        return known
