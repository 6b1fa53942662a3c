"""Waiting until an object is ready: judge first, then watch, with no fixed pauses.

The built-in rules are in `readiness`; the annotation `pulumi.com/waitFor` replaces them,
`pulumi.com/skipAwait` turns waiting off.
"""

import os
import time
from typing import Any

from engine import status
from engine.kubernetes.annotations import annotation, is_true
from engine.kubernetes.cluster import Cluster
from engine.kubernetes.readiness import (
    READY,
    Judge,
    Lookup,
    Rule,
    Verdict,
    generic,
    is_observed,
    pod_problems,
    rule_for,
    selector_text,
    unready,
)
from engine.kubernetes.rest import ApiError, Gone, NotFound, Unreachable
from engine.kubernetes.target import Target
from engine.kubernetes.waitfor import conditions

Json = dict[str, Any]

WATCH_SECONDS = 10.0
"""How long one watch lasts, and a cancelled wait may go on."""
RELATED_SECONDS = 2.0
"""How often an object is judged anew that other objects make ready."""

_POLL_SECONDS = 1.0
"""Between two looks at an object that may not be watched."""
_JUDGED_BY_REFRESH = frozenset(("Deployment", "StatefulSet", "DaemonSet", "Job", "Pod", "Service", "Ingress"))
_OWNERS_OF_PODS = ("Deployment", "StatefulSet", "DaemonSet", "Job", "ReplicationController")


class NotReady(Exception):
    """The object did not become ready.

    `live` is how it was last seen, `reasons` say why, the main one first.
    """

    def __init__(self, live: Json, reasons: tuple[str, ...]) -> None:
        super().__init__("; ".join(reasons))
        self.live = live
        self.reasons = reasons


def wait_until_ready(target: Target, live: Json, timeout: float) -> Json:
    """Return the object as it is when it is ready.

    Raises NotReady after `timeout` seconds, when it has failed, or when the wait is cancelled.
    """
    rule = _rule(target, live)
    if rule is None:
        return live
    lookup = _ClusterLookup(target.cluster, target.namespace)
    limit = rule.limit_seconds or timeout
    deadline = time.monotonic() + limit
    while True:
        verdict = rule.judge(live, lookup)
        if verdict.ready:
            return live
        if verdict.failed:
            raise NotReady(live, _reasons(target, live, lookup, f"{target} failed", verdict))
        if target.canceled.is_set():
            raise NotReady(live, (f"waiting for {target} was canceled", *verdict.reasons))
        status.tell("; ".join(verdict.reasons))
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            head = f"{target} was not ready after {limit:.0f} s"
            raise NotReady(live, _reasons(target, live, lookup, head, verdict))
        seen = _next_state(target, live, min(remaining, RELATED_SECONDS if rule.related else WATCH_SECONDS))
        if rule.patient and seen["metadata"]["resourceVersion"] != live["metadata"]["resourceVersion"]:
            deadline = time.monotonic() + limit
        live = seen


def problems(target: Target, live: Json) -> tuple[str, ...]:
    """Return what a refresh reports of an object that is not ready, the main thing first; empty if it is.

    Only of the kinds that Pulumi's provider looks at in a refresh; the others are not asked for.
    """
    rule = _rule(target, live) if target.kind.kind in _JUDGED_BY_REFRESH else None
    if rule is None:
        return ()
    lookup = _ClusterLookup(target.cluster, target.namespace)
    verdict = rule.judge(live, lookup)
    if verdict.ready:
        return ()
    return _reasons(target, live, lookup, f"{target} is not ready", verdict)


def is_complete(job: Json) -> bool:
    """Say whether a Job has completed, whatever its annotations say of waiting."""
    rule = rule_for("batch/v1", "Job")
    return rule is not None and rule.judge(job, _NOTHING).ready


def _rule(target: Target, live: Json) -> Rule | None:
    if is_true(live, "skipAwait"):
        return None
    if text := annotation(live, "waitFor"):
        return Rule(_custom(text))
    rule = rule_for(target.kind.api_version, target.kind.kind)
    if rule is None and os.environ.get("PULUMI_K8S_AWAIT_ALL", "").lower() == "true":
        return Rule(generic)
    return rule


def _custom(text: str) -> Judge:
    wanted = conditions(text)

    def judge(live: Json, _: Lookup) -> Verdict:
        if not is_observed(live):
            return unready("its controller has not seen the newest generation")
        open_ = [f"waiting for {words}" for words, holds in wanted if not holds(live)]
        return unready(*open_) if open_ else READY

    return judge


def _next_state(target: Target, live: Json, seconds: float) -> Json:
    """Return the object after its next change, or as it is when `seconds` are over.

    Raises NotReady if it vanishes.
    """
    events = target.cluster.client.watch(
        target.collection,
        live["metadata"]["resourceVersion"],
        seconds=seconds,
        fields=f"metadata.name={target.name}",
    )
    try:
        for kind, seen in events:
            if kind == "DELETED":
                raise NotReady(live, (f"{target} was deleted while it was waited for",))
            return seen
        return live
    except Gone:
        return _reread(target, live, pause=0.0)
    except (ApiError, Unreachable):
        # No right to watch, or a server that is restarting: not to be asked in a busy loop.
        return _reread(target, live, pause=min(seconds, _POLL_SECONDS))
    finally:
        events.close()


def _reread(target: Target, live: Json, *, pause: float) -> Json:
    time.sleep(pause)
    try:
        return target.get()
    except NotFound:
        raise NotReady(live, (f"{target} was deleted while it was waited for",)) from None
    except (ApiError, Unreachable):
        return live


def _reasons(target: Target, live: Json, lookup: Lookup, head: str, verdict: Verdict) -> tuple[str, ...]:
    pods: list[Json] = []
    if target.kind.kind in _OWNERS_OF_PODS and (labels := _pod_labels(live)):
        pods = lookup.list("v1", "Pod", selector_text(labels))
    return (head, *dict.fromkeys((*verdict.reasons, *pod_problems(pods))))


def _pod_labels(live: Json) -> Json:
    selector = (live.get("spec") or {}).get("selector") or {}
    labels = selector.get("matchLabels", selector)
    return labels if isinstance(labels, dict) else {}


class _ClusterLookup:
    """Related objects straight from the API server; what may not be read counts as not there."""

    def __init__(self, cluster: Cluster, namespace: str | None) -> None:
        self._cluster = cluster
        self._namespace = namespace

    def list(self, api_version: str, kind: str, labels: str = "") -> list[Json]:
        known = self._cluster.kind(api_version, kind)
        if known is None:
            return []
        try:
            items: list[Json] = self._cluster.client.list(known.path(self._namespace), labels=labels)["items"]
        except (ApiError, Unreachable):
            return []
        return items

    def get(self, api_version: str, kind: str, name: str) -> Json | None:
        known = self._cluster.kind(api_version, kind)
        if known is None:
            return None
        try:
            return self._cluster.client.get(known.path(self._namespace, name))
        except (ApiError, Unreachable):
            return None


class _Nothing:
    """No other objects at all."""

    def list(self, api_version: str, kind: str, labels: str = "") -> list[Json]:
        return []

    def get(self, api_version: str, kind: str, name: str) -> Json | None:
        return None


_NOTHING = _Nothing()
