"""Undoing creations that a crashed run began and nobody saw the end of.

Pulumi's engine cannot know what such a call made, and leaves it to a person. A provider that finds its
resources by their inputs can tell; what it finds is deleted, so that the program creates it once more, from
the beginning: a resource without a record would stand in the way of its own creation for ever.
"""

from engine.errors import EngineError
from engine.provider import CreateResult, FindsCreated, Provider, ProviderError
from engine.run import Run, Stopped
from engine.state import PendingOperation, ResourceState
from engine.steps import Steps
from engine.targets import Targets


class Recovery:
    """Settles the pending creations that a run may touch.

    Those of providers that cannot tell stay pending.
    """

    def __init__(self, run: Run, steps: Steps, targets: Targets) -> None:
        self._run = run
        self._steps = steps
        self._targets = targets

    def undo_creates(self) -> None:
        """Delete what interrupted creations made. Errors are in the run's diagnostics."""
        for operation in self._run.journal.pending_creates:
            try:
                self._undo(operation)
            except Stopped:
                return  # cancelled; an abandoned operation must not go on deleting
            except (ProviderError, EngineError) as error:
                text = f"cannot undo its creation, which was cut off: {error}"
                self._run.fail(text, urn=operation.resource.urn, cause=error)

    def _undo(self, operation: PendingOperation) -> None:
        state = operation.resource
        if not self._targets.covers(state):
            return
        provider = self._provider(state)
        if not isinstance(provider, FindsCreated):
            return
        self._run.check()
        found = self._run.call(provider.find_created, urn=state.urn, inputs=state.inputs)
        # What is recorded was there before: then the call that was cut off had been refused.
        if found is not None and not self._is_recorded(state.type, found.id):
            self._run.check()
            self._delete(state, provider, found)
        self._run.journal.settle_create(operation)

    def _provider(self, state: ResourceState) -> Provider | None:
        """Return what the call was made through; None if that is not on record any more."""
        urn, _, id_ = state.provider.rpartition("::")
        if not state.custom or self._run.journal.provider(urn, id_) is None:
            return None
        return self._steps.provider_for(state)

    def _is_recorded(self, type_: str, id_: str) -> bool:
        states = (entry.state for entry in self._run.journal.entries())
        return any(state.type == type_ and state.id == id_ for state in states)

    def _delete(self, state: ResourceState, provider: Provider, found: CreateResult) -> None:
        text = f"its creation was cut off; {found.id} is deleted, to be created again"
        self._run.events.diagnostic(text, severity="warning", urn=state.urn)
        self._run.call(
            provider.delete,
            urn=state.urn,
            id=found.id,
            old_inputs=state.inputs,
            old_outputs=found.outputs,
            timeout=state.custom_timeouts.get("delete"),
        )
