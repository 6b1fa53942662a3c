"""Operations on resources, from what the caller said to the tally of what the CLI did."""

import math
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Final

from pulumi.automation import CommandResult, PulumiCommand
from pulumi.automation.errors import CommandError

from automation.adapters.automation_api import errors, expectation
from automation.adapters.automation_api.cli import StoppableCommand, inherited_environment
from automation.adapters.automation_api.operation import Carrier, CarrierLost, Order
from automation.adapters.automation_api.project import Home, Projects
from automation.adapters.automation_api.running import Running
from automation.adapters.automation_api.tally import Tally
from engine.cancellation import Cancellation
from engine.errors import ConcurrentUpdateError, UpdateCanceled
from engine.events import EventSink
from engine.locks import Turns
from engine.names import StackRef
from engine.options import DEFAULTS, Options
from engine.protocol import Program
from engine.stacks import Stacks
from engine.storage import Storage

_LOCK_POLL_SECONDS: Final = 0.5
"""Pause between two tries at a stack that another process has locked; each try is a CLI."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """What the caller of an operation said."""

    operation: str
    """The method of the Automation API's Stack."""
    stack: StackRef
    program: Program | None = None
    config: Mapping[str, str] | None = None
    secret_config: Mapping[str, str] | None = None
    expect: str | None = None
    message: str = ""
    on_event: EventSink | None = None
    options: Options = DEFAULTS
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """For the Automation API, beside those that follow from the above."""
    flags: tuple[str, ...] = ()
    """What the Automation API has no argument for."""

    @property
    def name(self) -> str:
        """What the operation is called in history and messages."""
        return "update" if self.operation == "up" else self.operation


class Operations:
    """Has the CLI carry operations out on the stacks of one backend."""

    def __init__(
        self,
        command: PulumiCommand,
        carrier: Carrier,
        *,
        backend_url: str,
        storage: Storage,
        reader: Stacks,
        home: Home,
        passphrase: str,
        parallel: int,
    ) -> None:
        self._command = command
        self._carrier = carrier
        self._url = backend_url
        self._storage = storage
        self._home = home
        self._passphrase = passphrase
        self._parallel = parallel
        self._projects = Projects(home, reader)
        self._turns = Turns()
        self._running = Running()

    def change(self, call: Call) -> Tally:
        """Carry out what changes the stack; wait for its lock as long as the options say."""
        deadline = time.monotonic() + call.options.lock_timeout
        with (
            self._running.stoppable(call.options.cancellation) as stop,
            self._turns.taken(call.stack, call.options.lock_timeout, lambda: stop.cancelled),
        ):
            while True:
                try:
                    return self._carried_out(call, self._url, stop)
                except ConcurrentUpdateError as error:
                    if stop.cancelled:
                        raise UpdateCanceled(f"{call.name} of {call.stack} was canceled") from error
                    if time.monotonic() >= deadline:
                        raise
                time.sleep(_LOCK_POLL_SECONDS)

    def preview(self, call: Call) -> Tally:
        """Preview the stack; one that is absent in a backend of its own, to leave no trace of it."""
        with self._running.stoppable(call.options.cancellation) as stop, ExitStack() as stack:
            url = self._url
            if self._storage.load(call.stack) is None:
                url = f"file://{stack.enter_context(self._projects.scratch())}"
            return self._carried_out(call, url, stop)

    def run(self, stack: StackRef, *args: str, what: str, salt: str | None = None) -> CommandResult:
        """Run another command of the CLI, on the stack. Raises EngineError."""
        with (
            self._turns.taken(stack),
            self._running.stoppable(None) as stop,
            self._projects.folder(stack, {}, {}, salt) as folder,
        ):
            return self._run(stack, args, what, folder, self._url, stop)

    def close(self, grace_seconds: float) -> None:
        """Stop what is under way."""
        self._running.close(grace_seconds)

    def _carried_out(self, call: Call, url: str, stop: Cancellation) -> Tally:
        if call.expect is not None:
            expectation.check(self._storage, call.stack, call.expect)
        with self._projects.folder(call.stack, call.config or {}, call.secret_config or {}) as folder:
            if url != self._url or self._storage.load(call.stack) is None:
                self._run(call.stack, ("stack", "init", "--no-select"), "the creation", folder, url, stop)
            return self._ordered(call, self._order(call, folder, url), stop)

    def _order(self, call: Call, folder: str, url: str) -> Order:
        options, program = call.options, call.program
        if program is not None and call.expect is not None:
            program = expectation.Expecting(program, self._url, call.stack, call.expect)
        arguments = {
            "message": call.message,
            "parallel": options.parallel or self._parallel,
            # What is to be replaced counts as a target: the CLI would leave it as it is otherwise.
            "target": [*options.targets, *options.replace] if options.targets else [],
            "target_dependents": options.target_dependents and bool(options.targets),
            **call.arguments,
        }
        return Order(
            operation=call.operation,
            stack=call.stack.full_name,
            work_dir=folder,
            environment=self._environment(url),
            program=program,
            arguments={name: value for name, value in arguments.items() if value},
            flags=call.flags,
        )

    def _ordered(self, call: Call, order: Order, stop: Cancellation) -> Tally:
        tally = Tally(call.on_event)
        try:
            self._carrier(order, tally.take, stop)
        except CarrierLost:
            # Of processes that exist no more; the CLI may have ended without giving its lock back.
            self._storage.cancel_abandoned(call.stack, math.inf)
            raise
        except CommandError as error:
            moved = None if call.expect is None else expectation.moved(tally.diagnostics)
            raise moved or errors.failed(
                error,
                call.name,
                str(call.stack),
                tally.diagnostics,
                canceled=stop.cancelled,
                terminated=stop.terminated,
            ) from error
        if stop.cancelled:
            # The CLI calls it a success when it stopped between two waves of deletions.
            raise UpdateCanceled(f"{call.name} of {call.stack} was canceled", tally.diagnostics)
        return tally

    def _run(
        self, stack: StackRef, args: tuple[str, ...], what: str, folder: str, url: str, stop: Cancellation
    ) -> CommandResult:
        command = StoppableCommand(self._command, stop)
        try:
            return command.run([*args, "--stack", stack.full_name], folder, self._environment(url))
        except CommandError as error:
            raise errors.translated(error, what, str(stack)) from error

    def _environment(self, url: str) -> dict[str, str]:
        # All of this process's: a worker's own are those of the moment when it was started.
        return {
            **inherited_environment(),
            "PULUMI_HOME": str(self._home.path),
            "PULUMI_BACKEND_URL": url,
            "PULUMI_CONFIG_PASSPHRASE": self._passphrase,
            "PULUMI_SKIP_UPDATE_CHECK": "true",
        }
