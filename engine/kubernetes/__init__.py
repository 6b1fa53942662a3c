"""The Kubernetes provider of the embedded engine."""

import functools
import os
import threading

from engine.kubernetes.cluster import Cluster
from engine.kubernetes.config import Source, connect
from engine.kubernetes.provider import KubernetesProvider
from engine.kubernetes.rest import Client
from engine.provider import Provider

__all__ = ["KubernetesProvider", "KubernetesProviders", "provider_factory"]


class KubernetesProviders:
    """Makes provider instances (a `ProviderFactory`) that share connections.

    There is one connection pool for each distinct kubeconfig content, context and cluster, for all instances
    and threads; a kubeconfig file that changes means a new one. Keep one object for the life of the process.
    `server_previews` makes previews ask the API server by dry runs; the default is what the environment says
    by PULUMI_K8S_SERVER_PREVIEWS, else that they are computed here.
    """

    def __init__(self, *, server_previews: bool | None = None) -> None:
        asked = os.environ.get("PULUMI_K8S_SERVER_PREVIEWS", "").lower() == "true"
        self._server_previews = asked if server_previews is None else server_previews
        self._lock = threading.Lock()
        self._clusters: dict[str, Cluster] = {}

    def __call__(self) -> KubernetesProvider:
        """Return an unconfigured provider."""
        return KubernetesProvider(self._cluster_for, server_previews=self._server_previews)

    def close(self) -> None:
        """Close all connections; instances made before cannot be used any more."""
        with self._lock:
            clusters, self._clusters = list(self._clusters.values()), {}
        for cluster in clusters:
            cluster.close()

    def _cluster_for(self, source: Source) -> Cluster:
        key = source.key()
        with self._lock:
            if key not in self._clusters:
                self._clusters[key] = Cluster(Client(functools.partial(connect, source)))
            return self._clusters[key]


@functools.cache
def _process_wide() -> KubernetesProviders:
    return KubernetesProviders()


def provider_factory() -> Provider:
    """Return an unconfigured provider whose connections are shared by the whole process and never closed."""
    return _process_wide()()
