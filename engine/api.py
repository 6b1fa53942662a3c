"""The engine as others see it: synchronous operations on stacks, safe to call from many threads at once."""

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext

from engine import checkpoint
from engine.backend import Backend
from engine.compression import Compression
from engine.errors import EngineError, StackMoved
from engine.events import EventSink
from engine.names import StackRef
from engine.operation import Operation
from engine.options import DEFAULTS, Options
from engine.provider import ProviderFactory
from engine.request import Request
from engine.results import PreviewResult, UpdateResult
from engine.stacks import Stacks, plain, secret_names
from engine.storage import ABSENT, Keeping, version_of
from engine.threads import Workers


class Engine(Stacks):
    """Deploys stacks whose states are in one backend.

    `providers` maps package names to factories. `passphrase` protects the secrets in the states; `salt` is
    the salt record (`encryptionsalt` of the stack's configuration file) that states without one take. At
    most `parallel` provider calls of one operation run at the same time. `compression`, `backups`,
    `retain_checkpoints`, `history_limit` and `environment` say what is kept and how, see `storage.Keeping`.
    All methods may be called from any thread, but not from one that runs an event loop; one stack is changed
    by one operation at a time.
    """

    def __init__(
        self,
        backend: Backend,
        providers: Mapping[str, ProviderFactory],
        *,
        passphrase: str = "",
        salt: str | None = None,
        parallel: int = 16,
        history_limit: int | None = None,
        compression: Compression = "none",
        backups: bool = True,
        retain_checkpoints: bool = False,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        keeping = Keeping(
            compression=compression,
            backups=backups,
            retain_checkpoints=retain_checkpoints,
            history_limit=history_limit,
            environment=environment or {},
        )
        super().__init__(backend, passphrase=passphrase, salt=salt, keeping=keeping)
        self._providers = dict(providers)
        self._parallel = parallel
        self._workers = Workers()

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
        if options.preview_only:
            raise EngineError(
                "preview_only is for refresh and destroy; to see what up would do, call preview"
            )
        request = _request(config, secret_config, message, on_event, options)
        started = time.monotonic()
        with self._entered(stack, options):
            data = self._storage.load(stack)
            if options.preview_first:
                self._operation(stack, data, request.silent, expect=expect, preview=True).update(program)
            operation = self._operation(stack, data, request, expect=expect)
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

    def _entered(self, stack: StackRef, options: Options) -> AbstractContextManager[None]:
        """Hold the stack's lock, after waiting for it as long as the caller is willing to."""
        if options.preview_only:
            return nullcontext()
        cancellation = options.cancellation
        return self._locked(
            stack, options.lock_timeout, lambda: cancellation is not None and cancellation.cancelled
        )

    def _operation(
        self,
        stack: StackRef,
        data: bytes | None,
        request: Request,
        *,
        expect: str | None = None,
        preview: bool = False,
    ) -> Operation:
        with self._storage.named(stack):
            return self._begun(stack, data, request, expect=expect, preview=preview)

    def _begun(
        self, stack: StackRef, data: bytes | None, request: Request, *, expect: str | None, preview: bool
    ) -> Operation:
        document = checkpoint.EMPTY if data is None else checkpoint.parse(data)
        checkpoint.refuse_unmanaged(document)
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
            reader=self._reader,
            workers=self._workers,
            parallel=self._parallel,
            request=request,
        )

    @staticmethod
    def _result(operation: Operation, started: float) -> UpdateResult:
        outputs = operation.outputs
        return UpdateResult(
            outputs=plain(outputs),
            changes=operation.changes,
            duration_seconds=time.monotonic() - started,
            version=operation.version,
            secret_names=secret_names(outputs),
            steps=operation.steps,
        )


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
