"""Refreshing: asking the providers what became of the recorded resources, without running the program."""

import contextlib
import dataclasses
from collections.abc import Iterable

from engine import plan
from engine.codec import now
from engine.errors import EngineError
from engine.events import Op, Step
from engine.journal import Entry
from engine.masking import masked_reasons
from engine.plan import marked_like, with_secrets
from engine.provider import DiffResult, PropertyDiff, Provider, ProviderError
from engine.run import Run, Stopped
from engine.state import ResourceState, altered
from engine.steps import Steps
from engine.targets import Targets
from engine.threads import Workers
from engine.urns import is_provider_type
from engine.values import same


class Refresh:
    """Reads every managed resource and records what it is now. What is gone leaves the state.

    On its own a refresh is reported by what it found; before an update its steps are just called refresh.
    """

    def __init__(
        self, run: Run, steps: Steps, workers: Workers, targets: Targets, *, alone: bool = False
    ) -> None:
        self._run = run
        self._steps = steps
        self._workers = workers
        self._targets = targets
        self._alone = alone

    def carry_out(self) -> None:
        """Refresh the resources in parallel. Errors are in the run's diagnostics; they stop no other read."""
        entries = self._run.journal.entries()
        readable = set(map(id, self._targets.readable([entry.state for entry in entries])))
        with self._workers.executor(self._run.parallel) as pool:
            list(pool.map(self._refresh, [entry for entry in entries if id(entry.state) in readable]))
        self._prune(entries)
        if self._run.failed:
            self._run.halt()

    def settle(self, urns: Iterable[str]) -> None:
        """Find out what became of resources whose update or deletion was cut off, before all else.

        Pulumi goes by the old record here, and then sees no difference to a resource that was half changed,
        or is gone.
        """
        entries = self._run.journal.entries()
        unsure = [entry for urn in urns if (entry := self._run.journal.old(urn)) and _readable(entry.state)]
        with self._workers.executor(self._run.parallel) as pool:
            list(pool.map(self._settle, unsure))
        self._prune(entries)

    def _settle(self, entry: Entry) -> None:
        try:
            after = self._found(entry.state)
        except (ProviderError, EngineError) as error:
            self._run.fail(f"cannot find out what became of it: {error}", urn=entry.state.urn, cause=error)
            return
        self._run.journal.settle(entry.state.urn)
        if after is None:
            self._run.journal.remove(entry)
        elif not _unchanged(entry.state, after):
            self._take(entry, after)

    def _refresh(self, entry: Entry) -> None:
        before = entry.state
        with (
            contextlib.suppress(Stopped),
            self._steps.running(Step(op=Op.REFRESH, old=before, new=before), fatal=False) as outcome,
        ):
            found = self._read(entry) if _readable(before) else Step(op=Op.SAME, old=before, new=before)
            self._run.journal.settle(before.urn)
            outcome.step = found if self._alone else dataclasses.replace(found, op=Op.REFRESH)

    def _read(self, entry: Entry) -> Step:
        before = entry.state
        after = self._found(before)
        if after is None:
            self._run.journal.remove(entry)
            return Step(op=Op.DELETE, old=before)
        if after.init_errors:
            reasons = "".join(f"\n* {reason}" for reason in after.init_errors)
            text = f"Refreshed resource is in an unhealthy state:{reasons}"
            self._run.events.diagnostic(text, severity="warning", urn=after.urn)
        if _unchanged(before, after):
            return Step(op=Op.SAME, old=before, new=before)
        self._take(entry, after)
        return self._verdict(before, entry.state)

    def _found(self, state: ResourceState) -> ResourceState | None:
        """Return the resource as its provider finds it; None if it is gone."""
        found = self._run.call(
            self._provider(state).read,
            urn=state.urn,
            id=state.id,
            inputs=state.inputs,
            outputs=state.outputs,
            timeout=state.custom_timeouts.get("read"),
        )
        if found.id is None:
            return None
        inputs = marked_like(found.inputs, state.inputs) if found.inputs else state.inputs
        reasons = masked_reasons(found.reasons, (state.inputs, state.outputs)) if found.reasons else ()
        after = altered(state, id=found.id, inputs=inputs, init_errors=reasons)
        return altered(after, outputs=with_secrets(found.outputs, after))

    def _take(self, entry: Entry, after: ResourceState) -> None:
        before = entry.state
        same_values = same(before.inputs, after.inputs) and same(before.outputs, after.outputs)
        self._run.journal.mark(
            entry,
            id=after.id,
            inputs=after.inputs,
            outputs=after.outputs,
            init_errors=after.init_errors,
            modified=before.modified if same_values else now(),
        )

    def _provider(self, state: ResourceState) -> Provider:
        provider = self._steps.provider_for(state)
        assert provider is not None
        return provider

    def _verdict(self, before: ResourceState, after: ResourceState) -> Step:
        """Return what the refresh is reported as.

        That is what an update back to the program's inputs would be, seen from the other side. For what is
        not managed only the outputs count.
        """
        if before.external:
            op = Op.SAME if same(before.outputs, after.outputs) else Op.UPDATE
            return Step(op=op, old=before, new=after)
        diff: DiffResult = self._run.call(
            self._provider(after).diff,
            urn=after.urn,
            id=after.id,
            old_inputs=after.inputs,
            old_outputs=after.outputs,
            news=before.inputs,
            ignore_changes=before.ignore_changes,
        )
        diff = plan.settled(diff, after.inputs, before.inputs)
        op = Op.UPDATE if diff.changes else Op.SAME
        detailed = {
            path: PropertyDiff(item.kind.inverse, item.input_diff) for path, item in diff.detailed.items()
        }
        return Step(op=op, old=before, new=after, diffs=diff.diffs, detailed=detailed)

    def _prune(self, entries: list[Entry]) -> None:
        """Take references to removed resources out of what remains; orphans go to their grandparent."""
        left = {entry.state.urn for entry in entries if not entry.gone}
        parents = {entry.state.urn: entry.state.parent for entry in entries if entry.gone}
        gone = parents.keys() - left
        if gone:
            self._run.journal.rearrange(lambda state: _without(state, gone, parents))


def _readable(state: ResourceState) -> bool:
    return state.custom and not is_provider_type(state.type) and not state.pending_replacement


def _unchanged(before: ResourceState, after: ResourceState) -> bool:
    return (
        (before.id, before.init_errors) == (after.id, after.init_errors)
        and same(before.inputs, after.inputs)
        and same(before.outputs, after.outputs)
    )


def _without(state: ResourceState, gone: set[str], parents: dict[str, str]) -> ResourceState:
    if not gone & state.needs():
        return state
    parent = state.parent
    while parent in gone:
        parent = parents[parent]
    return altered(
        state,
        parent=parent,
        dependencies=tuple(urn for urn in state.dependencies if urn not in gone),
        replace_with=tuple(urn for urn in state.replace_with if urn not in gone),
        deleted_with="" if state.deleted_with in gone else state.deleted_with,
        property_dependencies={
            key: [urn for urn in urns if urn not in gone] for key, urns in state.property_dependencies.items()
        },
    )
