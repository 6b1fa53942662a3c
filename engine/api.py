"""The engine as others see it: synchronous operations on stacks, safe to call from many threads at once."""

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from engine import checkpoint, crypto, urns
from engine.backend import Backend
from engine.checkpoint import Document
from engine.codec import Codec
from engine.crypto import Secrets
from engine.errors import CheckpointRefused, ConcurrentUpdateError, EngineError, StackMoved, StackNotFound
from engine.events import EventSink
from engine.names import StackRef
from engine.operation import Operation
from engine.options import DEFAULTS, Options
from engine.provider import Properties, ProviderFactory
from engine.request import Request
from engine.results import PreviewResult, ResourceRecord, StackOutputs, UpdateResult
from engine.specials import UNKNOWN_TEXT
from engine.state import Snapshot
from engine.storage import ABSENT, Storage, version_of
from engine.threads import Workers
from engine.values import contains_secret, contains_unknown, unwrap


class Engine:
    """Deploys stacks whose states are in one backend.

    `providers` maps package names to factories. `passphrase` protects the secrets in the states. At most
    `parallel` provider calls of one operation run at the same time. Of each stack's history the newest
    `history_limit` entries are kept, all for None. All methods may be called from any
    thread, but not from one that runs an event loop; one stack is changed by one operation at a time.
    """

    def __init__(
        self,
        backend: Backend,
        providers: Mapping[str, ProviderFactory],
        *,
        passphrase: str = "",
        parallel: int = 16,
        history_limit: int | None = None,
    ) -> None:
        self._storage = Storage(backend, history_limit=history_limit)
        self._providers = dict(providers)
        self._passphrase = passphrase
        self._parallel = parallel
        self._workers = Workers()
        self._busy: set[StackRef] = set()
        self._busy_lock = threading.Lock()
        self._fresh_salt: str | None = None
        self._salt_lock = threading.Lock()

    def up(
        self,
        stack: StackRef,
        program: Callable[[], object],
        *,
        config: Mapping[str, str] | None = None,
        secret_config: Mapping[str, str] | None = None,
        expect: str | None = None,
        message: str = "",
        on_event: EventSink | None = None,
        options: Options = DEFAULTS,
    ) -> UpdateResult:
        """Run the program and bring the stack to what it says; the stack is made if there is none.

        `expect` is a version from `outputs`: if the state is at another one, StackMoved is raised and nothing
        is done. Raises ConcurrentUpdateError if the stack is locked and UpdateFailed if the update did not
        succeed.
        """
        request = _request(config, secret_config, message, on_event, options)
        started = time.monotonic()
        with self._locked(stack):
            operation = self._operation(stack, self._storage.load(stack), request, expect=expect)
            operation.update(program)
        return self._result(operation, started)

    def preview(
        self,
        stack: StackRef,
        program: Callable[[], object],
        *,
        config: Mapping[str, str] | None = None,
        secret_config: Mapping[str, str] | None = None,
        expect: str | None = None,
        message: str = "",
        on_event: EventSink | None = None,
        options: Options = DEFAULTS,
    ) -> PreviewResult:
        """Run the program and tell what an update would do. Takes no lock and stores nothing."""
        request = _request(config, secret_config, message, on_event, options)
        started = time.monotonic()
        data = self._storage.load(stack)
        operation = self._operation(stack, data, request, expect=expect, preview=True)
        operation.update(program)
        return PreviewResult(
            changes=operation.changes, duration_seconds=time.monotonic() - started, steps=operation.steps
        )

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
        """Read every resource and record what it is now. The program is not run.

        `clear_pending_creates` forgets creations of crashed runs that never reported back.
        """
        request = _request(config, secret_config, message, on_event, options)
        started = time.monotonic()
        with self._entered(stack, options):
            operation = self._operation(stack, self._existing(stack), request, preview=options.preview_only)
            operation.refresh(clear_pending_creates=clear_pending_creates)
        return self._result(operation, started)

    def destroy(
        self,
        stack: StackRef,
        *,
        program: Callable[[], object] | None = None,
        config: Mapping[str, str] | None = None,
        secret_config: Mapping[str, str] | None = None,
        expect: str | None = None,
        message: str = "",
        on_event: EventSink | None = None,
        options: Options = DEFAULTS,
    ) -> UpdateResult:
        """Delete every resource of the stack; the stack itself stays, empty.

        A program is run first, if given: it makes nothing but says how what it registers is to be deleted,
        such as with which hooks. `expect` is as for `up`.
        """
        request = _request(config, secret_config, message, on_event, options)
        started = time.monotonic()
        with self._entered(stack, options):
            operation = self._operation(
                stack, self._existing(stack), request, expect=expect, preview=options.preview_only
            )
            operation.destroy(program)
        return self._result(operation, started)

    def remove(self, stack: StackRef, force: bool = False) -> None:
        """Forget the stack and its history.

        With resources left only by `force` (they then stay as they are).
        """
        with self._locked(stack):
            left = [raw["urn"] for raw in checkpoint.parse(self._existing(stack)).resources]
            if left and not force:
                raise EngineError(
                    f"{stack} still has {len(left)} resource(s), such as {left[-1]}; destroy it first, "
                    "or remove it by force"
                )
            self._storage.remove(stack)

    def outputs(self, stack: StackRef) -> StackOutputs:
        """Return what the stack exports, and the state's version.

        No values for a stack that does not exist.
        """
        data = self._storage.load(stack)
        if data is None:
            return StackOutputs(values={})
        return self._outputs(data)

    def resources(self, stack: StackRef) -> list[ResourceRecord]:
        """Return the recorded resources, in dependency order."""
        return [
            ResourceRecord(
                urn=state.urn,
                type=state.type,
                id=state.id,
                inputs=state.inputs,
                outputs=state.outputs,
                parent=state.parent,
                delete=state.delete,
            )
            for state in self._decoded(checkpoint.parse(self._existing(stack))).resources
        ]

    def export(self, stack: StackRef) -> dict[str, Any]:
        """Return the deployment as `pulumi stack export` does; secrets stay encrypted."""
        document = json.loads(self._existing(stack))
        checkpoint.parse_document(document)
        features = {"features": document["features"]} if document.get("features") else {}
        deployment = (document.get("checkpoint") or {}).get("latest") or {}
        return {"version": document["version"], **features, "deployment": deployment}

    def import_deployment(self, stack: StackRef, deployment: dict[str, Any]) -> None:
        """Replace the stack's state by an exported one. Pending operations are dropped.

        CheckpointRefused if it is not understood, breaks an invariant, or belongs to another stack.
        """
        document = checkpoint.parse_document(deployment)
        secrets = self._secrets(document.salt)
        codec = Codec(secrets)
        snapshot = codec.decode(document)
        _refuse_other_stacks(stack, snapshot)
        with self._locked(stack):
            imported = Snapshot(resources=snapshot.resources, extra=snapshot.extra)
            self._storage.save(stack, codec.encode(stack.full_name, imported))

    def history(self, stack: StackRef) -> list[dict[str, Any]]:
        """Return the history entries of the stack, newest first, as they are stored."""
        return self._storage.history(stack)

    def cancel(self, stack: StackRef) -> int:
        """Break the stack's locks and return how many there were. Does not stop who holds them."""
        return self._storage.cancel(stack)

    def cancel_abandoned(self, stack: StackRef, *, older_than_seconds: float) -> int:
        """Break the locks whose holders cannot be at work any more; return how many there were.

        These are locks of processes of this host that do not exist any more, and any that are older than the
        caller's longest update.
        """
        return self._storage.cancel_abandoned(stack, older_than_seconds)

    def stacks(self, project: str) -> list[str]:
        """Return the names of the project's stacks, sorted."""
        return self._storage.stacks(project)

    def _entered(self, stack: StackRef, options: Options) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext() if options.preview_only else self._locked(stack)

    @contextlib.contextmanager
    def _locked(self, stack: StackRef) -> Iterator[None]:
        # The lock files would do; within one process this spares two contenders from both losing.
        with self._busy_lock:
            if stack in self._busy:
                raise ConcurrentUpdateError(
                    f"the stack is currently locked by 1 lock(s): another operation on {stack} is running in "
                    "this process. Wait for it to end"
                )
            self._busy.add(stack)
        try:
            with self._storage.locked(stack):
                yield
        finally:
            with self._busy_lock:
                self._busy.discard(stack)

    def _operation(
        self,
        stack: StackRef,
        data: bytes | None,
        request: Request,
        *,
        expect: str | None = None,
        preview: bool = False,
    ) -> Operation:
        document = checkpoint.EMPTY if data is None else checkpoint.parse(data)
        present = version_of(data) if data is not None and document.deployed else ABSENT
        if expect is not None and expect != present:
            raise StackMoved(expected=expect, present=present)
        return Operation(
            stack,
            data,
            document,
            self._secrets(document.salt),
            storage=None if preview else self._storage,
            factories=self._providers,
            workers=self._workers,
            parallel=self._parallel,
            request=request,
        )

    def _existing(self, stack: StackRef) -> bytes:
        data = self._storage.load(stack)
        if data is None:
            raise StackNotFound(f"no stack named {stack.name!r} found in project {stack.project!r}")
        return data

    @staticmethod
    def _result(operation: Operation, started: float) -> UpdateResult:
        outputs = operation.outputs
        return UpdateResult(
            outputs=_plain(outputs),
            changes=operation.changes,
            duration_seconds=time.monotonic() - started,
            version=operation.version,
            secret_names=_secret_names(outputs),
            steps=operation.steps,
        )

    def _outputs(self, data: bytes) -> StackOutputs:
        document = checkpoint.parse(data)
        stacks = (raw for raw in document.resources if raw.get("type") == urns.STACK_TYPE)
        raw = next(stacks, {}).get("outputs") or {}
        values = Codec(self._secrets(document.salt)).value(raw) if document.special else raw
        return StackOutputs(
            values=_plain(values),
            secret_names=_secret_names(values),
            version=version_of(data) if document.deployed else ABSENT,
        )

    def _decoded(self, document: Document) -> Snapshot:
        return Codec(self._secrets(document.salt)).decode(document)

    def _secrets(self, salt: str | None) -> Secrets:
        return Secrets(self._passphrase, salt, self._new_salt)

    def _new_salt(self) -> str:
        # One for all stacks that this engine makes: the derivation takes longer than everything else in an
        # update.
        with self._salt_lock:
            if self._fresh_salt is None:
                self._fresh_salt = crypto.new_state(self._passphrase)
            return self._fresh_salt


def _request(
    config: Mapping[str, str] | None,
    secret_config: Mapping[str, str] | None,
    message: str,
    on_event: EventSink | None,
    options: Options,
) -> Request:
    return Request(
        config=config or {},
        secret_config=secret_config or {},
        message=message,
        on_event=on_event,
        options=options,
    )


def _plain(outputs: Properties) -> dict[str, Any]:
    """Return outputs without their secrets' wrappings; an unknown one is Pulumi's text for that.

    They are unknown after an operation that left out what they come from.
    """
    values = unwrap(outputs)
    return {key: UNKNOWN_TEXT if contains_unknown(value) else value for key, value in values.items()}


def _secret_names(outputs: Properties) -> frozenset[str]:
    return frozenset(name for name, value in outputs.items() if contains_secret(value))


def _refuse_other_stacks(stack: StackRef, snapshot: Snapshot) -> None:
    for state in snapshot.resources:
        try:
            urn = urns.parse(state.urn)
        except ValueError as error:
            raise CheckpointRefused(str(error)) from error
        if (urn.stack, urn.project) != (stack.name, stack.project):
            raise CheckpointRefused(
                f"the deployment belongs to {urn.project}/{urn.stack}, not to {stack}: it holds {state.urn}"
            )
