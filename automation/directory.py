"""Lists functions page by page, from the names of their stacks: only the stacks of a page are read.

A page goes on behind the last name that the one before has looked at, so no replica keeps anything between
two of them, and a function that comes or goes meanwhile moves no other to another page.
"""

import datetime
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from automation import gates, record
from automation.model import FunctionState
from automation.ports import DeploymentEngine
from automation.program import RECORD
from components import naming

DEFAULT_LIMIT: Final = 30
MAX_LIMIT: Final = 100
MAX_READ: Final = 400
"""Stacks that are read for one page at most, so that a rare phase costs no request its time."""

_LOG: Final = logging.getLogger(__name__)

_READERS: Final = 8
"""Stacks that are read at one time; a state in a bucket answers in some ten milliseconds."""


@dataclass(frozen=True, kw_only=True)
class Query:
    """Which functions; an empty text stands for any."""

    third_party_id: str = ""
    phase: str = ""
    """One of `model.Phase`."""
    limit: int = DEFAULT_LIMIT
    after: str = ""
    """The `Page.after` of the page before; empty: from the beginning."""


@dataclass(frozen=True, kw_only=True)
class Page:
    """A part of the list, in the order of the stacks' names."""

    functions: tuple[dict[str, Any], ...]
    """As `summary` tells them; perhaps fewer than asked for, even when more follow."""
    after: str
    """Where the next page begins; empty: there is none."""


def page(engine: DeploymentEngine, query: Query, now: datetime.datetime) -> Page:
    """Return one page. Raises DependencyUnavailable."""
    prefix = naming.stack_prefix(query.third_party_id)
    names = [name for name in engine.stacks() if name.startswith(prefix) and name > query.after]
    found: list[dict[str, Any]] = []
    read = 0
    for state in _states(engine, names[:MAX_READ], together=max(query.limit, _READERS)):
        read += 1
        if state is not None and _fits(state := gates.lapsed(state, now), query):
            found.append(summary(state))
        if len(found) == query.limit:
            break
    return Page(functions=tuple(found), after=names[read - 1] if read < len(names) else "")


def summary(state: FunctionState) -> dict[str, Any]:
    """Return what a list tells of a function, as JSON; `description.describe` tells everything."""
    deployment, build = state.deployment, state.build
    return {
        "third_party_id": state.function.third_party_id,
        "parser_id": state.function.parser_id,
        "phase": state.phase.value,
        "revision": deployment.number if deployment else None,
        "image_uri": deployment.image if deployment else None,
        "build_id": build.build_id if build else None,
        "build_status": build.status.value if build else None,
        "desired_at": state.desired_at.astimezone(datetime.UTC).isoformat() if state.desired_at else None,
    }


def _states(engine: DeploymentEngine, names: list[str], together: int) -> Iterator[FunctionState | None]:
    """Yield what is recorded under each name, read so many together; None for what is no function."""
    with ThreadPoolExecutor(_READERS, thread_name_prefix="directory") as pool:
        for begin in range(0, len(names), together):
            yield from pool.map(lambda name: _state(engine, name), names[begin : begin + together])


def _state(engine: DeploymentEngine, stack: str) -> FunctionState | None:
    outputs = engine.outputs(stack).outputs
    try:
        return record.loads(outputs[RECORD]) if RECORD in outputs else None
    except record.UnreadableRecord as error:
        # Asked for by its ids it says so; here it would hide all others.
        _LOG.warning("function not listed", extra={"kl_stack": stack, "kl_error": str(error)})
        return None


def _fits(state: FunctionState, query: Query) -> bool:
    third_party = query.third_party_id in ("", state.function.third_party_id)
    return third_party and query.phase in ("", state.phase.value)
