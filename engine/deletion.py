"""Deleting what is no longer wanted: which call is needed, in which order, and what a failure keeps alive."""

import threading
from collections.abc import Collection, Iterator, Sequence

from engine import plan
from engine.errors import EngineError
from engine.events import Op
from engine.journal import Entry
from engine.run import Run, Stopped
from engine.state import ResourceState
from engine.steps import Steps
from engine.targets import Targets, dependents
from engine.threads import Workers


def needs_call(state: ResourceState, deleted: Collection[str]) -> bool:
    """Say whether deleting a resource takes a provider call.

    `deleted` are the URNs that go at the same time.
    """
    return (
        state.custom
        and not state.external
        and not state.retain_on_delete
        and not state.pending_replacement
        and state.deleted_with not in deleted
    )


def op_for(state: ResourceState) -> Op:
    """Return what the deletion of a recorded resource is called."""
    if state.delete:
        return Op.DISCARD_REPLACED if state.external else Op.DELETE_REPLACED
    if state.pending_replacement:
        return Op.REMOVE_PENDING_REPLACE
    return Op.DISCARD if state.external else Op.DELETE


def waves(states: Sequence[ResourceState]) -> list[list[int]]:
    """Return the indices of the states in waves: what needs others comes in an earlier wave than those.

    `states` are in file order. Only earlier entries count as needed, so entries that share a URN make no
    cycle.
    """
    depth = [0] * len(states)
    positions: dict[str, list[int]] = {}
    for index, state in enumerate(states):
        positions.setdefault(state.urn, []).append(index)
    for index in reversed(range(len(states))):
        for urn in states[index].needs():
            for needed in positions.get(urn, ()):
                if needed < index:
                    depth[needed] = max(depth[needed], depth[index] + 1)
    found: list[list[int]] = [[] for _ in range(max(depth, default=-1) + 1)]
    for index, wave in enumerate(depth):
        found[wave].append(index)
    return found


class Deletions:
    """Deletes everything of the old checkpoint that the run did not take over."""

    def __init__(self, run: Run, steps: Steps, workers: Workers, targets: Targets) -> None:
        self._run = run
        self._steps = steps
        self._workers = workers
        self._targets = targets
        self._kept: set[str] = set()

    def carry_out(self, claimed: Collection[str] = (), lost: Collection[str] = ()) -> None:
        """Delete in waves, each in parallel; `claimed` are the URNs that the program still has.

        `lost` are those of them that failed or were left out: what depends on one stays too, because the
        program may have been unable to register it. Errors are in the run's diagnostics; what depends on
        them stays.
        """
        entries = self._condemned(self._run.journal.entries(), claimed, lost)
        going = [entry.state for entry in entries if not entry.state.protect]
        everything = {state.urn for state in going}
        # The old half of a replacement takes only old halves along: what is alive is the new half's.
        alive = {state.urn for state in going if not state.delete}

        def delete(entry: Entry) -> None:
            self._delete(entry, everything if entry.state.delete else alive)

        with self._workers.executor(self._run.parallel) as pool:
            for wave in waves([entry.state for entry in entries]):
                batch = [entries[index] for index in wave]
                if self._run.stopped:
                    return
                if len(batch) == 1:
                    delete(batch[0])
                else:
                    list(pool.map(delete, batch))

    def _condemned(
        self, entries: Sequence[Entry], claimed: Collection[str], lost: Collection[str]
    ) -> list[Entry]:
        """Return what is to be deleted; what the rest needs is kept."""
        doomed = [entry for entry in entries if entry.state.delete or entry.state.urn not in claimed]
        if lost:
            missed = dependents([entry.state for entry in entries], set(lost))
            doomed = [entry for entry in doomed if entry.state.delete or entry.state.urn not in missed]
        if self._targets.limited:
            allowed = self._targets.deletable([entry.state for entry in entries])
            doomed = [entry for entry in doomed if entry.state.urn in allowed]
            self._refuse_strays(doomed)
        if len(doomed) < len(entries):
            for entry in set(entries) - set(doomed):
                self._keep(entry.state)
        return doomed

    def _refuse_strays(self, doomed: Sequence[Entry]) -> None:
        for urn in dict.fromkeys(entry.state.urn for entry in doomed):
            if self._targets.stray(urn):
                text = (
                    f"Resource {urn!r} will be destroyed but was not specified in --target list. Either "
                    "include resource in --target list or pass --target-dependents to proceed."
                )
                self._run.fail(text, urn=urn, stop=not self._run.preview)

    def _delete(self, entry: Entry, deleted: Collection[str]) -> None:
        state = entry.state
        if state.urn in self._kept:
            self._keep(state)  # something that stays needs it
            if self._targets.limited:
                self._run.fail("it was not deleted: what is left out needs it", urn=state.urn, stop=False)
            return
        try:
            self._steps.delete(entry, op_for(state), call=needs_call(state, deleted))
        except Stopped:
            self._keep(state)

    def _keep(self, state: ResourceState) -> None:
        self._kept.update(state.needs())


class DeleteFirst:
    """Replacement in the order delete, then create: what must go with the old, beforehand.

    Thread-safe: each dependent is either left to the program, if that registered it already, or deleted, and
    then its registration waits for that (`await_deletion`).
    """

    def __init__(self, run: Run, steps: Steps) -> None:
        self.deleted: set[str] = set()
        """The URNs of what was deleted, to be created anew when the program registers it."""
        self._run = run
        self._steps = steps
        self._deciding = threading.Lock()
        self._going: dict[str, threading.Event] = {}  # by URN: set when the deletion is over

    def carry_out(self, root: Entry, registered: Collection[str]) -> None:
        """Delete the resource and the dependents that would be replaced too; they wait for their re-creation.

        `registered` are the URNs that the program registered so far: they cannot depend on the root any
        more.
        """
        over = threading.Event()
        try:
            doomed, others = self._doom(root, registered, over)
            for other in others:
                other.wait()
            deleted = {root.state.urn, *(entry.state.urn for entry in doomed)}
            self.deleted |= deleted
            for entry in reversed(doomed):
                self._delete(entry, deleted)
            self._delete(root, deleted - {root.state.deleted_with})
        finally:
            over.set()

    def await_deletion(self, urn: str) -> None:
        """Return when a resource that is registered now is not being deleted (any more)."""
        going = self._going.get(urn)
        if going is not None:
            going.wait()

    def _doom(
        self, root: Entry, registered: Collection[str], over: threading.Event
    ) -> tuple[list[Entry], list[threading.Event]]:
        """Return the dependents to delete, and the ends of those that go with other roots, to wait for."""
        with self._deciding:
            found = list(self._dependents(root, registered))
            for entry in found:
                if entry.state.protect:
                    raise _protected_dependent(entry.state.urn, root.state.urn)
            others = [event for entry in found if (event := self._going.get(entry.state.urn)) is not None]
            mine = [entry for entry in found if entry.state.urn not in self._going]
            self._going.update(dict.fromkeys((entry.state.urn for entry in mine), over))
            # Asked again now that whoever registers one of them will wait: the providers took their time.
            return [entry for entry in mine if entry.state.urn not in registered], others

    def _delete(self, entry: Entry, deleted: Collection[str]) -> None:
        self._steps.delete(entry, Op.DELETE_REPLACED, call=needs_call(entry.state, deleted), keep=True)

    def _dependents(self, root: Entry, registered: Collection[str]) -> Iterator[Entry]:
        replaced = {root.state.urn}
        related = {root.state.urn}
        for entry in self._run.journal.entries():
            state = entry.state
            if state.delete or state.urn in registered or not related & state.needs():
                continue
            related.add(state.urn)
            if not state.pending_replacement and self._goes_along(state, replaced):
                replaced.add(state.urn)
                yield entry

    def _goes_along(self, state: ResourceState, replaced: set[str]) -> bool:
        """Say whether the replacements force this resource's own: its provider is asked, with unknowns."""
        if not state.custom or state.external:
            return False
        provider_urn = state.provider.rpartition("::")[0]
        if replaced.intersection({provider_urn, state.deleted_with, *state.replace_with}):
            return True
        news = plan.with_unknowns(state, replaced)
        provider = self._steps.provider_for(state)
        if news is None or provider is None:
            return False
        diff = self._run.call(
            provider.diff,
            urn=state.urn,
            id=state.id,
            old_inputs=state.inputs,
            old_outputs=state.outputs,
            news=news,
            ignore_changes=state.ignore_changes,
        )
        diff = plan.settled(diff, state.inputs, news)
        return bool(plan.with_replacements(diff, state.replace_on_changes, init_errors=False).replaces)


def _protected_dependent(urn: str, root: str) -> EngineError:
    return EngineError(
        f"unable to replace resource {urn!r} as part of replacing {root!r}: it is protected. "
        "To unprotect it, remove the `protect` flag from the resource in the program and update, or use "
        "`state unprotect`"
    )
