"""What automation needs of the outside world. Adapters are in `automation.adapters`.

All methods are synchronous and are called from several threads at once. What is wrong is raised as a
PlatformError that says whose fault it is; anything else that escapes is a defect.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any, Protocol

from automation.build_turns import Turns
from automation.code import Code
from automation.errors import StackBusy
from automation.plans import Step
from automation.reconciliation import BuildObjects
from monitor.events import Message

Program = Callable[[], None]
"""An inline Pulumi program: declares resources and exports outputs of the current stack."""


class StackMoved(StackBusy):
    """The stack is no longer at the version that the caller has seen; read it and decide again."""


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A stack's outputs and the version token of its checkpoint; an absent stack has neither."""

    outputs: Mapping[str, Any] = field(default_factory=dict)
    version: str = ""


class DeploymentEngine(Protocol):
    """Carries out updates of stacks, each named within the functions' project.

    Operations on one stack exclude each other, across processes; operations on different stacks run in
    parallel.
    """

    def outputs(self, stack: str) -> Snapshot:
        """Return what the last operation left. Cheap; takes no lock. Raises DependencyUnavailable."""

    def up(
        self, stack: str, program: Program, *, expect: str, message: str, restore: bool = False
    ) -> Snapshot:
        """Bring the stack to what the program declares; creates the stack if there is none.

        Applying the same program again changes nothing. `expect` is the version that the decision was based
        on. A failed update leaves what it did in the state, to be continued by the next one. `restore` looks
        at the resources first, builds' Jobs excepted, and puts back what others have changed. Raises
        StackMoved (and has done nothing), StackBusy (another process holds the lock), DeployFailed,
        DependencyUnavailable.
        """

    def preview(self, stack: str, program: Program) -> tuple[Step, ...]:
        """Return what `up` would change, resource by resource; changes nothing itself. Raises as `up`."""

    def drift(self, stack: str) -> tuple[Step, ...]:
        """Return which resources are not as they are recorded; changes nothing and takes no lock.

        Builds' Jobs, which expire by themselves, are not looked at. `before` of a difference is what is
        recorded, `after` what was found. Raises as `up`.
        """

    def refresh(self, stack: str) -> Snapshot:
        """Record every resource as it is now; the program is not run. Raises as `up`."""

    def destroy(self, stack: str) -> Snapshot:
        """Delete every resource; the stack itself stays. Doing so again changes nothing. Raises as `up`."""

    def remove(self, stack: str, *, expect: str) -> None:
        """Delete what the stack holds and forget it; one that is absent is a success. Raises as `up`."""

    def history(self, stack: str) -> list[dict[str, Any]]:
        """Return the operations on the stack as Pulumi records them, newest first."""

    def export(self, stack: str) -> dict[str, Any]:
        """Return the deployment in Pulumi's own form, secrets encrypted. Raises DeployFailed if absent."""

    def import_deployment(self, stack: str, deployment: dict[str, Any]) -> None:
        """Replace the stack's state by an exported one. Raises as `up`; DeployFailed for what is refused."""

    def cancel(self, stack: str) -> int:
        """Break the stack's locks and return how many there were; whoever held them is not stopped."""

    def stacks(self) -> list[str]:
        """Return the names of all stacks of the project, sorted. Raises DependencyUnavailable."""

    def check(self) -> None:
        """Find out whether the state can be reached. Raises DependencyUnavailable."""

    def close(self, grace_seconds: float) -> None:
        """Stop what still runs, as gracefully as the time allows; further use fails."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a parser's code is: a folder if the key ends in `/` or holds several objects, else one object."""

    bucket: str
    key: str


class BuildObserver(Protocol):
    """Looks at builds from outside, and tells of them in the monitor's place.

    A call takes seconds at most. Every method but `close` raises DependencyUnavailable.
    """

    def builds(self) -> Sequence[BuildObjects]:
        """Return the Jobs of all builds with their pods."""

    def log(self, pod: str) -> str:
        """Return the last lines of the executor's log in a pod."""

    def report(self, event: Message) -> None:
        """Give the broker the event that the monitor should have sent."""

    def jobs(self) -> Sequence[Mapping[str, Any]]:
        """Return the Jobs of builds that have not succeeded, without their pods."""

    def job_names(self) -> frozenset[str]:
        """Return the names of the Jobs of all builds that there are."""

    def turns(self) -> Turns:
        """Return which builds were given their turn last, by any replica."""

    def give_turns(self, turns: Turns) -> bool:
        """Write down who has been given a turn; False, and nothing is written, if somebody else did since."""

    def close(self) -> None:
        """Release connections; the observer cannot be used any more."""


class SourceStore(Protocol):
    """Code in, build contexts out.

    A call takes seconds at most, its own retries included, and what the network needs for what is moved.
    """

    def read(self, source: Source) -> Code:
        """Return the files by path in the folder; a single object is one file, named by the end of its key.

        They are listed and not read yet; reading one that has changed since raises DependencyUnavailable.
        Raises SourceNotFound where nothing is, SourceDenied where the sender's own bucket is closed to us,
        InvalidEvent for more or bigger files than allowed, DependencyUnavailable; reading raises the same.
        """

    def put_context(self, key: str, archive: IO[bytes]) -> None:
        """Store a build context from its beginning, as a whole or not at all.

        Storing the same again changes nothing. Raises DependencyUnavailable.
        """

    def remove_context(self, key: str) -> None:
        """Remove one context; none is a success. Raises DependencyUnavailable."""

    def remove_contexts(self, prefix: str) -> None:
        """Remove all contexts under a prefix; none is a success. Raises DependencyUnavailable."""

    def check(self) -> None:
        """Find out whether the store answers. Raises DependencyUnavailable."""

    def close(self) -> None:
        """Release connections; the store cannot be used any more."""
