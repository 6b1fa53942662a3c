"""What can be done with stacks, whichever engine does it.

`engine.Engine` does it in this process; the Automation API's adapter has Pulumi's CLI do it. Both work on the
same states, so either can take over where the other stopped, and one contract suite (tests/contract) holds
for both.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from engine.events import EventSink
from engine.names import StackRef
from engine.options import DEFAULTS, Options
from engine.results import PreviewResult, ResourceRecord, StackOutputs, StackSummary, UpdateResult

Program = Callable[[], object]
"""An inline Pulumi program: declares resources and exports outputs of the current stack."""


class StackEngine(Protocol):
    """Carries out operations on the stacks of one backend.

    Methods are synchronous and may be called from any thread that runs no event loop, several at once; one
    stack is changed by one operation at a time, across processes. `config` has keys `namespace:name`, values
    of `secret_config` are secrets. All errors are `engine.errors.EngineError`s; what every method may raise
    is BackendError, and CheckpointRefused for a state that cannot be understood.
    """

    def up(
        self,
        stack: StackRef,
        program: Program,
        *,
        config: Mapping[str, str] | None = None,
        secret_config: Mapping[str, str] | None = None,
        expect: str | None = None,
        message: str = "",
        on_event: EventSink | None = None,
        options: Options = DEFAULTS,
    ) -> UpdateResult:
        """Run the program and bring the stack to what it says; the stack is made if there is none.

        `expect` is a version from `outputs`: if the state is at another one, StackMoved is raised and no
        resource is touched. Raises ConcurrentUpdateError if the stack is locked, UpdateFailed if the update
        did not succeed, UpdateCanceled if it was stopped.
        """

    def preview(
        self,
        stack: StackRef,
        program: Program,
        *,
        config: Mapping[str, str] | None = None,
        secret_config: Mapping[str, str] | None = None,
        expect: str | None = None,
        message: str = "",
        on_event: EventSink | None = None,
        options: Options = DEFAULTS,
    ) -> PreviewResult:
        """Run the program and tell what `up` would do. Takes no lock and stores nothing. Raises as `up`."""

    def refresh(
        self,
        stack: StackRef,
        *,
        config: Mapping[str, str] | None = None,
        secret_config: Mapping[str, str] | None = None,
        message: str = "",
        on_event: EventSink | None = None,
        clear_pending_creates: bool = False,
        options: Options = DEFAULTS,
    ) -> UpdateResult:
        """Record every resource as it is now; the program is not run. Raises StackNotFound, else as `up`.

        `clear_pending_creates` forgets creations of crashed runs that never reported back.
        """

    def destroy(
        self,
        stack: StackRef,
        *,
        program: Program | None = None,
        config: Mapping[str, str] | None = None,
        secret_config: Mapping[str, str] | None = None,
        expect: str | None = None,
        message: str = "",
        on_event: EventSink | None = None,
        options: Options = DEFAULTS,
    ) -> UpdateResult:
        """Delete every resource; the stack itself stays, empty. Raises StackNotFound, else as `up`.

        `program` is run first if given, so that its hooks exist.
        """

    def init(self, stack: StackRef) -> None:
        """Make a stack without resources. Raises StackAlreadyExists."""

    def remove(self, stack: StackRef, force: bool = False) -> None:
        """Forget the stack and its history; with resources left only by `force`.

        Raises StackNotFound, EngineError for a stack with resources, ConcurrentUpdateError.
        """

    def rename(self, stack: StackRef, new: StackRef) -> None:
        """Give the stack another name, in the URNs too. Raises as `remove`, and StackAlreadyExists."""

    def outputs(self, stack: StackRef) -> StackOutputs:
        """Return what the stack exports, and the state's version; nothing for an absent stack."""

    def resources(self, stack: StackRef) -> list[ResourceRecord]:
        """Return the recorded resources, in dependency order. Raises StackNotFound."""

    def export(self, stack: StackRef, *, show_secrets: bool = False) -> dict[str, Any]:
        """Return the deployment as `pulumi stack export` does. Raises StackNotFound."""

    def import_deployment(
        self, stack: StackRef, deployment: dict[str, Any], *, force: bool = False
    ) -> tuple[str, ...]:
        """Replace the stack's state by an exported one; return what the user should be warned of.

        Pending operations are dropped. Raises CheckpointRefused for what is not understood and, unless by
        `force`, for a broken invariant or another stack's resources; ConcurrentUpdateError.
        """

    def history(self, stack: StackRef, *, page_size: int = 0, page: int = 1) -> list[dict[str, Any]]:
        """Return the finished operations on the stack as Pulumi records them, newest first.

        With `page_size` only that many; `page` counts from 1.
        """

    def cancel(self, stack: StackRef) -> int:
        """Break the stack's locks and return how many there were. Does not stop who holds them."""

    def cancel_abandoned(self, stack: StackRef, *, older_than_seconds: float) -> int:
        """Break the locks whose holders cannot be at work any more; return how many there were."""

    def stacks(self, project: str) -> list[str]:
        """Return the names of the project's stacks, sorted."""

    def list_stacks(self, project: str | None = None) -> list[StackSummary]:
        """Return what the project's stacks are like, or those of all projects, sorted; reads them all."""
