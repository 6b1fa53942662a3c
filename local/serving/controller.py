"""Turns Services into Configurations, Revisions and Routes, and reports their state back. Level-triggered.

Configurations and Routes that were not made from a Service are left alone: that is where it departs from
Knative.
"""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from local.apiserver.errors import ApiError
from local.apiserver.kinds import CONFIGURATION, KSERVICE, REVISION, ROUTE, Kind
from local.apiserver.store import Store
from local.node.objects import Json, condition, is_true, key, now, timestamp
from local.serving.conditions import (
    Target,
    configuration_status,
    resolve_targets,
    route_status,
    service_status,
)
from local.serving.manifests import (
    GENERATION_LABEL,
    SERVICE_LABEL,
    configuration_of,
    revision_name,
    revision_of,
    route_of,
)

_MANAGER = "serving-controller"
KEPT_REVISIONS = 10
"""Revisions without traffic that a Service keeps, as targets to go back to."""

OnTraffic = Callable[[str, str, Sequence[Target], str], None]
"""Told of a Service's namespace, name, targets and newest revision, whenever it was reconciled."""


class ServiceController:
    """Reconciles Services. `url_of` gives the URL of a host's first label in a namespace."""

    def __init__(self, store: Store, url_of: Callable[[str, str], str], on_traffic: OnTraffic) -> None:
        self._store = store
        self._url_of = url_of
        self._on_traffic = on_traffic
        self._revisions: dict[tuple[str, str], dict[str, Json]] = {}

    def observe_revision(self, type: str, revision: Json) -> None:
        """Take in a change of a revision and reconcile its Service."""
        namespace, name = key(revision)
        service = revision["metadata"].get("labels", {}).get(SERVICE_LABEL, "")
        known = self._revisions.setdefault((namespace, service), {})
        if type == "DELETED":
            known.pop(name, None)
        else:
            known[name] = revision
        self.reconcile(namespace, service)

    def reconcile(self, namespace: str, name: str) -> None:
        """Bring what belongs to one Service to what it says; a Service that is gone is left alone."""
        ksvc = self._find(KSERVICE, namespace, name)
        if ksvc is None or ksvc["metadata"].get("deletionTimestamp"):
            if ksvc is None and not self._revisions.get((namespace, name)):
                self._revisions.pop((namespace, name), None)
            return
        revisions = self._revisions.setdefault((namespace, name), {})
        configuration = self._configuration(ksvc, revisions)
        route, targets = self._route(ksvc, configuration, revisions)
        status = service_status(ksvc, configuration, route, timestamp(now()))
        self._store.update_status(KSERVICE, namespace, name, status)
        newest = configuration["status"].get("latestCreatedRevisionName", "")
        self._on_traffic(namespace, name, targets, newest)
        self._collect(configuration, revisions, {target.revision for target in targets})

    def _configuration(self, ksvc: Json, revisions: dict[str, Json]) -> Json:
        configuration = self._ensure(CONFIGURATION, configuration_of(ksvc))
        latest, error = self._latest(configuration, revisions)
        ready = [name for name, revision in _by_generation(revisions) if is_true(revision, "Ready")]
        status = configuration_status(
            configuration, latest, ready[-1] if ready else None, timestamp(now()), error=error
        )
        return self._store.update_status(CONFIGURATION, *key(configuration), status)

    def _latest(self, configuration: Json, revisions: dict[str, Json]) -> tuple[Json | None, str]:
        """Return the revision of the present generation, made if it is not there, and an error text."""
        name = revision_name(configuration)
        namespace = configuration["metadata"]["namespace"]
        revision = revisions.get(name) or self._find(REVISION, namespace, name)
        if revision is None:
            try:
                revision = self._store.create(REVISION, revision_of(configuration), manager=_MANAGER)
            except ApiError as error:
                return None, error.message
            revisions[name] = revision
        wanted = str(configuration["metadata"]["generation"])
        if revision["metadata"].get("labels", {}).get(GENERATION_LABEL) != wanted and not _same_spec(
            revision, configuration
        ):
            return None, f'Revision name "{name}" is already taken, cannot create a new Revision.'
        return revision, ""

    def _route(
        self, ksvc: Json, configuration: Json, revisions: dict[str, Json]
    ) -> tuple[Json, Sequence[Target]]:
        route = self._ensure(ROUTE, route_of(ksvc))
        namespace, name = key(route)
        ready = {revision: is_true(obj, "Ready") for revision, obj in revisions.items()}
        latest_ready = configuration["status"].get("latestReadyRevisionName")
        failed = condition(configuration, "Ready").get("status") == "False"
        targets, assigned = resolve_targets(route["spec"]["traffic"], latest_ready, ready, failed=failed)
        if assigned.status != "True":
            # As Knative does: traffic goes on where it went until it can go where it should.
            targets = _routed(route, ready)
        traffic = [self._traffic(target, namespace, name) for target in targets]
        status = route_status(route, traffic, assigned, self._url_of(name, namespace), timestamp(now()))
        return self._store.update_status(ROUTE, namespace, name, status), targets

    def _traffic(self, target: Target, namespace: str, name: str) -> Json:
        entry: Json = {
            "revisionName": target.revision,
            "percent": target.percent,
            "latestRevision": target.latest,
        }
        if target.tag:
            entry |= {"tag": target.tag, "url": self._url_of(f"{target.tag}-{name}", namespace)}
        return entry

    def _ensure(self, kind: Kind, wanted: Json) -> Json:
        """Create or update an object that is ours."""
        live = self._find(kind, *key(wanted))
        if live is None:
            return self._store.create(kind, wanted, manager=_MANAGER)
        metadata = {**live["metadata"], **wanted["metadata"]}
        if live["spec"] == wanted["spec"] and _equal_but_empty(live["metadata"], metadata):
            return live
        return self._store.update(
            kind, {**live, "metadata": metadata, "spec": wanted["spec"]}, manager=_MANAGER
        )

    def _find(self, kind: Kind, namespace: str, name: str) -> Json | None:
        try:
            return self._store.get(kind, namespace, name)
        except ApiError:
            return None

    def _collect(self, configuration: Json, revisions: dict[str, Json], routed: set[str]) -> None:
        """Delete the oldest revisions that nothing needs."""
        status = configuration["status"]
        kept = routed | {status.get("latestCreatedRevisionName"), status.get("latestReadyRevisionName")}
        spare = [name for name, _ in _by_generation(revisions) if name not in kept]
        for name in spare[: max(0, len(spare) - KEPT_REVISIONS)]:
            with contextlib.suppress(ApiError):
                self._store.delete(REVISION, configuration["metadata"]["namespace"], name)


def _routed(route: Json, ready: Mapping[str, bool]) -> list[Target]:
    """Return where traffic went last, as far as that is still there."""
    return [
        Target(entry["revisionName"], entry["percent"], entry["latestRevision"], entry.get("tag", ""))
        for entry in route.get("status", {}).get("traffic", ())
        if ready.get(entry["revisionName"])
    ]


def _by_generation(revisions: dict[str, Json]) -> list[tuple[str, Json]]:
    def generation(item: tuple[str, Json]) -> int:
        return int(item[1]["metadata"].get("labels", {}).get(GENERATION_LABEL, 0))

    return sorted(revisions.items(), key=generation)


def _same_spec(revision: Json, configuration: Json) -> bool:
    wanted: dict[str, Any] = revision_of(configuration)["spec"]
    return bool(revision["spec"] == wanted)


def _equal_but_empty(left: Json, right: Json) -> bool:
    """Say whether two metadata are the same where empty and absent are one."""
    return {name: value for name, value in left.items() if value} == {
        name: value for name, value in right.items() if value
    }
