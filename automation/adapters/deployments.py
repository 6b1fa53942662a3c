"""The product's port over any engine: stacks of one project, the engine's errors turned into ours."""

import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from automation.adapters import planned_steps
from automation.errors import DependencyUnavailable, DeployFailed, StackBusy
from automation.plans import Step
from automation.ports import Program, Snapshot, StackMoved
from engine import (
    BackendError,
    ConcurrentUpdateError,
    EngineError,
    StackNotFound,
    StackRef,
    UpdateFailed,
    UpdateResult,
)
from engine import StackMoved as EngineStackMoved
from engine.options import Options
from engine.protocol import StackEngine
from engine.provider import ResourceGone

_LOG: Final = logging.getLogger(__name__)

LONGEST_UPDATE: Final = 900.0
"""Seconds after which a lock counts as left by a killed process: updates take seconds, never minutes."""

_BUILDS: Final = ("**kubernetes:batch/v1:Job::**",)
"""URNs of builds' Jobs, which expire by themselves: one that is put back would build again."""

_TAKING_OVER: Final = {"kubernetes:enablePatchForce": "true"}
"""Whoever changed a field by hand owns it from then on: putting it back takes it over."""


class Deployments:
    """Stacks of one project in one engine, all with the same configuration.

    `release` is called with the seconds that what still runs may take to end.
    """

    def __init__(
        self,
        engine: StackEngine,
        project: str,
        config: Mapping[str, str],
        release: Callable[[float], object] = lambda _: None,
    ) -> None:
        self._engine = engine
        self._project = project
        self._config = config
        self._release = release

    def outputs(self, stack: str) -> Snapshot:
        """See DeploymentEngine."""
        with _translated(stack):
            found = self._engine.outputs(self._ref(stack))
        return Snapshot(outputs=found.values, version=found.version)

    def up(
        self, stack: str, program: Program, *, expect: str, message: str, restore: bool = False
    ) -> Snapshot:
        """See DeploymentEngine."""
        options = Options(refresh=True, excludes=_BUILDS) if restore else Options()
        config = {**self._config, **_TAKING_OVER} if restore else self._config

        def update() -> UpdateResult:
            return self._engine.up(
                self._ref(stack),
                program,
                config=config,
                expect=expect,
                message=message,
                options=options,
            )

        with _translated(stack):
            try:
                result = self._in_turn(stack, update)
            except UpdateFailed as error:
                if not isinstance(error.__cause__, ResourceGone):
                    raise
                # Somebody deleted an object by hand: once the state knows, the next try makes it again.
                self._engine.refresh(self._ref(stack), config=self._config)
                raise StackMoved(f"stack {stack} had lost a resource; it is decided on again") from error
        return Snapshot(outputs=result.outputs, version=result.version)

    def preview(self, stack: str, program: Program) -> tuple[Step, ...]:
        """See DeploymentEngine."""
        announced: list[Mapping[str, Any]] = []

        def note(event: dict[str, Any]) -> None:
            if "resourcePreEvent" in event:
                announced.append(event["resourcePreEvent"]["metadata"])

        with _translated(stack):
            self._engine.preview(self._ref(stack), program, config=self._config, on_event=note)
        return tuple(planned_steps.step(metadata) for metadata in announced if planned_steps.counts(metadata))

    def drift(self, stack: str) -> tuple[Step, ...]:
        """See DeploymentEngine."""
        found: list[Mapping[str, Any]] = []

        def note(event: dict[str, Any]) -> None:
            # A refresh announces every read alike, and tells what it found when it is done.
            if "resOutputsEvent" in event:
                found.append(event["resOutputsEvent"]["metadata"])

        options = Options(preview_only=True, excludes=_BUILDS)
        with _translated(stack):
            self._engine.refresh(self._ref(stack), config=self._config, on_event=note, options=options)
        return tuple(planned_steps.step(metadata) for metadata in found if planned_steps.counts(metadata))

    def refresh(self, stack: str) -> Snapshot:
        """See DeploymentEngine."""
        with _translated(stack):
            result = self._in_turn(stack, lambda: self._engine.refresh(self._ref(stack), config=self._config))
        return Snapshot(outputs=result.outputs, version=result.version)

    def destroy(self, stack: str) -> Snapshot:
        """See DeploymentEngine."""
        with _translated(stack):
            result = self._in_turn(stack, lambda: self._engine.destroy(self._ref(stack), config=self._config))
        return Snapshot(outputs=result.outputs, version=result.version)

    def remove(self, stack: str, *, expect: str) -> None:
        """See DeploymentEngine."""
        with _translated(stack), contextlib.suppress(StackNotFound):
            self._in_turn(
                stack, lambda: self._engine.destroy(self._ref(stack), config=self._config, expect=expect)
            )
            self._engine.remove(self._ref(stack))

    def history(self, stack: str) -> list[dict[str, Any]]:
        """See DeploymentEngine."""
        with _translated(stack):
            return self._engine.history(self._ref(stack))

    def export(self, stack: str) -> dict[str, Any]:
        """See DeploymentEngine."""
        with _translated(stack):
            return self._engine.export(self._ref(stack))

    def import_deployment(self, stack: str, deployment: dict[str, Any]) -> None:
        """See DeploymentEngine."""
        with _translated(stack):
            self._engine.import_deployment(self._ref(stack), deployment)

    def cancel(self, stack: str) -> int:
        """See DeploymentEngine."""
        with _translated(stack):
            return self._engine.cancel(self._ref(stack))

    def stacks(self) -> list[str]:
        """See DeploymentEngine."""
        with _translated("*"):
            return sorted(self._engine.stacks(self._project))

    def check(self) -> None:
        """See DeploymentEngine."""
        self.outputs("fn-readiness-check")

    def close(self, grace_seconds: float) -> None:
        """See DeploymentEngine."""
        self._release(grace_seconds)

    def _in_turn(self, stack: str, operation: Callable[[], UpdateResult]) -> UpdateResult:
        """Carry an operation out; once more if a lock that was left behind stood in its way."""
        try:
            return operation()
        except ConcurrentUpdateError:
            if not self._engine.cancel_abandoned(self._ref(stack), older_than_seconds=LONGEST_UPDATE):
                raise
            # Whoever held the stack was killed: without this, its function would wait for a person.
            _LOG.warning("a lock that was left behind is broken", extra={"kl_stack": stack})
            return operation()

    def _ref(self, stack: str) -> StackRef:
        return StackRef(self._project, stack)


@contextlib.contextmanager
def _translated(stack: str) -> Iterator[None]:
    try:
        yield
    except EngineStackMoved as error:
        raise StackMoved(f"stack {stack} was changed by another process meanwhile") from error
    except ConcurrentUpdateError as error:
        raise StackBusy(f"stack {stack} is being updated by another process") from error
    except UpdateFailed as error:
        raise DeployFailed(f"the update of stack {stack} failed", details=error.diagnostics) from error
    except BackendError as error:
        raise DependencyUnavailable(f"the state of stack {stack} cannot be reached") from error
    except EngineError as error:
        raise DeployFailed(f"stack {stack} cannot be updated: {error}") from error
