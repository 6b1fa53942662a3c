"""Carries one event out, from the function's stack to the answer. Synchronous; runs in worker threads.

Read the stack, decide, do what was decided, feed results back. When the stack has moved meanwhile,
everything is read and decided again.
"""

import contextlib
import datetime
import random
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from automation import answers, directory, gates, record, retry, traffic
from automation.attempt import Attempt, Parts, Rehearsal, stack_of
from automation.build_queue import Line
from automation.builds.keeper import Keeper, NoKeeper
from automation.description import describe
from automation.destination import OPEN, Destination
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
    Build,
    BuildTurn,
    DriftHeal,
    DriftSeen,
    FunctionState,
    Requested,
    RolloutObserved,
    TombstoneExpired,
)
from automation.outbox.outbox import Outbox
from automation.parked import Parked
from automation.ports import DeploymentEngine, Snapshot, SourceStore
from automation.preparation import Prepared, Wrappers
from automation.program import RECORD, function_program
from automation.provenance import chain
from automation.settings import AutomationSettings
from automation.tracing import OFF, Tracer

Look = Callable[[FunctionId], RolloutObserved | None]
"""Returns how a function's Knative Service stands; None if that says nothing. Raises PlatformError."""

Untold = BuildTurn | RolloutObserved | TombstoneExpired | DriftSeen | DriftHeal
"""What happens to a function without an event."""

_Result = TypeVar("_Result")

Clock = Callable[[], datetime.datetime]
"""Tells the time, with a time zone."""


def utc_now() -> datetime.datetime:
    """Return the system's time in UTC."""
    return datetime.datetime.now(datetime.UTC)


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
        self._parts = Parts(
            engine=engine,
            store=store,
            settings=settings,
            wrappers=wrappers,
            destination=destination,
            keeper=keeper or NoKeeper(),
            outbox=outbox,
        )
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
        request = Requested(
            event=event,
            superseded=superseded,
            line=line,
            policy=self._settings.rollout,
            scan_policy=self._settings.scan_policy,
        )
        attempt = self._plan if event.meta.dry_run else self._once
        return self._retried(lambda: attempt(event.function, request))

    def describe(self, function: FunctionId) -> dict[str, Any] | None:
        """Return what is recorded of a function as JSON; None if nothing is. Raises PlatformError."""
        snapshot = self._engine.outputs(stack_of(function))
        if RECORD not in snapshot.outputs:
            return None
        return describe(gates.lapsed(_state(function, snapshot), self._clock()))

    def functions(self, query: directory.Query) -> directory.Page:
        """Return one page of the list of functions. Raises PlatformError."""
        return directory.page(self._engine, query, self._clock())

    def latest_build(self, function: FunctionId) -> Build | None:
        """Return the build that is recorded last; None if there is none. Raises PlatformError."""
        return _state(function, self._engine.outputs(stack_of(function))).build

    def provenance(self, function: FunctionId, revision: int) -> dict[str, Any] | None:
        """Return what led to a revision; None if it is not remembered. Raises PlatformError."""
        state = _state(function, self._engine.outputs(stack_of(function)))
        return chain.of_revision(state, revision)

    def tell(self, function: FunctionId, stimulus: Untold, version: str = "") -> bool:
        """Carry out what no event asks for; return whether it changed anything. Raises PlatformError.

        `version` is the stack's that the stimulus was seen at: at another one it says nothing any more.
        """
        return self._retried(lambda: self._told(function, stimulus, version))

    def _told(self, function: FunctionId, stimulus: Untold, version: str = "") -> bool:
        snapshot = self._engine.outputs(stack_of(function))
        if version and snapshot.version != version:
            return False
        now = self._clock()
        before = gates.lapsed(_state(function, snapshot), now)
        run = Attempt(self._parts, now, snapshot.version, before)
        run.feed(stimulus)
        # What is known to be sent leaves the record with its next update; by itself it is no change.
        return replace(run.state, outbox=before.outbox) != before

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
            snapshot = self._engine.outputs(stack_of(function))
        state = _state(function, snapshot)
        if self._looked_at(request.event, state):
            snapshot = self._engine.outputs(stack_of(function))
            state = _state(function, snapshot)
        now, meta = self._clock(), request.event.meta
        state = gates.lapsed(state, now)
        run = Attempt(self._parts, now, snapshot.version, state, tracer)
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

    def _held(self, request: Requested, run: Attempt) -> Reply | None:
        """Return the answer to an event whose plan trips a gate; None, and its context to `run`, if none."""
        rehearsal, meta = Rehearsal(self._parts, run.now, run.version, run.state), request.event.meta
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

    def _parked(self, request: Requested, run: Attempt, planned: Reply, parked: Parked) -> Reply:
        """Record the event unless it is; what would change objects by that is answered and not recorded."""
        known, function = run.state.parked, run.state.function
        if known and known.plan_id == parked.plan_id:
            return gates.answer(planned, known)
        if self._engine.preview(stack_of(function), function_program(run.state, self._settings)):
            return gates.answer(planned, parked, recorded=False)
        run.park(request.event, parked)
        self.gatekeeper.tell("parked", function, parked)
        return gates.answer(planned, parked)

    def expire(self, function: FunctionId) -> bool:
        """Record that a parked event has expired, if it has and that changes nothing else; say if it did.

        Raises PlatformError.
        """
        stack, now = stack_of(function), self._clock()
        return self._retried(lambda: self.gatekeeper.expired(self._engine, stack, now))

    def _plan(self, function: FunctionId, request: Requested) -> Reply:
        snapshot = self._engine.outputs(stack_of(function))
        now = self._clock()
        before = gates.lapsed(_state(function, snapshot), now)
        rehearsal = Rehearsal(self._parts, now, snapshot.version, before)
        with contextlib.closing(rehearsal):
            reply, meta = _answer(rehearsal.feed(request)), request.event.meta
        return answers.planned(meta, before, rehearsal.state, rehearsal.plan, rehearsal.plan_id(meta), reply)

    def _approved(self, request: Requested, run: Attempt) -> Prepared | None:
        """Return the context that the approved plan was made with. Raises PlanOutdated."""
        rehearsal, meta = Rehearsal(self._parts, run.now, run.version, run.state), request.event.meta
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
