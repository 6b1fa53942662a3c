"""Where the round of drift checks stands, in a ConfigMap whose version the API server compares."""

import contextlib
import datetime
from collections.abc import Iterator
from typing import Any, Final

from automation.drift.schedule import Place
from automation.errors import DependencyUnavailable
from automation.settings import AutomationSettings
from engine.kubernetes.config import ConfigError, Source, connect
from engine.kubernetes.rest import ApiError, Client, Conflict, NotFound, Unreachable

NAME: Final = "knative-lambda-drift"


class KubernetesLedger:
    """See Ledger; the cluster is the one that functions are deployed to."""

    def __init__(self, settings: AutomationSettings) -> None:
        self._client = Client(lambda: connect(Source(kubeconfig=settings.kubeconfig)))
        self._namespace = settings.namespace
        self._path = f"/api/v1/namespaces/{settings.namespace}/configmaps"

    def place(self) -> Place:
        """See Ledger."""
        with _translated():
            try:
                found = self._client.get(f"{self._path}/{NAME}")
            except NotFound:
                return Place()
        data, version = found.get("data") or {}, found["metadata"]["resourceVersion"]
        return Place(last=data.get("last", ""), at=_time(data.get("at", "")), version=version)

    def move(self, place: Place) -> bool:
        """See Ledger."""
        labels = {"app.kubernetes.io/name": "knative-lambda", "app.kubernetes.io/component": "drift"}
        body: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": NAME, "namespace": self._namespace, "labels": labels},
            "data": {"last": place.last, "at": place.at.isoformat() if place.at else ""},
        }
        with _translated():
            try:
                if not place.version:
                    self._client.create(self._path, body)
                else:
                    body["metadata"]["resourceVersion"] = place.version
                    self._client.patch(f"{self._path}/{NAME}", body, "merge")
            except (Conflict, NotFound):
                return False
        return True

    def close(self) -> None:
        """See Ledger."""
        self._client.close()


def _time(text: str) -> datetime.datetime | None:
    """Return a time; None for what is none, as after an edit by hand: the round then goes on at once."""
    with contextlib.suppress(ValueError):
        found = datetime.datetime.fromisoformat(text)
        return found if found.tzinfo else None
    return None


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (ApiError, Unreachable, ConfigError) as error:
        raise DependencyUnavailable(f"drift checks cannot be scheduled: {error}") from error
