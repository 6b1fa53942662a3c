"""Writes core/v1 Events about objects, as every controller of a cluster does."""

import contextlib
import uuid
from collections import OrderedDict
from dataclasses import dataclass

from local.apiserver.errors import ApiError
from local.apiserver.kinds import EVENT, Kind
from local.apiserver.store import Store
from local.node.objects import Json, now, timestamp

MAX_EVENTS = 2000
"""Events of one recorder that are kept; a cluster forgets them after an hour instead."""


@dataclass(frozen=True)
class _Subject:
    uid: str
    reason: str
    message: str


class Recorder:
    """Writes events for one component; equal ones are counted on one object."""

    def __init__(self, store: Store, component: str) -> None:
        self._store = store
        self._component = component
        self._written: OrderedDict[_Subject, Json] = OrderedDict()

    def normal(self, kind: Kind, obj: Json, reason: str, message: str) -> None:
        """Record that something went as it should."""
        self._record(kind, obj, "Normal", reason, message)

    def warning(self, kind: Kind, obj: Json, reason: str, message: str) -> None:
        """Record that something went wrong."""
        self._record(kind, obj, "Warning", reason, message)

    def _record(self, kind: Kind, obj: Json, type: str, reason: str, message: str) -> None:
        subject = _Subject(obj["metadata"]["uid"], reason, message)
        # An event is never worth failing for: its namespace may be going away.
        with contextlib.suppress(ApiError):
            if subject in self._written:
                self._count(subject)
            else:
                self._written[subject] = self._store.create(
                    EVENT, self._event(kind, obj, type, subject), manager=self._component
                )
                self._forget_oldest()

    def _count(self, subject: _Subject) -> None:
        event = self._written.pop(subject)
        namespace, name = event["metadata"]["namespace"], event["metadata"]["name"]
        patch = {"count": event["count"] + 1, "lastTimestamp": timestamp(now())}
        self._written[subject] = self._store.patch(
            EVENT, namespace, name, patch, patch_type="merge", manager=self._component
        )

    def _forget_oldest(self) -> None:
        if len(self._written) > MAX_EVENTS:
            _, event = self._written.popitem(last=False)
            self._store.delete(EVENT, event["metadata"]["namespace"], event["metadata"]["name"])

    def _event(self, kind: Kind, obj: Json, type: str, subject: _Subject) -> Json:
        metadata, moment = obj["metadata"], timestamp(now())
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "name": f"{metadata['name'][:230]}.{uuid.uuid4().hex[:16]}",
                "namespace": metadata["namespace"],
            },
            "involvedObject": {
                "apiVersion": kind.api_version,
                "kind": kind.kind,
                "namespace": metadata["namespace"],
                "name": metadata["name"],
                "uid": metadata["uid"],
            },
            "type": type,
            "reason": subject.reason,
            "message": subject.message,
            "count": 1,
            "firstTimestamp": moment,
            "lastTimestamp": moment,
            "source": {"component": self._component},
            "reportingComponent": self._component,
        }
