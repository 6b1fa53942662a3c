"""Functions' Knative Services as the cluster has them: what rollouts are judged by."""

import contextlib
from collections.abc import Iterator
from typing import Any

from automation.errors import DependencyUnavailable
from automation.events import FunctionId
from automation.settings import AutomationSettings
from components import naming
from components.manifests.function import PENDING, ROLLOUT
from engine.kubernetes.config import ConfigError, Source, connect
from engine.kubernetes.rest import ApiError, Client, NotFound, Unreachable


class KubernetesFunctions:
    """See ServiceObserver; the cluster is the one that functions are deployed to."""

    def __init__(self, settings: AutomationSettings) -> None:
        self._client = Client(lambda: connect(Source(kubeconfig=settings.kubeconfig)))
        self._path = f"/apis/serving.knative.dev/v1/namespaces/{settings.namespace}/services"

    def pending(self) -> list[dict[str, Any]]:
        """See ServiceObserver."""
        return list(self._pages(f"{ROLLOUT}={PENDING}"))

    def service(self, function: FunctionId) -> dict[str, Any] | None:
        """See ServiceObserver."""
        name = naming.function_name(function.third_party_id, function.parser_id)
        with _translated(), contextlib.suppress(NotFound):
            return self._client.get(f"{self._path}/{name}")
        return None

    def close(self) -> None:
        """See ServiceObserver."""
        self._client.close()

    def _pages(self, labels: str) -> Iterator[dict[str, Any]]:
        with _translated():
            yield from self._client.pages(self._path, labels=labels)


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (ApiError, Unreachable, ConfigError) as error:
        raise DependencyUnavailable(f"functions cannot be looked at: {error}") from error
