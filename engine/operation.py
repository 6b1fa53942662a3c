"""One operation on one stack, from the loaded checkpoint to the stored outcome.

Used by `api` under the stack's lock; knows programs, deletions and refreshes, but not who asked.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from pulumi import RunError

from engine import program, urns
from engine.builtin import Builtin
from engine.callbacks import Callbacks
from engine.cancellation import Cancellation
from engine.checkpoint import Document
from engine.chronicle import Chronicle
from engine.codec import Codec
from engine.components import Components
from engine.crypto import Secrets
from engine.deletion import Deletions
from engine.errors import EngineError
from engine.events import Events
from engine.hooks import Hooks
from engine.invokes import Invokes
from engine.journal import Journal
from engine.monitor import Monitor
from engine.names import StackRef
from engine.packages import BUILTIN
from engine.promptness import Promptness
from engine.provider import Properties, ProviderFactory
from engine.providers import Providers
from engine.reader import StackReader
from engine.recovery import Recovery
from engine.refresh import Refresh
from engine.registration import Registrar
from engine.request import Request
from engine.results import StepRecord, record_of
from engine.run import Run
from engine.state import Snapshot
from engine.steps import Steps
from engine.storage import ABSENT, Storage, version_of
from engine.supervision import Supervision
from engine.targets import Patterns, Targets, unknown_target
from engine.threads import Workers
from engine.transforms import Transforms

_UNSUPPORTED_BY_CLI = "The Pulumi CLI does not support"
"""How the SDK words that a feature was not announced to it."""


class Operation:
    """An operation in progress. With `storage` None it is a preview and leaves no trace."""

    def __init__(
        self,
        stack: StackRef,
        data: bytes | None,
        document: Document,
        secrets: Secrets,
        *,
        storage: Storage | None,
        factories: Mapping[str, ProviderFactory],
        reader: StackReader,
        workers: Workers,
        parallel: int,
        request: Request,
    ) -> None:
        self.data = data
        """The checkpoint file as it is now; None as long as there is none."""
        self._stack = stack
        self._secrets = secrets
        self._storage = storage
        self._request = request
        self._codec = Codec(secrets)
        self._workers = workers
        snapshot = self._codec.decode(document)
        self.journal = Journal(snapshot, self._save if storage is not None else None)
        self._events = Events(request.on_event, planning=storage is None, hidden=request.hidden)
        limit = parallel if request.options.parallel is None else request.options.parallel
        self.run = Run(
            stack,
            self.journal,
            self._events,
            preview=storage is None,
            parallel=limit,
            options=request.options,
        )
        self._targets = Targets(request.options)
        chosen = self._targets.limited or self._targets.replaced
        self._recorded = frozenset(state.urn for state in snapshot.resources if chosen)
        builtin = Builtin(stack, reader, self.journal.new)
        self._providers = Providers({BUILTIN: lambda: builtin, **factories}, self.journal.provider)
        self._callbacks = Callbacks()
        self._hooks = Hooks(self.run, self._callbacks)
        self._transforms = Transforms(self._callbacks)
        self._steps = Steps(self.run, self._providers, self._hooks)
        name = f"{stack.project}-{stack.name}"
        self._stack_urn = urns.make(stack.name, stack.project, "", urns.STACK_TYPE, name)

    @property
    def changes(self) -> dict[str, int]:
        """The steps done so far, by kind."""
        return dict(self._events.changes)

    @property
    def steps(self) -> tuple[StepRecord, ...]:
        """The steps done so far, in order."""
        return tuple(map(record_of, self._events.steps))

    @property
    def outputs(self) -> Properties:
        """What the stack exports now, secrets wrapped."""
        old = self.journal.old(self._stack_urn)
        state = self.journal.new(self._stack_urn) or (old.state if old else None)
        return state.outputs if state else {}

    @property
    def version(self) -> str:
        """The token of the state as it is now."""
        return version_of(self.data) if self.data is not None and self.journal.deployed else ABSENT

    def update(self, inline_program: Callable[[], object]) -> None:
        """Run the program and bring everything to what it says; UpdateFailed if that did not succeed."""
        with self._chronicle("update"):
            self._attend(lambda: self._update(inline_program))

    def destroy(self, inline_program: Callable[[], object] | None = None) -> None:
        """Delete everything that is recorded; UpdateFailed if something stayed.

        A program is run first, for what it says about the recorded resources.
        """
        with self._chronicle("destroy"):
            self._attend(lambda: self._destroy(inline_program))

    def refresh(self, *, clear_pending_creates: bool) -> None:
        """Record what the providers find; UpdateFailed if one of them failed."""
        with self._chronicle("refresh"):
            self._attend(lambda: self._refresh(clear_pending_creates))

    def _update(self, inline_program: Callable[[], object]) -> None:
        self._settle()
        self._refresh_first()
        self._refuse_unknown(self._targets.replaced)
        if self.run.stopped:
            return
        registrar = self._registrar()
        deletions = self._deletions()

        def finish() -> None:
            self._refuse_unknown(self._targets.named, registrar.claimed, stop=False)
            deletions.carry_out(registrar.claimed, registrar.lost)

        monitor = self._monitor(registrar, finish)
        self._run_program(inline_program, monitor)
        self._store_outputs(monitor)

    def _destroy(self, inline_program: Callable[[], object] | None) -> None:
        self._refuse_unknown(self._targets.named)
        if not self.run.stopped:
            self._undo_creates()
            self._refresh_first()
        if self.run.stopped:
            return
        deletions = self._deletions()
        if inline_program is None:
            deletions.carry_out()
            return

        def finish() -> None:
            self.journal.rebase()
            deletions.carry_out()

        self._run_program(inline_program, self._monitor(self._registrar(destroying=True), finish))

    def _refresh(self, clear_pending_creates: bool) -> None:
        if clear_pending_creates:
            self.journal.forget_pending_creates()
        self._warn_of_pending_creates()
        self._refuse_unknown(self._targets.named)
        self._refuse_unknown(self._targets.excluded)
        if not self.run.stopped:
            self._refreshing(alone=True).carry_out()

    def _chronicle(self, kind: str) -> Chronicle:
        record = None if self._storage is None else self._keep_history
        return Chronicle(self.run, self._request, kind, secrets=self._secrets, record=record)

    def _attend(self, work: Callable[[], None]) -> None:
        """Do the work; where the operation can be cancelled, so that nothing in it can prevent that."""
        if not self._targets.limited:
            self._providers.refuse_unsupported(entry.state for entry in self.journal.entries())
        cancellation = self._request.options.cancellation
        if cancellation is None:
            work()
        elif cancellation.cancelled:
            self.run.cancel()
        else:
            self._supervise(work, cancellation)

    def _supervise(self, work: Callable[[], None], cancellation: Cancellation) -> None:
        Supervision(self.run, self._workers, cancellation).carry_out(
            work, cancel=self._cancel, abandon=self._abandon
        )

    def _cancel(self) -> None:
        self.run.cancel()
        self._providers.cancel()

    def _abandon(self) -> None:
        self.run.cancel()
        try:
            self.journal.close()
        except EngineError as error:
            self.run.fail(str(error), cause=error)

    def _registrar(self, *, destroying: bool = False) -> Registrar:
        request = self._request
        return Registrar(
            self.run,
            self._steps,
            self._targets,
            self._transforms,
            request.all_config,
            frozenset(request.secret_config),
            destroying=destroying,
        )

    def _monitor(self, registrar: Registrar, finish: Callable[[], None]) -> Monitor:
        components = Components(self.run, registrar, self._providers, self._workers)
        invokes = Invokes(self.run, registrar, self._providers, self._transforms)
        promptness = Promptness(self._callbacks, registrar)
        return Monitor(
            self.run, registrar, components, invokes, self._transforms, self._hooks, promptness, finish
        )

    def _deletions(self) -> Deletions:
        return Deletions(self.run, self._steps, self._workers, self._targets)

    def _refresh_first(self) -> None:
        if self._request.options.refresh:
            self._refreshing().carry_out()

    def _refreshing(self, *, alone: bool = False) -> Refresh:
        return Refresh(self.run, self._steps, self._workers, self._targets, alone=alone)

    def _refuse_unknown(
        self, named: Patterns, registered: frozenset[str] = frozenset(), *, stop: bool = True
    ) -> None:
        """Fail for URNs that were given to the operation and that nobody has."""
        if not named:
            return
        for urn in named.unknown(registered | self._recorded):
            self.run.fail(unknown_target(urn), stop=stop)

    def _run_program(self, inline_program: Callable[[], object], monitor: Monitor) -> None:
        try:
            program.execute(
                inline_program,
                self.run,
                monitor,
                self._callbacks,
                self._workers,
                config=self._request.all_config,
                secret_keys=frozenset(self._request.secret_config),
            )
        except asyncio.CancelledError:
            if not self.run.canceled:
                raise
        except RunError as error:
            if not self.run.failed:  # else the engine itself made the program end
                self.run.fail(str(error), cause=error)
        # The program is foreign code; whatever ends it is the operation's outcome, not the engine's.
        except Exception as error:
            if not self.run.failed:
                self.run.fail(_program_error(error), cause=error)
        if not monitor.completed and not self.run.failed:
            self.run.fail("the program ended before everything was carried out")

    def _store_outputs(self, monitor: Monitor) -> None:
        urn = self._stack_urn
        state = self.journal.new(urn)
        if state is None:
            return
        if monitor.stack_outputs is not None:
            # After a failure what the program did not get to may still be as it was exported before.
            kept = state.outputs if self.run.failed else {}
            state = self.journal.amend(urn, outputs={**kept, **monitor.stack_outputs})
        self._events.outputs(state)

    def _settle(self) -> None:
        """Find out what became of calls that an earlier run did not see the end of."""
        self._undo_creates()
        self._warn_of_pending_creates()
        self._refreshing().settle(self.journal.interrupted)

    def _undo_creates(self) -> None:
        if self._storage is not None:
            Recovery(self.run, self._steps, self._targets).undo_creates()

    def _warn_of_pending_creates(self) -> None:
        pending = self.journal.pending_creates
        if pending:
            names = ", ".join(op.resource.urn for op in pending)
            text = (
                f"Attempting to deploy or update resources with {len(pending)} pending operations from "
                f"previous deployment; these may exist without being recorded: {names}. {self._way_on}"
            )
            self._events.diagnostic(text, severity="warning")

    @property
    def _way_on(self) -> str:
        """What to do about pending creations: an update has settled what can be settled already."""
        if not self.run.preview:
            return "Check, then refresh with clear_pending_creates"
        return "An update finds out where it can; else check, then refresh with clear_pending_creates"

    def _save(self, snapshot: Snapshot, *, forced: bool) -> None:
        assert self._storage is not None
        data = self._codec.encode(self._stack.full_name, snapshot)
        self._storage.save(self._stack, data, forced=forced)
        self.data = data

    def _keep_history(self, entry: dict[str, Any]) -> None:
        if self._storage is not None and self.data is not None:
            self._storage.record(self._stack, entry, self.data)


def _program_error(error: Exception) -> str:
    text = f"the program raised {type(error).__name__}: {error}"
    if _UNSUPPORTED_BY_CLI not in text:
        return text
    return (
        f"{text} (Here the embedded engine is meant: it does not support this. Leave it out, or run the "
        "stack with Pulumi's own engine)"
    )
