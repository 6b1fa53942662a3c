"""Pulumi's engine behind the protocol of ours: the CLI changes stacks, and our own reader reads them.

What changes a state is done by the CLI alone, through the Automation API. What only looks at one (outputs,
resources, export, history, versions, locks) is read from the same files by `engine.stacks`, in milliseconds
instead of a process each.
"""

import json
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from automation.adapters.automation_api import cli, errors, expectation
from automation.adapters.automation_api.operations import Call, Operations
from automation.adapters.automation_api.project import Home
from automation.adapters.automation_api.tally import Tally
from automation.adapters.automation_api.workers import Workers
from engine import (
    Backend,
    BackendError,
    FileBackend,
    PreviewResult,
    ResourceRecord,
    StackNotFound,
    StackOutputs,
    StackRef,
    StackSummary,
    UpdateResult,
    checkpoint,
    open_backend,
)
from engine.events import EventSink
from engine.options import DEFAULTS, Options
from engine.protocol import Program
from engine.stacks import Stacks
from engine.storage import Storage


class AutomationApiEngine:
    """A StackEngine over Pulumi's CLI, which must be on the PATH (CliMissing otherwise).

    `passphrase` protects the secrets in the states; it is in the environment of the CLIs alone. At most
    `parallel` resources of one operation are worked on at the same time. Engines may share `workers`; those
    are then closed by who made them. `close` ends what still runs.
    """

    def __init__(
        self,
        backend_url: str,
        *,
        passphrase: str = "",
        parallel: int = 16,
        workers: Workers | None = None,
    ) -> None:
        command = workers.command if workers else cli.find()
        backend = open_backend(backend_url)
        self._reader = Stacks(backend, passphrase=passphrase)
        self._storage = Storage(backend)
        self._home = Home()
        self._own_workers = None if workers else Workers(command)
        self._operations = Operations(
            command,
            workers or self._own_workers or Workers(command),
            backend_url=_address(backend, backend_url),
            storage=self._storage,
            reader=self._reader,
            home=self._home,
            passphrase=passphrase,
            parallel=parallel,
        )

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
        """See StackEngine."""
        call = Call(
            operation="up",
            stack=stack,
            program=program,
            config=config,
            secret_config=secret_config,
            expect=expect,
            message=message,
            on_event=on_event,
            options=options,
            arguments={**_chosen(options), "continue_on_error": options.continue_on_error},
        )
        return self._changed(call)

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
        """See StackEngine."""
        call = Call(
            operation="preview",
            stack=stack,
            program=program,
            config=config,
            secret_config=secret_config,
            expect=expect,
            message=message,
            on_event=on_event,
            options=options,
            arguments=_chosen(options),
        )
        started = time.monotonic()
        tally = self._operations.preview(call)
        return PreviewResult(
            changes=tally.changes, duration_seconds=time.monotonic() - started, steps=tally.steps
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
        """See StackEngine."""
        self._require(stack)
        call = Call(
            operation="refresh",
            stack=stack,
            config=config,
            secret_config=secret_config,
            message=message,
            on_event=on_event,
            options=options,
            arguments={**_excluded(options), "clear_pending_creates": clear_pending_creates},
        )
        return self._changed(call)

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
        """See StackEngine."""
        self._require(stack)
        if expect is not None and program is None:
            program = _nothing  # a program is what has the version checked under the CLI's lock
        call = Call(
            operation="destroy",
            stack=stack,
            program=program,
            config=config,
            secret_config=secret_config,
            expect=expect,
            message=message,
            on_event=on_event,
            options=options,
            arguments={
                "run_program": program is not None,
                "refresh": options.refresh,
                "continue_on_error": options.continue_on_error,
            },
            flags=tuple(f"--exclude={urn}" for urn in options.excludes),
        )
        return self._changed(call)

    def init(self, stack: StackRef) -> None:
        """See StackEngine."""
        self._operations.run(stack, "stack", "init", "--no-select", what="the creation")

    def remove(self, stack: StackRef, force: bool = False) -> None:
        """See StackEngine."""
        self._require(stack)
        self._operations.run(
            stack, "stack", "rm", "--yes", *(["--force"] if force else []), what="the removal"
        )

    def rename(self, stack: StackRef, new: StackRef) -> None:
        """See StackEngine."""
        self._require(stack)
        self._operations.run(stack, "stack", "rename", new.full_name, what="the renaming")

    def outputs(self, stack: StackRef) -> StackOutputs:
        """See StackEngine."""
        return self._reader.outputs(stack)

    def resources(self, stack: StackRef) -> list[ResourceRecord]:
        """See StackEngine."""
        return self._reader.resources(stack)

    def export(self, stack: StackRef, *, show_secrets: bool = False) -> dict[str, Any]:
        """See StackEngine."""
        return self._reader.export(stack, show_secrets=show_secrets)

    def import_deployment(
        self, stack: StackRef, deployment: dict[str, Any], *, force: bool = False
    ) -> tuple[str, ...]:
        """See StackEngine."""
        salt = checkpoint.parse_document(deployment).salt
        if self._storage.load(stack) is None:
            self._operations.run(stack, "stack", "init", "--no-select", what="the creation", salt=salt)
        with tempfile.NamedTemporaryFile("w", suffix=".json", dir=self._home.path) as file:
            json.dump(deployment, file)
            file.flush()
            done = self._operations.run(
                stack,
                "stack",
                "import",
                "--file",
                file.name,
                *(["--force"] if force else []),
                what="the import",
                salt=salt,
            )
        return errors.warnings_in(done.stderr)

    def history(self, stack: StackRef, *, page_size: int = 0, page: int = 1) -> list[dict[str, Any]]:
        """See StackEngine."""
        return self._reader.history(stack, page_size=page_size, page=page)

    def cancel(self, stack: StackRef) -> int:
        """See StackEngine; as `pulumi cancel` does."""
        return self._reader.cancel(stack)

    def cancel_abandoned(self, stack: StackRef, *, older_than_seconds: float) -> int:
        """See StackEngine."""
        return self._reader.cancel_abandoned(stack, older_than_seconds=older_than_seconds)

    def stacks(self, project: str) -> list[str]:
        """See StackEngine."""
        return self._reader.stacks(project)

    def list_stacks(self, project: str | None = None) -> list[StackSummary]:
        """See StackEngine."""
        return self._reader.list_stacks(project)

    def close(self, grace_seconds: float = 0.0) -> None:
        """Stop what is under way: no new steps at once, after the grace nothing at all. Further use fails."""
        self._operations.close(grace_seconds)
        if self._own_workers is not None:
            self._own_workers.close()
        self._home.close()

    def _changed(self, call: Call) -> UpdateResult:
        started = time.monotonic()
        tally: Tally = self._operations.change(call)
        found = self._reader.outputs(call.stack)
        return UpdateResult(
            outputs=found.values,
            changes=tally.changes,
            duration_seconds=time.monotonic() - started,
            version=expectation.version_in(self._storage, call.stack),
            secret_names=found.secret_names,
            steps=tally.steps,
        )

    def _require(self, stack: StackRef) -> None:
        if self._storage.load(stack) is None:
            raise StackNotFound(f"no stack named {stack.name!r} found in project {stack.project!r}")


def _address(backend: Backend, given: str) -> str:
    """Return a backend's address as the CLI wants it; make the folder, which it wants to be there."""
    if not isinstance(backend, FileBackend):
        return given
    try:
        Path(backend.url.removeprefix("file://")).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BackendError(f"cannot make {backend.url}: {error.strerror}") from error
    return backend.url


def _nothing() -> None:
    """Declare nothing: a program for operations that need one and have none."""


def _chosen(options: Options) -> dict[str, Any]:
    return {**_excluded(options), "replace": list(options.replace), "refresh": options.refresh}


def _excluded(options: Options) -> dict[str, Any]:
    return {
        "exclude": list(options.excludes),
        "exclude_dependents": options.exclude_dependents and bool(options.excludes),
    }
