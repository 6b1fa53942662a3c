"""One attempt at one event: what was decided is carried out, command by command, or only rehearsed."""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from automation import gates, machine, preparation
from automation.builds.keeper import Keeper
from automation.destination import Destination, suffix
from automation.events import EventMeta, FunctionEvent, FunctionId, Reply
from automation.model import (
    Answer,
    ApplyStack,
    Command,
    ContextReady,
    FunctionState,
    PrepareContext,
    RemoveContexts,
    RemoveStack,
    Requested,
    Stimulus,
    StoreContext,
)
from automation.outbox.outbox import Outbox
from automation.parked import Parked
from automation.plans import Plan, Step
from automation.ports import DeploymentEngine, SourceStore
from automation.preparation import Prepared, Wrappers
from automation.program import function_name, function_program
from automation.settings import AutomationSettings
from automation.tracing import OFF, Tracer
from components import naming

_SPANS: Final[Mapping[type[Command], str]] = {
    PrepareContext: "prepare context",
    StoreContext: "store context",
    ApplyStack: "update stack",
    RemoveContexts: "remove contexts",
    RemoveStack: "remove stack",
}


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What every attempt works with."""

    engine: DeploymentEngine
    store: SourceStore
    settings: AutomationSettings
    wrappers: Wrappers
    destination: Destination
    keeper: Keeper
    outbox: Outbox | None


@dataclass
class Attempt:
    """One try at one event: where the state stands by now, and the context that was made for it."""

    parts: Parts
    now: datetime.datetime
    """Of the whole try: a plan and what is carried out of it decide by one time."""
    version: str
    state: FunctionState
    tracer: Tracer = OFF
    before: FunctionState = field(init=False)
    """As the stack has it."""
    prepared: Prepared | None = None
    event: FunctionEvent | None = None
    """What brought the try about; None for what time brings."""

    def __post_init__(self) -> None:
        """Remember where it began."""
        self.before = self.state

    def close(self) -> None:
        """Let go of the context."""
        if self.prepared is not None:
            self.prepared.close()

    def feed(self, stimulus: Stimulus) -> Reply | None:
        """Decide on the stimulus and carry the commands out in order; return the answer if there is one."""
        self.event = stimulus.event if isinstance(stimulus, Requested) else self.event
        with self.tracer.span("decide"):
            decided, commands = machine.decide(self.state, stimulus, self.now)
            self.state = gates.after(self.before, decided)
        if self.parts.outbox:
            self.state = self.parts.outbox.note(self.before, self.state, self.event, self.now)
        reply = None
        for command in commands:
            reply = self._carry_out(command)
        return reply

    def park(self, event: FunctionEvent, parked: Parked) -> None:
        """Record that an event waits for approval, and change nothing else."""
        self.event = event
        self.state = replace(self.before, parked=parked)
        if self.parts.outbox:
            self.state = self.parts.outbox.note(self.before, self.state, event, self.now)
        self._apply(ApplyStack(cause=parked.id, message=f"{parked.type} {parked.id}: parked"))

    def _carry_out(self, command: Command) -> Reply | None:
        if isinstance(command, Answer):
            return self._with_url(command.reply)
        with self.tracer.span(_SPANS[type(command)]):
            if not isinstance(command, PrepareContext):
                self._do(command)
                return None
            ready = self._prepare(command)
        return self.feed(ready)

    def _do(self, command: StoreContext | ApplyStack | RemoveContexts | RemoveStack) -> None:
        """Change what the command says."""
        if isinstance(command, StoreContext):
            assert self.prepared is not None, "a context is stored after it was made"
            self.parts.destination.make_ready()
            self.parts.store.put_context(command.key, self.prepared.archive)
        elif isinstance(command, ApplyStack):
            self._apply(command)
        elif isinstance(command, RemoveContexts) and command.key:
            self.parts.store.remove_context(command.key)
        elif isinstance(command, RemoveContexts):
            self.parts.store.remove_contexts(naming.context_folder(*ids_of(self.state.function)))
        else:
            self.parts.engine.remove(stack_of(self.state.function), expect=self.version)

    def _prepare(self, command: PrepareContext) -> ContextReady:
        if self.prepared is None:
            self.prepared = preparation.prepare(
                command, self.parts.store, self.parts.settings, self.parts.wrappers, self.parts.destination
            )
        return self.prepared.ready

    def _apply(self, command: ApplyStack) -> None:
        program = function_program(self.state, self.parts.settings)
        stack = stack_of(self.state.function)
        self.parts.keeper.before(self.before, self.state)
        self.parts.engine.up(
            stack, program, expect=self.version, message=command.message, restore=command.restore
        )
        self.parts.keeper.after(self.before, self.state, self.event)
        if self.parts.outbox:
            self.parts.outbox.recorded(stack, self.state)

    def _with_url(self, reply: Reply) -> Reply:
        """Add where the function is reached, if the answer names it and it runs."""
        if self.state.deployment is None or "service_name" not in reply.fields:
            return reply
        return replace(
            reply, fields={**reply.fields, "url": self.parts.settings.url_of(function_name(self.state))}
        )


@dataclass
class Rehearsal(Attempt):
    """An attempt that changes nothing and notes what would be changed."""

    steps: tuple[Step, ...] = ()

    @property
    def plan(self) -> Plan:
        """What was noted."""
        return Plan(version=gates.base_version(self.before, self.version), steps=self.steps)

    def plan_id(self, meta: EventMeta) -> str:
        """Return what the plan is approved by, with the same event or another one that wants the same."""
        build = self.state.build
        own = (build.build_id, build.job_name, build.correlation_id, build.traceparent) if build else ()
        return self.plan.id((meta.id, meta.correlation_id, meta.traceparent or "", suffix(meta), *own))

    def _do(self, command: StoreContext | ApplyStack | RemoveContexts | RemoveStack) -> None:
        if isinstance(command, ApplyStack):
            program = function_program(self.state, self.parts.settings)
            self.steps = self.parts.engine.preview(stack_of(self.state.function), program)


def ids_of(function: FunctionId) -> tuple[str, str]:
    """Return the third party's id and the parser's."""
    return function.third_party_id, function.parser_id


def stack_of(function: FunctionId) -> str:
    """Return the name of the function's stack."""
    return naming.stack_name(*ids_of(function))
