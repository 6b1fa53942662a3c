"""Builds as the cluster has them, and the broker's ingress: what reconciliation looks at and tells."""

import contextlib
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, Final

from automation.build_turns import Turns
from automation.errors import DependencyUnavailable
from automation.reconciliation import BuildObjects
from automation.settings import AutomationSettings
from components.manifests import kaniko
from engine.kubernetes.config import ConfigError, Source, connect
from engine.kubernetes.rest import ApiError, Client, Conflict, NotFound, Unreachable
from monitor import broker
from monitor.events import Message
from monitor.logtail import MAX_LINES

_PAGE: Final = 100
"""Objects in one answer of the API server: parsing one, some 1 MB, stops all other threads meanwhile."""

TURNS: Final = "knative-lambda-build-turns"
"""The ConfigMap of the builds that were given their turn last."""

_UNFINISHED: Final = "status.successful=0"
"""Jobs that have not succeeded; those that failed go at once, and the others stay for an hour."""
_JOBS: Final = "jobs"
_BUILDS: Final = "app.kubernetes.io/name=knative-lambda,app.kubernetes.io/component=build"
_JOB_OF_POD: Final = "batch.kubernetes.io/job-name"


class KubernetesBuilds:
    """See BuildObserver; the cluster is the one that functions are deployed to."""

    def __init__(self, settings: AutomationSettings) -> None:
        self._client = Client(lambda: connect(Source(kubeconfig=settings.kubeconfig)))
        self._namespace = settings.namespace
        self._config_maps = f"/api/v1/namespaces/{settings.namespace}/configmaps"
        self._broker_url = settings.broker_url

    def builds(self) -> list[BuildObjects]:
        """See BuildObserver."""
        pods: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for pod in self._all("/api/v1", "pods"):
            labels = pod["metadata"].get("labels") or {}
            pods[labels.get(_JOB_OF_POD) or labels.get("job-name", "")].append(pod)
        # Jobs after pods: a pod's end that is not seen yet is seen in the next round, never the other way.
        return [
            BuildObjects(job, tuple(pods.get(job["metadata"]["name"], ())))
            for job in self._all("/apis/batch/v1", "jobs")
        ]

    def log(self, pod: str) -> str:
        """See BuildObserver."""
        path = f"/api/v1/namespaces/{self._namespace}/pods/{pod}/log"
        with _translated():
            return self._client.text(path, container=kaniko.EXECUTOR, tailLines=str(MAX_LINES))

    def report(self, event: Message) -> None:
        """See BuildObserver."""
        answer = broker.post(self._broker_url, event)
        if not answer.taken:
            raise DependencyUnavailable(f"the broker did not take it: {answer.status or ''} {answer.detail}")

    def jobs(self) -> list[dict[str, Any]]:
        """See BuildObserver."""
        return list(self._all("/apis/batch/v1", "jobs", fields=_UNFINISHED))

    def job_names(self) -> frozenset[str]:
        """See BuildObserver."""
        return frozenset(job["metadata"]["name"] for job in self._all("/apis/batch/v1", "jobs"))

    def turns(self) -> Turns:
        """See BuildObserver; they are kept in a ConfigMap."""
        with _translated():
            try:
                found = self._client.get(f"{self._config_maps}/{TURNS}")
            except NotFound:
                return Turns()
        data = found.get("data") or {}
        return Turns(frozenset(data.get(_JOBS, "").split()), found["metadata"]["resourceVersion"])

    def give_turns(self, turns: Turns) -> bool:
        """See BuildObserver; the API server compares the version."""
        labels = {"app.kubernetes.io/name": "knative-lambda", "app.kubernetes.io/component": "build-turns"}
        body: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": TURNS, "namespace": self._namespace, "labels": labels},
            "data": {_JOBS: " ".join(sorted(turns.jobs))},
        }
        with _translated():
            try:
                if not turns.version:
                    self._client.create(self._config_maps, body)
                else:
                    body["metadata"]["resourceVersion"] = turns.version
                    self._client.patch(f"{self._config_maps}/{TURNS}", body, "merge")
            except (Conflict, NotFound):
                return False
        return True

    def close(self) -> None:
        """See BuildObserver."""
        self._client.close()

    def _all(self, api: str, plural: str, fields: str = "") -> Iterator[dict[str, Any]]:
        """Yield a collection page by page."""
        path = f"{api}/namespaces/{self._namespace}/{plural}"
        with _translated():
            yield from self._client.pages(path, fields=fields, labels=_BUILDS, limit=_PAGE)


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (ApiError, Unreachable, ConfigError) as error:
        raise DependencyUnavailable(f"builds cannot be looked at: {error}") from error
