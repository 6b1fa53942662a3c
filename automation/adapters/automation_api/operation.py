"""One operation that the CLI carries out, through the Automation API's Stack.

Knows nothing of engines: an `Order` in, Pulumi's engine events out, a CommandError if the CLI failed. It is
all data but for the program, so that another process can carry it out.
"""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent import futures
from dataclasses import dataclass, field
from typing import Any, Final

import grpc  # type: ignore[import-untyped]
from google.protobuf import empty_pb2  # type: ignore[import-untyped]
from pulumi.automation import (
    CommandResult,
    EngineEvent,
    LocalWorkspace,
    OnEvent,
    OnOutput,
    OutputMap,
    PulumiCommand,
    Stack,
    UpdateSummary,
)
from pulumi.automation._stack import StackInitMode
from pulumi.runtime.proto import events_pb2_grpc

from automation.adapters.automation_api.cli import StoppableCommand
from engine.cancellation import Cancellation
from engine.errors import EngineError
from engine.events import EventSink
from engine.protocol import Program

_LAST_EVENTS_SECONDS: Final = 5.0
"""How long the events of a CLI that has ended are waited for."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is to be done: an operation's name, its stack, and the Automation API's arguments for it."""

    operation: str
    """`up`, `preview`, `refresh` or `destroy`."""
    stack: str
    """Fully qualified name; the stack exists."""
    work_dir: str
    """Folder with Pulumi.yaml and the stack's configuration."""
    environment: Mapping[str, str] = field(repr=False)
    """Variables of the CLI, backend and passphrase among them."""
    program: Program | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """For the method of the Automation API's Stack."""
    flags: tuple[str, ...] = ()
    """What the Automation API has no argument for."""


class CarrierLost(EngineError):
    """Who carried an order out is gone; its CLI was made to end, with its lock given back or not."""


def carry_out(order: Order, command: PulumiCommand, on_event: EventSink, cancellation: Cancellation) -> None:
    """Do what the order says, in a worker process. Raises CommandError."""
    workspace = _Workspace(
        work_dir=order.work_dir,
        env_vars=order.environment,
        pulumi_command=StoppableCommand(command, cancellation, own_session=False),
    )
    stack = _Stack(order, workspace, on_event)
    program = {} if order.program is None else {"program": order.program}
    operation = getattr(stack, order.operation)
    operation(on_event=_unused, color="never", suppress_progress=True, **program, **order.arguments)


def _unused(_: Any) -> None:
    """Take the SDK's view of an event; `_Stack` listens to the events themselves."""


class _Workspace(LocalWorkspace):
    """A workspace whose every command names its stack, so that none needs to be selected."""

    def select_stack(self, stack_name: str) -> None:
        """Do nothing."""


class _Stack(Stack):
    """A stack that asks the CLI for the operation alone, and gives its events on as they are.

    The SDK's stack runs the CLI three times more after each update, to read outputs and history; our caller
    reads them from the state.
    """

    def __init__(self, order: Order, workspace: LocalWorkspace, on_event: EventSink) -> None:
        super().__init__(order.stack, workspace, StackInitMode.SELECT)
        self._order = order
        self._events = _Events(on_event)

    def outputs(self) -> OutputMap:
        """Leave the outputs to the caller."""
        return {}

    def info(self, show_secrets: bool = True) -> UpdateSummary:
        """Leave the history to the caller."""
        return UpdateSummary(self._order.operation, None, "", {}, {}, "succeeded")  # type: ignore[arg-type]

    def _setup_event_log(self, command: str, on_event: OnEvent, pulumi_version: str) -> Any:
        self._events.summary = on_event
        server = grpc.server(futures.ThreadPoolExecutor(max_workers=1))
        events_pb2_grpc.add_EventsServicer_to_server(self._events, server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        return f"tcp://127.0.0.1:{port}", None, None, None, server

    def _run_pulumi_cmd_sync(
        self, args: list[str], on_output: OnOutput | None = None, on_error: OnOutput | None = None
    ) -> CommandResult:
        try:
            return super()._run_pulumi_cmd_sync([*args, *self._order.flags], on_output, on_error)
        finally:
            self._events.wait()


class _Events(events_pb2_grpc.EventsServicer):
    """Takes the CLI's stream of events."""

    def __init__(self, on_event: EventSink) -> None:
        self.summary: OnEvent | None = None
        """Who gets the summary in the SDK's form."""
        self._on_event = on_event
        self._begun = False
        self._ended = threading.Event()

    def wait(self) -> None:
        """Return when the last event was given on; at once if the CLI has ended and sent none."""
        if self._begun:
            self._ended.wait(_LAST_EVENTS_SECONDS)

    def StreamEvents(self, request_iterator: Iterator[Any], context: Any) -> Any:  # noqa: N802 - gRPC's name
        """Give each event on; see Pulumi's events.proto."""
        self._begun = True
        try:
            for request in request_iterator:
                self._take(json.loads(request.event))
        finally:
            self._ended.set()
        return empty_pb2.Empty()

    def _take(self, event: dict[str, Any]) -> None:
        if "summaryEvent" in event and self.summary is not None:
            self.summary(EngineEvent.from_json(event))
        self._on_event(event)


Carrier = Callable[[Order, EventSink, Cancellation], None]
"""Carries an order out, in this process or another. Raises CommandError, CarrierLost."""
