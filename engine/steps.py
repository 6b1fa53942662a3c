"""The steps of an operation: provider calls with what surrounds them.

Every step announces itself, records its call as pending before it is made, records the outcome, and reports
it. A failing step stops the run; what is running meanwhile ends and is recorded.
"""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from engine import status
from engine.codec import now
from engine.errors import BackendError, CheckpointRefused, EngineError
from engine.events import Op, Step
from engine.hooks import Hooks, Subject
from engine.journal import Closed, Entry
from engine.masking import masked_reasons
from engine.plan import marked_like, with_secrets
from engine.provider import DiffResult, PartialFailure, Properties, Provider, ProviderError
from engine.providers import ProviderResources, Providers
from engine.run import Arguments, Result, Run, StepFailed, Stopped
from engine.state import ResourceState, altered
from engine.urns import is_provider_type
from engine.values import same

_FATAL: Final = (BackendError, CheckpointRefused, Closed)
"""What no operation goes on after: its record could not be kept."""

NO_DIFF: Final = DiffResult(changes=False)


class Protected(EngineError):
    """A protected resource was to be deleted. It stays, other deletions go on, and the operation fails."""


@dataclasses.dataclass
class Outcome:
    """What became of a step, where it is not what was announced: the new state, or the step as a whole."""

    new: ResourceState | None = None
    step: Step | None = None
    counted: bool = True


class Steps:
    """Carries out single steps.

    Thread-safe; a method returns when its step is recorded, or raises Stopped.
    """

    def __init__(self, run: Run, providers: Providers, hooks: Hooks) -> None:
        self.provider_resources = ProviderResources(providers)
        self._run = run
        self._providers = providers
        self._journal = run.journal
        self._hooks = hooks

    def provider_for(self, state: ResourceState) -> Provider | None:
        """Return what carries out the resource's calls; None for components."""
        if not state.custom:
            return None
        return (
            self.provider_resources if is_provider_type(state.type) else self._providers.get(state.provider)
        )

    def same(self, new: ResourceState, old: Entry) -> ResourceState:
        """Keep a resource: id, outputs and times stay, options are taken over. No provider call."""
        before = old.state
        state = altered(
            new, id=before.id, outputs=before.outputs, created=before.created, modified=before.modified
        )
        if state == before and same(state.inputs, before.inputs):
            state = before
        elif state.custom:  # what is secret may be said anew
            state = altered(state, outputs=with_secrets(before.outputs, state))
        with self.running(Step(op=Op.SAME, old=before, new=state)):
            if is_provider_type(state.type):
                self.provider_resources.keep(state.urn, state.id, state.inputs)
            self._journal.record(state, old=old)
        return state

    def create(
        self, new: ResourceState, old: Entry | None = None, diff: DiffResult = NO_DIFF
    ) -> ResourceState:
        """Create a resource, or the new half of the replacement of `old`."""
        op = Op.CREATE if old is None else Op.CREATE_REPLACEMENT
        with self.running(_step(op, old.state if old else None, new, diff)) as outcome:
            self._hooks.before("create", new=new)
            provider = self.provider_for(new)
            if provider is None:
                state = _stamped(new)
                self._record_new(state, old, None)
            else:
                state = self._create(new, provider, old)
            outcome.new = state
            self._hooks.after("create", new=state)
        return state

    def update(self, new: ResourceState, old: Entry, diff: DiffResult = NO_DIFF) -> ResourceState:
        """Update a resource in place."""
        before = old.state
        kept = altered(new, id=before.id, created=before.created, modified=before.modified)
        with self.running(_step(Op.UPDATE, before, kept, diff)) as outcome:
            self._hooks.before("update", old=before, new=kept)
            provider = self.provider_for(new)
            if provider is None:
                state = altered(kept, outputs=before.outputs)
                self._journal.record(state, old=old)
            else:
                state = self._update(kept, provider, old)
            outcome.new = state
            self._hooks.after("update", old=before, new=state)
        return state

    def replaced(self, new: ResourceState, old: ResourceState, diff: DiffResult) -> None:
        """Report a replacement as a whole; the work is done by other steps."""
        with self.running(_step(Op.REPLACE, old, new, diff)):
            pass

    def delete(self, entry: Entry, op: Op, *, call: bool = True, keep: bool = False) -> None:
        """Delete a resource.

        Without `call` only the record goes; with `keep` it waits for its re-creation.
        """
        state = entry.state
        with self.running(Step(op=op, old=state, logical=op is Op.DELETE)):
            self._hooks.before("delete", old=state)
            if state.protect and op is Op.DELETE:
                raise _protected(state)
            token = self._delete(state) if call and not self._run.preview else None
            if keep:
                self._journal.mark(entry, token=token, pending_replacement=True)
            else:
                self._journal.remove(entry, token=token)
            self._hooks.after("delete", old=state)

    def read(self, new: ResourceState, old: Entry | None) -> ResourceState:
        """Read a resource that is not managed here, and record what it is.

        One that was managed under another id is replaced by it; under the same one it is given up.
        """
        before = old.state if old else None
        replacing = before is not None and not before.external and before.id != new.id
        step = Step(op=Op.READ_REPLACEMENT if replacing else Op.READ, old=before, new=new)
        with self.running(step) as outcome:
            state = self._read(new, before)
            if before is not None and state == before and same(state.outputs, before.outputs):
                state = before  # nothing to write, and secrets keep their ciphertexts
            outcome.new = state
            if old is not None and replacing:
                self._journal.supersede(state, old)
            else:
                self._journal.record(state, old=old)
            outcome.counted = before is None or before.outputs != state.outputs
            if state.init_errors:
                raise PartialFailure(id=state.id, outputs=state.outputs, reasons=state.init_errors)
        if before is not None and replacing:
            self.replaced(state, before, NO_DIFF)
        return state

    def import_(self, new: ResourceState, old: Entry | None) -> ResourceState:
        """Record a resource that exists already, as its provider finds it; `old` is what it replaces."""
        before = old.state if old else None
        replacing = before is not None and not before.pending_replacement
        op = Op.IMPORT_REPLACEMENT if replacing else Op.IMPORT
        with self.running(Step(op=op, old=before, new=new, logical=not replacing)) as outcome:
            with self._pending("importing", new) as token:
                state = outcome.new = self._found(new)
            if replacing and before is not None and not before.external and state.id == before.id:
                # The recorded resource itself, by another spelling of its id: its deletion must not follow.
                replacing = False
                outcome.step = Step(op=Op.IMPORT, old=before, new=state)
                self._journal.record(state, old=old, token=token)
            else:
                self._record_new(state, old, token)
        if before is not None and replacing:
            self.replaced(state, before, NO_DIFF)
        return state

    @contextlib.contextmanager
    def running(self, step: Step, *, fatal: bool = True) -> Iterator[Outcome]:
        """Report a step around its work; the work says through the outcome what became of it.

        One that is not `fatal` lets other steps go on when it fails.
        """
        self._run.check()
        events = self._run.events
        events.begun(step)
        outcome = Outcome()
        try:
            yield outcome
        except Stopped:
            raise
        # A provider is foreign code and may raise anything; whatever it is, it fails this step and ends the
        # run.
        except Exception as error:
            text = str(error) or repr(error)
            self._run.fail(text, urn=step.urn, cause=error, stop=fatal and not self._survives(error))
            events.failed(step)
            raise StepFailed from error
        announced, step = step, outcome.step or step
        if outcome.new is not None:
            step = dataclasses.replace(step, new=outcome.new)
        later = not step.state.custom and step.new is not None  # a component's outputs are still to come
        events.done(
            step,
            silent=later and announced.op is not Op.REFRESH and not self._run.preview,
            counted=outcome.counted,
        )

    def _survives(self, error: Exception) -> bool:
        """Say whether the operation goes on after a step that failed with this."""
        goes_on = self._run.options.continue_on_error and not isinstance(error, _FATAL)
        return goes_on or isinstance(error, Protected)

    def _create(self, new: ResourceState, provider: Provider, old: Entry | None) -> ResourceState:
        with self._pending("creating", new) as token:
            try:
                result = self._call(
                    Subject("create", new=new),
                    provider.create,
                    urn=new.urn,
                    inputs=new.inputs,
                    timeout=new.custom_timeouts.get("create"),
                    preview=self._run.preview,
                )
            except PartialFailure as failure:
                partial = _finished(new, failure.outputs, id_=failure.id, reasons=failure.reasons)
                self._record_new(_stamped(partial), old, token)
                raise
        if not result.id and not self._run.preview:
            raise EngineError("the provider created the resource but returned no id for it")
        state = _stamped(_finished(new, result.outputs, id_=result.id))
        self._record_new(state, old, token)
        return state

    def _update(self, new: ResourceState, provider: Provider, old: Entry) -> ResourceState:
        before = old.state
        with self._pending("updating", new) as token:
            try:
                outputs = self._call(
                    Subject("update", before, new),
                    provider.update,
                    urn=new.urn,
                    id=before.id,
                    old_inputs=before.inputs,
                    old_outputs=before.outputs,
                    news=new.inputs,
                    timeout=new.custom_timeouts.get("update"),
                    ignore_changes=new.ignore_changes,
                    preview=self._run.preview,
                )
            except PartialFailure as failure:
                # The old inputs stay, so that the next run sees the difference again and goes on with it.
                partial = _finished(new, failure.outputs, reasons=failure.reasons)
                partial = altered(partial, inputs=before.inputs, modified=now())
                self._journal.record(partial, old=old, token=token)
                raise
        state = altered(_finished(new, outputs), modified=now())
        self._journal.record(state, old=old, token=token)
        return state

    def _delete(self, state: ResourceState) -> int | None:
        provider = self.provider_for(state)
        if provider is None:
            return None
        with self._pending("deleting", state) as token:
            self._call(
                Subject("delete", state),
                provider.delete,
                urn=state.urn,
                id=state.id,
                old_inputs=state.inputs,
                old_outputs=state.outputs,
                timeout=state.custom_timeouts.get("delete"),
            )
        return token

    def _read(self, new: ResourceState, before: ResourceState | None) -> ResourceState:
        if not new.id:  # in a preview, of a resource that is still to be made
            return new
        provider = self._provider(new)
        result = self._run.call(provider.read, urn=new.urn, id=new.id, inputs=new.inputs, outputs=new.inputs)
        if result.id is None:
            raise ProviderError(f"there is no {new.type} with the id {new.id!r}")
        reasons = masked_reasons(result.reasons, new.inputs)
        state = _finished(new, result.outputs, id_=result.id, reasons=reasons)
        if before is None:
            return state
        changed = not (same(before.inputs, state.inputs) and same(before.outputs, state.outputs))
        return altered(state, created=before.created, modified=now() if changed else before.modified)

    def _found(self, new: ResourceState) -> ResourceState:
        """Return the resource that is to be imported, as its provider finds it."""
        found = self._run.call(
            self._provider(new).read,
            urn=new.urn,
            id=new.import_id,
            inputs={},
            outputs={},
            timeout=new.custom_timeouts.get("read"),
        )
        if found.id is None:
            raise ProviderError(f"resource {new.import_id!r} does not exist")
        if new.inputs and not (found.inputs or self._run.preview):
            raise ProviderError(
                f"the provider of {new.type} does not support importing: it told no inputs of "
                f"{new.import_id!r}; leave the `import_` option out"
            )
        reasons = masked_reasons(found.reasons, new.inputs)
        new = altered(new, inputs=marked_like(found.inputs, new.inputs))
        return _stamped(_finished(new, found.outputs, id_=found.id or new.import_id, reasons=reasons))

    def _provider(self, state: ResourceState) -> Provider:
        provider = self.provider_for(state)
        assert provider is not None
        return provider

    def _record_new(self, state: ResourceState, old: Entry | None, token: int | None) -> None:
        if old is None:
            self._journal.record(state, token=token)
        else:
            self._journal.supersede(state, old, token=token)

    def _call(
        self,
        subject: Subject,
        function: Callable[Arguments, Result],
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> Result:
        """Call a provider; the resource's error hooks decide whether it is called again after a failure."""
        with status.told_to(partial(self._tell, subject)):
            if not subject.state.resource_hooks:
                return self._run.call(function, *args, **kwargs)
            return self._hooks.retrying(subject, lambda: self._run.call(function, *args, **kwargs))

    def _tell(self, subject: Subject, text: str) -> None:
        """Show what a call waits for beside its resource, as long as it is under way."""
        self._run.events.diagnostic(text, severity="info", urn=subject.state.urn, ephemeral=True)

    @contextlib.contextmanager
    def _pending(self, kind: str, state: ResourceState) -> Iterator[int | None]:
        """Have a provider call pending in the state around it.

        After a ProviderError nothing changed, so the record is taken back. After any other exception nobody
        knows: it stays, and tells the user of a later run.
        """
        if is_provider_type(state.type):
            yield None  # instances live in this process; there is nothing that a crash could leave behind
            return
        token = self._journal.begin(kind, state)
        try:
            yield token
        except PartialFailure:
            raise
        except ProviderError:
            self._journal.abandon(token)
            raise


def _step(op: Op, old: ResourceState | None, new: ResourceState, diff: DiffResult) -> Step:
    return Step(
        op=op,
        old=old,
        new=new,
        keys=diff.replaces,
        diffs=diff.diffs,
        detailed=diff.detailed,
        logical=op is not Op.CREATE_REPLACEMENT,
    )


def _finished(
    new: ResourceState, outputs: Properties, *, id_: str | None = None, reasons: tuple[str, ...] = ()
) -> ResourceState:
    return altered(
        new,
        id=new.id if id_ is None else id_,
        outputs=with_secrets(outputs, new),
        init_errors=reasons,
    )


def _stamped(state: ResourceState) -> ResourceState:
    moment = now()
    return altered(state, created=moment, modified=moment)


def _protected(state: ResourceState) -> Protected:
    return Protected(
        f"resource {state.urn!r} cannot be deleted because it is protected. To unprotect it, remove the "
        "`protect` flag from the resource in the program and update, or use `state unprotect`"
    )
