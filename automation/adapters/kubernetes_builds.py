"""Builds as the cluster has them, and the broker's ingress: what reconciliation looks at and tells."""

import contextlib
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, Final

from automation.errors import DependencyUnavailable
from automation.reconciliation import BuildObjects
from automation.settings import AutomationSettings
from components.manifests import kaniko
from engine.kubernetes.config import ConfigError, Source, connect
from engine.kubernetes.rest import ApiError, Client, Unreachable
from monitor import broker
from monitor.events import Message
from monitor.logtail import MAX_LINES

PAGE: Final = "500"
"""Objects in one answer of the API server."""

_BUILDS: Final = "app.kubernetes.io/name=knative-lambda,app.kubernetes.io/component=build"
_JOB_OF_POD: Final = "batch.kubernetes.io/job-name"


class KubernetesBuilds:
    """See BuildObserver; the cluster is the one that functions are deployed to."""

    def __init__(self, settings: AutomationSettings) -> None:
        self._client = Client(lambda: connect(Source(kubeconfig=settings.kubeconfig)))
        self._namespace = settings.namespace
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

    def close(self) -> None:
        """See BuildObserver."""
        self._client.close()

    def _all(self, api: str, plural: str) -> Iterator[dict[str, Any]]:
        """Yield a collection page by page."""
        query = {"limit": PAGE}
        while True:
            with _translated():
                page = self._client.list(
                    f"{api}/namespaces/{self._namespace}/{plural}", labels=_BUILDS, **query
                )
            yield from page["items"]
            following = page["metadata"].get("continue")
            if not following:
                return
            query["continue"] = following


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (ApiError, Unreachable, ConfigError) as error:
        raise DependencyUnavailable(f"builds cannot be looked at: {error}") from error
