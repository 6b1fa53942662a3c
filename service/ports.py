"""What the service needs of automation. `automation.app.Automation` is the real one."""

from collections.abc import Mapping
from typing import Any, Protocol

from automation.builds.facade import Builds
from automation.directory import Page, Query
from automation.events import Event, FunctionId, Reply
from automation.provenance.evidence import Evidence


class Stats(Protocol):
    """Numbers of this moment, read when metrics are scraped."""

    @property
    def queue_depth(self) -> int:
        """Events accepted and not yet worked on."""

    @property
    def active(self) -> int:
        """Events being worked on."""

    @property
    def workers(self) -> int:
        """How many events are worked on at one time at most."""

    @property
    def limit(self) -> int:
        """How many events may be waiting or worked on."""


class Automation(Protocol):
    """Carries events out. Every method may be called from the event loop only."""

    @property
    def stats(self) -> Stats:
        """Current numbers; cheap."""

    async def handle(self, event: Event) -> Reply:
        """Carry one event out and return once what the reply promises is safely recorded.

        Events of one function are carried out in the order of the calls. Repeating an event is safe. Raises
        PlatformError; anything else is a defect.
        """

    async def describe(self, function: FunctionId) -> Mapping[str, Any] | None:
        """Return what is recorded of a function as JSON; None if nothing is. Raises PlatformError."""

    async def check_drift(self, function: FunctionId) -> Mapping[str, Any] | None:
        """Look for drift of a function now; return what `describe` then does. Raises PlatformError."""

    async def list_functions(self, query: Query) -> Page:
        """Return one page of the list of functions. Raises PlatformError."""

    @property
    def builds(self) -> Builds:
        """Builds and their logs. Raises DependencyUnavailable where none are kept."""

    @property
    def evidence(self) -> Evidence:
        """Where revisions come from. Raises DependencyUnavailable where nothing is kept of it."""

    async def ready(self) -> Mapping[str, str]:
        """Return `ok` or the problem for each dependency: storage, cluster, state."""

    async def close(self, grace_seconds: float) -> None:
        """Finish what was accepted, for at most this many seconds, and release everything."""
