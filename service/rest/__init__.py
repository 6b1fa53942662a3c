"""What people and programs ask over REST beside sending events: builds, functions, the queue.

For holders of a token only. What changes something is made into an event and goes the way of all events.
"""

from collections.abc import Callable

from starlette.routing import Route

from service.handlers import CloudEventHandler
from service.ports import Automation
from service.rest import builds, functions, logs, provenance, reading
from service.rest.guard import Guard


def routes(
    automation: Automation,
    cloud_events: CloudEventHandler,
    guard: Guard,
    *,
    source: str,
    draining: Callable[[], bool],
) -> list[Route]:
    """Return the routes; `source` is that of our events, `draining` says whether the process is ending."""
    endpoints = (
        *functions.endpoints(automation),
        *reading.endpoints(automation, draining),
        *builds.endpoints(automation, cloud_events, source),
        *logs.endpoints(automation, draining),
        *provenance.endpoints(automation),
    )
    return [Route(one.path, guard.around(one), methods=[one.method]) for one in endpoints]
