"""Deleting objects, and waiting until they are gone."""

import logging
import time
from typing import Any

from engine import status
from engine.kubernetes.rest import ApiError, Conflict, Gone, NotFound, Unreachable
from engine.kubernetes.target import Target
from engine.provider import ProviderError

Json = dict[str, Any]

logger = logging.getLogger(__name__)

WAITED_FOR_ONLY_IF_ASKED = frozenset(
    ("Namespace", "Pod", "ReplicationController", "DaemonSet", "Deployment", "StatefulSet", "Job")
)
"""Kinds for which `pulumi.com/skipAwait` also means not to wait for the end of a delete."""

WATCH_SECONDS = 10.0
"""How long one watch lasts before the object is looked for again: a connection may have died in silence, and
the wait may have been cancelled."""

_POLL_SECONDS = 1.0

COLLECTOR_PAUSES = (0.02, 0.03)
"""Seconds between looks at an object that only the garbage collector holds, before it is watched.

The collector takes some 20 to 60 ms, and a look takes a connection of the pool; a watch uses up a connection,
whose handshake costs as much as five looks. Where so many deletions wait for the collector that it takes
longer, the looks are for nothing: so there are only two.
"""

_COLLECTOR_FINALIZERS = frozenset(("foregroundDeletion", "orphan"))


def delete(target: Target, *, uid: str | None, policy: str, wait: bool, timeout: float) -> None:
    """Delete the object that has this uid, and with `wait` return only when it is gone.

    An object that is not there, or has another uid (a successor of the same name), is left alone: both mean
    that ours is gone. Raises ProviderError when it lingers longer than `timeout` seconds, naming its
    finalizers.
    """
    deadline = time.monotonic() + timeout
    options: Json = {"propagationPolicy": policy}
    if uid:
        options["preconditions"] = {"uid": uid}
    try:
        answer = target.cluster.client.delete(target.path, options)
    except NotFound:
        return
    except Conflict as conflict:
        if "precondition" in conflict.message:
            return
        raise
    if wait and "deletionTimestamp" in (answer.get("metadata") or {}):
        wait_until_gone(target, answer, deadline, timeout)


def wait_until_gone(target: Target, lingering: Json, deadline: float, timeout: float) -> None:
    """Return when an object that is being deleted is gone, by `deadline` (time.monotonic) at the latest.

    Raises ProviderError then, with `timeout` as the seconds that it was given, or when the wait is cancelled.
    """
    uid = lingering["metadata"]["uid"]
    seen = _after_collection(target, lingering, deadline)
    while seen is not None:
        _report_finalizers(target, seen)
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            raise ProviderError(_overdue(target, seen, timeout))
        if target.canceled.is_set():
            raise ProviderError(f"waiting for the end of {target} was canceled; it is still being deleted")
        if _saw_deletion(target, seen, min(remaining, WATCH_SECONDS)):
            return
        seen = _present(target, uid)


def _after_collection(target: Target, lingering: Json, deadline: float) -> Json | None:
    """Return the object if it is still there after the time that the garbage collector usually takes.

    What a controller's finalizers hold up is returned as it is: there it takes longer.
    """
    uid, finalizers = lingering["metadata"]["uid"], lingering["metadata"].get("finalizers")
    if not finalizers:  # its last event may have been sent already
        return _present(target, uid)
    seen: Json | None = lingering
    for pause in COLLECTOR_PAUSES:
        if seen is None or _finalizers(seen) or time.monotonic() + pause > deadline:
            break
        time.sleep(pause)
        try:
            seen = _present(target, uid)
        except (ApiError, Unreachable):
            break  # no right to read it, or a server that is restarting: let the watch find out
    return seen


def _present(target: Target, uid: str) -> Json | None:
    """Read the object; None if it, or the one with this uid, is gone."""
    try:
        found = target.get()
    except NotFound:
        return None
    return found if found["metadata"]["uid"] == uid else None


def _saw_deletion(target: Target, lingering: Json, seconds: float) -> bool:
    """Watch the object from its last known version on; say whether its deletion was seen."""
    metadata = lingering["metadata"]
    events = target.cluster.client.watch(
        target.collection, metadata["resourceVersion"], seconds=seconds, fields=f"metadata.name={target.name}"
    )
    try:
        return any(kind == "DELETED" and seen["metadata"]["uid"] == metadata["uid"] for kind, seen in events)
    except Gone:
        return False
    except (ApiError, Unreachable):
        time.sleep(min(seconds, _POLL_SECONDS))  # no right to watch, or a server that is restarting
        return False
    finally:
        events.close()


def _report_finalizers(target: Target, lingering: Json) -> None:
    """Say at once what holds a delete up, not only at its timeout."""
    if blocking := _finalizers(lingering):
        status.tell(f"waits for finalizers: {', '.join(blocking)}")
        logger.warning("deletion of %s waits for finalizers: %s", target, ", ".join(blocking))


def _finalizers(document: Json) -> list[str]:
    """Return the finalizers that a controller other than the garbage collector has to take off."""
    return [
        name for name in document["metadata"].get("finalizers") or [] if name not in _COLLECTOR_FINALIZERS
    ]


def _overdue(target: Target, lingering: Json, timeout: float) -> str:
    finalizers = _finalizers(lingering)
    cause = (
        f"its finalizers {finalizers} are still set; see to the controllers that have to remove them"
        if finalizers
        else "objects that depend on it are still being deleted"
    )
    return f"{target} was not gone after {timeout:.0f} s: {cause}"
