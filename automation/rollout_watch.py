"""Looks at rollouts that are on their way, and lets the decision core go on with them or give them up.

Each round lists the Knative Services that carry the label of a pending rollout, on every replica: who is
second finds the rollout decided already. Nothing of a rollout is in this process.
"""

import datetime
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from automation.errors import PlatformError
from automation.events import FunctionId
from automation.model import RolloutObserved
from components.manifests.function import NUMBER

_LOG: Final = logging.getLogger(__name__)

Json = Mapping[str, Any]


class ServiceObserver(Protocol):
    """Looks at functions' Knative Services. A call takes seconds at most; raises DependencyUnavailable."""

    def pending(self) -> Sequence[Json]:
        """Return the Services whose rollout is watched."""

    def service(self, function: FunctionId) -> Json | None:
        """Return a function's Service; None if there is none."""

    def close(self) -> None:
        """Release connections; the observer cannot be used any more."""


@dataclass(frozen=True, kw_only=True)
class Calls:
    """Calls of one revision."""

    total: int
    failed: int
    """Of these."""


class CallCounts(Protocol):
    """Knows how revisions' calls ended. A call takes seconds at most."""

    def calls(self, revision: str) -> Calls:
        """Return the calls of Knative's revision of this name. Raises DependencyUnavailable."""

    def close(self) -> None:
        """Release connections; it cannot be used any more."""


Observe = Callable[[FunctionId, RolloutObserved], bool]
"""Feeds what was seen to the decision core, and says whether that changed anything. Raises PlatformError."""


class RolloutWatch:
    """One round at a time, in one thread."""

    def __init__(self, observer: ServiceObserver, observe: Observe, counts: CallCounts | None = None) -> None:
        self._observer = observer
        self._observe = observe
        self._counts = counts

    def round(self, ended: Callable[[], bool] = lambda: False) -> int:
        """Look at all rollouts; return how many went on.

        One that cannot be carried on waits for the next round, and so do all others once `ended` says so.
        Raises DependencyUnavailable if the Services cannot be listed.
        """
        return sum(self._carry_on(service) for service in self._observer.pending() if not ended())

    def look(self, function: FunctionId) -> RolloutObserved | None:
        """Return how one function's Service stands; None if that says nothing yet. Raises PlatformError."""
        service = self._observer.service(function)
        return None if service is None else observed(service)

    def _carry_on(self, service: Json) -> bool:
        function, seen = function_of(service), observed(service)
        if seen is None:
            return False
        try:
            return self._observe(function, self._counted(seen))
        except PlatformError as error:
            extra = {"kl_function": str(function), "kl_error": error.message}
            _LOG.warning("a rollout cannot be carried on", extra=extra)
            return False

    def _counted(self, seen: RolloutObserved) -> RolloutObserved:
        """Add how a ready revision's calls ended; a rollout goes on without that if nobody can say."""
        if self._counts is None or not seen.ready:
            return seen
        try:
            calls = self._counts.calls(seen.revision)
        except PlatformError as error:
            extra = {"kl_revision": seen.revision, "kl_error": error.message}
            _LOG.warning("a revision's calls are not known", extra=extra)
            return seen
        return replace(seen, calls=calls.total, failed_calls=calls.failed)


def function_of(service: Json) -> FunctionId:
    """Return the function that a Service is of, by its labels."""
    labels = service["metadata"]["labels"]
    prefix = "build.notifi.network/"
    return FunctionId(labels[f"{prefix}third-party-id"], labels[f"{prefix}parser-id"])


def observed(service: Json) -> RolloutObserved | None:
    """Return what a Service tells of its newest deployment; None until Knative has taken that in.

    ConfigurationsReady is of the revision that was created last, and Ready of the traffic too (Knative's
    specs/serving/knative-api-specification-1.0.md, Service conditions).
    """
    metadata, status = service["metadata"], service.get("status") or {}
    number = (metadata.get("annotations") or {}).get(NUMBER, "")
    if not number.isdigit() or status.get("observedGeneration") != metadata.get("generation"):
        return None
    conditions = {each["type"]: each for each in status.get("conditions") or ()}
    whole, made = conditions.get("Ready") or {}, conditions.get("ConfigurationsReady") or {}
    failed = made.get("status") == "False"
    since = made.get("lastTransitionTime") if failed else None
    return RolloutObserved(
        number=int(number),
        ready=whole.get("status") == "True",
        revision=status.get("latestReadyRevisionName", ""),
        failed_since=datetime.datetime.fromisoformat(since) if since else None,
        message=(made if failed else whole).get("message", ""),
    )
