"""Gates: which rules a plan trips, and what becomes of the event whose plan trips one. Pure.

A parked event is part of its function's record, and what is recorded moves the stack's version on, which a
plan's id is made of. So the record keeps the version that the plan began from, and as long as nothing but the
parking has happened since, the plan has the id that it was parked with.
"""

import datetime
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from automation.answers import PLAN, REMEMBERED
from automation.events import EventMeta, Reply
from automation.model import FunctionState, Handled
from automation.parked import Parked
from automation.plans import Plan, Step
from components.gate_rules import Rule

PARKED: Final = "parked"
"""The status that an event is answered with whose plan trips a gate."""

EXPIRED: Final = "expired"
"""What the record of handled events says of one that nobody approved in time."""

_SHOWN: Final = 20
"""Steps and rights that a record keeps of a plan; the answer has all of them."""


def tripped(rules: Iterable[Rule], plan: Plan) -> tuple[str, ...]:
    """Return the names of the rules that a plan trips, in the rules' order."""
    gained = bool(plan.as_json()["rights_gained"])
    return tuple(rule.name for rule in rules if _trips(rule, plan, gained))


def _trips(rule: Rule, plan: Plan, gained: bool) -> bool:
    counted = [step for step in plan.steps if step.op in rule.steps and _is_of(rule, step)]
    return len(counted) > rule.more_than and (gained or not rule.rights_widened)


def _is_of(rule: Rule, step: Step) -> bool:
    return not rule.kinds or step.type.rpartition(":")[2] in rule.kinds


def park(
    meta: EventMeta, plan: Plan, plan_id: str, rules: tuple[str, ...], now: datetime.datetime, seconds: int
) -> Parked:
    """Return what is kept of an event and its plan; it expires after so many seconds."""
    gained = plan.as_json()["rights_gained"]
    assert isinstance(gained, list)
    return Parked(
        source=meta.source,
        id=meta.id,
        type=meta.type,
        correlation_id=meta.correlation_id,
        time=min(meta.time or now, now),
        at=now,
        expires_at=now + datetime.timedelta(seconds=seconds),
        rules=rules,
        plan_id=plan_id,
        base_version=plan.version,
        changes=plan.counts,
        steps=tuple(f"{step.op} {step.type} {step.name}" for step in plan.steps[:_SHOWN]),
        rights_gained=tuple(gained[:_SHOWN]),
    )


def base_version(state: FunctionState, version: str) -> str:
    """Return the version that a plan of this state starts from: parking does not count as a change."""
    parked = state.parked
    return version if parked is None or parked.outdated else parked.base_version


def lapsed(state: FunctionState, now: datetime.datetime) -> FunctionState:
    """Return the state as it is by now: a parked event that has expired is one that was handled.

    Whoever reads the record decides so by itself; the record follows with what is recorded next.
    """
    parked = state.parked
    if parked is None or now < parked.expires_at:
        return state
    rejected = Handled(
        source=parked.source,
        id=parked.id,
        type=parked.type,
        at=parked.expires_at,
        status=EXPIRED,
        fields={"plan_id": parked.plan_id},
    )
    return replace(state, parked=None, handled=(*state.handled, rejected)[-REMEMBERED:])


def after(before: FunctionState, decided: FunctionState) -> FunctionState:
    """Return what a decision leaves of a parked event: one that is as new supersedes it, any outdates it."""
    parked = decided.parked
    if parked is None or decided == before:
        return decided
    desired_at = decided.desired_at
    if desired_at != before.desired_at and desired_at is not None and desired_at >= parked.time:
        return replace(decided, parked=None)
    return replace(decided, parked=replace(parked, outdated=True))


def overtaken(parked: Parked | None, meta: EventMeta) -> Reply | None:
    """Return the answer to an event that would be parked and is older than the parked one; else None."""
    if parked is None or (parked.source, parked.id) == (meta.source, meta.id):
        return None
    if meta.time is None or meta.time >= parked.time:
        return None
    message = f"event {parked.id} of {parked.time.isoformat()} is later, and waits for approval"
    return Reply(status="skipped", message=message, fields={"event_id": meta.id, "plan_id": parked.plan_id})


def answer(planned: Reply, parked: Parked, *, recorded: bool = True) -> Reply:
    """Return the answer to a parked event: its plan, which gates it trips, until when it may be approved.

    `recorded` is False where parking would have changed objects, so that only the sender knows the plan.
    """
    shown = parked.as_json()
    gates, expires_at = shown["gates"], shown["expires_at"] if recorded else None
    until = f"until {expires_at}" if recorded else "as long as nothing else changes the function"
    names = ", ".join(parked.rules)
    message = (
        f"{parked.type} was not carried out: its plan trips {names}; "
        f"approve it {until} by sending it with planid {parked.plan_id}"
    )
    fields = {**planned.fields, "gates": gates, "expires_at": expires_at}
    return Reply(status=PARKED, message=message, fields=fields, kind=PLAN)
