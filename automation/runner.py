"""Carries one event out, from the function's stack to the answer. Synchronous; runs in worker threads.

Read the stack, decide, do what was decided, feed results back. When the stack has moved meanwhile,
everything is read and decided again.
"""

import contextlib
import datetime
import logging
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

from automation import answers, gates, machine, preparation, record, retry, traffic
from automation.build_queue import Line
from automation.builds.keeper import Keeper, NoKeeper
from automation.description import describe
from automation.destination import OPEN, Destination, suffix
from automation.errors import DeployFailed, PlanOutdated, PlatformError
from automation.events import (
    BuildComplete,
    BuildRequest,
    EventMeta,
    FunctionDeploy,
    FunctionEvent,
    FunctionId,
    Reply,
)
from automation.gatekeeper import Gatekeeper
from automation.model import (
    Answer,
    ApplyStack,
    Build,
    BuildTurn,
    Command,
    ContextReady,
    FunctionState,
    PrepareContext,
    RemoveContexts,
    RemoveStack,
    Requested,
    RolloutObserved,
    Stimulus,
    StoreContext,
    TombstoneExpired,
)
from automation.outbox.outbox import Outbox
from automation.parked import Parked
from automation.plans import Plan, Step
from automation.ports import DeploymentEngine, Snapshot, SourceStore
from automation.preparation import Prepared, Wrappers
from automation.program import RECORD, function_name, function_program
from automation.settings import AutomationSettings
from automation.tracing import OFF, Tracer
from components import naming

_LOG: Final = logging.getLogger(__name__)

Look = Callable[[FunctionId], RolloutObserved | None]
"""Returns how a function's Knative Service stands; None if that says nothing. Raises PlatformError."""

_Result = TypeVar("_Result")

_SPANS: Final[Mapping[type[Command], str]] = {
    PrepareContext: "prepare context",
    StoreContext: "store context",
    ApplyStack: "update stack",
    RemoveContexts: "remove contexts",
    RemoveStack: "remove stack",
}

Clock = Callable[[], datetime.datetime]
"""Tells the time, with a time zone."""


def utc_now() -> datetime.datetime:
    """Return the system's time in UTC."""
    return datetime.datetime.now(datetime.UTC)


@dataclass
class _Run:
    """One try at one event: where the state stands by now, and the context that was made for it."""

    engine: DeploymentEngine
    store: SourceStore
    settings: AutomationSettings
    wrappers: Wrappers
    destination: Destination
    now: datetime.datetime
    """Of the whole try: a plan and what is carried out of it decide by one time."""
    version: str
    state: FunctionState
    keeper: Keeper = field(default_factory=NoKeeper)
    outbox: Outbox | None = None
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
        if self.outbox:
            self.state = self.outbox.note(self.before, self.state, self.event, self.now)
        reply = None
        for command in commands:
            reply = self._carry_out(command)
        return reply

    def park(self, event: FunctionEvent, parked: Parked) -> None:
        """Record that an event waits for approval, and change nothing else."""
        self.event = event
        self.state = replace(self.before, parked=parked)
        if self.outbox:
            self.state = self.outbox.note(self.before, self.state, event, self.now)
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
            self.destination.make_ready()
            self.store.put_context(command.key, self.prepared.archive)
        elif isinstance(command, ApplyStack):
            self._apply(command)
        elif isinstance(command, RemoveContexts):
            self.store.remove_contexts(command.key or naming.context_folder(*_ids(self.state.function)))
        else:
            self.engine.remove(_stack(self.state.function), expect=self.version)

    def _prepare(self, command: PrepareContext) -> ContextReady:
        if self.prepared is None:
            self.prepared = preparation.prepare(
                command, self.store, self.settings, self.wrappers, self.destination
            )
        return self.prepared.ready

    def _apply(self, command: ApplyStack) -> None:
        program = function_program(self.state, self.settings)
        stack = _stack(self.state.function)
        self.keeper.before(self.before, self.state)
        self.engine.up(stack, program, expect=self.version, message=command.message)
        self.keeper.after(self.before, self.state, self.event)
        if self.outbox:
            self.outbox.recorded(stack, self.state)

    def _with_url(self, reply: Reply) -> Reply:
        """Add where the function is reached, if the answer names it and it runs."""
        if self.state.deployment is None or "service_name" not in reply.fields:
            return reply
        return replace(reply, fields={**reply.fields, "url": self.settings.url_of(function_name(self.state))})


@dataclass
class _Rehearsal(_Run):
    """A run that changes nothing and notes what would be changed."""

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
            program = function_program(self.state, self.settings)
            self.steps = self.engine.preview(_stack(self.state.function), program)


class Runner:
    """The shell around the decision core. Holds nothing of any function between two events.

    `line` tells of all builds of the environment; None: no build ever has to wait.
    """

    def __init__(
        self,
        *,
        engine: DeploymentEngine,
        store: SourceStore,
        settings: AutomationSettings,
        wrappers: Wrappers,
        destination: Destination = OPEN,
        clock: Clock = utc_now,
        keeper: Keeper | None = None,
        line: Callable[[], Line | None] = lambda: None,
        outbox: Outbox | None = None,
        look: Look = lambda function: None,
        tracer: Tracer = OFF,
    ) -> None:
        self._engine = engine
        self._tracer = tracer
        self._line = line
        self._look = look
        self._clock = clock
        self._settings = settings
        self._parts = (engine, store, settings, wrappers, destination)
        self._keeper = keeper or NoKeeper()
        self.gatekeeper = Gatekeeper(settings)
        """Tells what has become of plans at gates."""
        self._outbox = outbox
        if outbox:
            outbox.settle_with(self.settle)
        self._jitter = random.Random()  # noqa: S311 - spreads retries, guards nothing

    def handle(self, event: FunctionEvent, superseded: tuple[EventMeta, ...] = ()) -> Reply:
        """Carry an event out; when this returns, what the reply says is recorded. Raises PlatformError.

        A dry run changes nothing and is answered with its plan.
        """
        line = self._line() if isinstance(event, BuildRequest) else None
        request = Requested(event=event, superseded=superseded, line=line, policy=self._settings.rollout)
        attempt = self._plan if event.meta.dry_run else self._once
        return self._retried(lambda: attempt(event.function, request))

    def describe(self, function: FunctionId) -> dict[str, Any] | None:
        """Return what is recorded of a function as JSON; None if nothing is. Raises PlatformError."""
        snapshot = self._engine.outputs(_stack(function))
        if RECORD not in snapshot.outputs:
            return None
        return describe(gates.lapsed(_state(function, snapshot), self._clock()))

    def latest_build(self, function: FunctionId) -> Build | None:
        """Return the build that is recorded last; None if there is none. Raises PlatformError."""
        return _state(function, self._engine.outputs(_stack(function))).build

    def tell(self, function: FunctionId, stimulus: BuildTurn | RolloutObserved | TombstoneExpired) -> bool:
        """Carry out what no event asks for; return whether it changed anything. Raises PlatformError."""
        return self._retried(lambda: self._told(function, stimulus))

    def _told(self, function: FunctionId, stimulus: BuildTurn | RolloutObserved | TombstoneExpired) -> bool:
        snapshot = self._engine.outputs(_stack(function))
        now = self._clock()
        before = gates.lapsed(_state(function, snapshot), now)
        run = _Run(*self._parts, now, snapshot.version, before, self._keeper, self._outbox)
        run.feed(stimulus)
        return run.state != before

    def settle(self, stack: str) -> None:
        """Send what a stack's record still holds of events, and take it out. Raises PlatformError."""
        snapshot = self._engine.outputs(stack)
        state = record.loads(snapshot.outputs[RECORD]) if RECORD in snapshot.outputs else None
        if self._outbox is None or state is None or not state.outbox:
            return
        self._outbox.send(stack, state)
        program = function_program(replace(state, outbox=()), self._settings)
        self._engine.up(stack, program, expect=snapshot.version, message="its events are sent")

    def _looked_at(self, event: FunctionEvent, state: FunctionState) -> bool:
        """Look at what runs before a canary is put beside it; say whether that changed anything."""
        if not isinstance(event, BuildComplete | FunctionDeploy) or not traffic.wants_a_look(state):
            return False
        said = event.configuration.rollout if isinstance(event, FunctionDeploy) else None
        if not (said or state.configuration.rollout or self._settings.rollout).steps:
            return False
        seen = self._look(event.function)
        return seen is not None and self._told(event.function, seen)

    def _retried(self, attempt: Callable[[], _Result]) -> _Result:
        tries = 0
        while True:
            tries += 1
            try:
                return attempt()
            except PlatformError as error:
                outcome = retry.after(error, tries, self._jitter)
                if outcome.final:
                    raise
            time.sleep(outcome.delay_seconds)

    def _once(self, function: FunctionId, request: Requested) -> Reply:
        tracer = self._tracer
        with tracer.span("read stack"):
            snapshot = self._engine.outputs(_stack(function))
        state = _state(function, snapshot)
        if self._looked_at(request.event, state):
            snapshot = self._engine.outputs(_stack(function))
            state = _state(function, snapshot)
        now, meta = self._clock(), request.event.meta
        state = gates.lapsed(state, now)
        run = _Run(*self._parts, now, snapshot.version, state, self._keeper, self._outbox, tracer)
        with contextlib.closing(run):
            if state.find(meta):
                return _answer(run.feed(request))
            if meta.plan_id:
                run.prepared = self._approved(request, run)
            elif self.gatekeeper.rules and (held := self._held(request, run)):
                return held
            reply = _answer(run.feed(request))
            if state.parked and state.parked.plan_id == meta.plan_id:
                self.gatekeeper.tell("approved", function, state.parked)
            return reply

    def _held(self, request: Requested, run: _Run) -> Reply | None:
        """Return the answer to an event whose plan trips a gate; None, and its context to `run`, if none."""
        rehearsal, meta = _Rehearsal(*self._parts, run.now, run.version, run.state), request.event.meta
        with contextlib.ExitStack() as unused:
            unused.callback(rehearsal.close)
            reply = _answer(rehearsal.feed(request))
            plan, plan_id = rehearsal.plan, rehearsal.plan_id(meta)
            rules = gates.tripped(self.gatekeeper.rules, plan)
            if not rules:
                unused.pop_all()
                run.prepared = rehearsal.prepared
                return None
        planned = answers.planned(meta, run.state, rehearsal.state, plan, plan_id, reply)
        parked = gates.park(meta, plan, plan_id, rules, run.now, self.gatekeeper.seconds)
        return gates.overtaken(run.state.parked, meta) or self._parked(request, run, planned, parked)

    def _parked(self, request: Requested, run: _Run, planned: Reply, parked: Parked) -> Reply:
        """Record the event unless it is; what would change objects by that is answered and not recorded."""
        known, function = run.state.parked, run.state.function
        if known and known.plan_id == parked.plan_id:
            return gates.answer(planned, known)
        if self._engine.preview(_stack(function), function_program(run.state, self._settings)):
            return gates.answer(planned, parked, recorded=False)
        run.park(request.event, parked)
        self.gatekeeper.tell("parked", function, parked)
        return gates.answer(planned, parked)

    def expire(self, function: FunctionId) -> bool:
        """Record that a parked event has expired, if it has and that changes nothing else; say if it did.

        Raises PlatformError.
        """
        stack, now = _stack(function), self._clock()
        return self._retried(lambda: self.gatekeeper.expired(self._engine, stack, now))

    def _plan(self, function: FunctionId, request: Requested) -> Reply:
        snapshot = self._engine.outputs(_stack(function))
        now = self._clock()
        before = gates.lapsed(_state(function, snapshot), now)
        rehearsal = _Rehearsal(*self._parts, now, snapshot.version, before)
        with contextlib.closing(rehearsal):
            reply, meta = _answer(rehearsal.feed(request)), request.event.meta
        return answers.planned(meta, before, rehearsal.state, rehearsal.plan, rehearsal.plan_id(meta), reply)

    def _approved(self, request: Requested, run: _Run) -> Prepared | None:
        """Return the context that the approved plan was made with. Raises PlanOutdated."""
        rehearsal, meta = _Rehearsal(*self._parts, run.now, run.version, run.state), request.event.meta
        with contextlib.ExitStack() as unused:
            unused.callback(rehearsal.close)
            rehearsal.feed(request)
            found = rehearsal.plan_id(meta)
            if found == meta.plan_id:
                unused.pop_all()
                run.state = run.before = replace(run.state, parked=None)
                return rehearsal.prepared
            raise PlanOutdated(
                f"{meta.plan_id} is not what this event would change by now, that is {found}; "
                "send the event with dryrun to see it, and approve what you see"
            )


def _answer(reply: Reply | None) -> Reply:
    assert reply is not None, "every request ends in an answer"
    return reply


def _ids(function: FunctionId) -> tuple[str, str]:
    return function.third_party_id, function.parser_id


def _stack(function: FunctionId) -> str:
    return naming.stack_name(*_ids(function))


def _state(function: FunctionId, snapshot: Snapshot) -> FunctionState:
    """Return the recorded state; a stack that is not this function's is refused."""
    if RECORD not in snapshot.outputs:
        return FunctionState(function=function)
    try:
        state = record.loads(snapshot.outputs[RECORD])
    except record.UnreadableRecord as error:
        raise DeployFailed(
            f"the record of {function} cannot be read; was it written by a newer version?"
        ) from error
    if state.function != function:
        raise DeployFailed(f"{function} and {state.function} have the same stack name; rename one of them")
    return state
