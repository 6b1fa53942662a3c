"""One API server as the provider sees it: the REST client, and what kinds the server knows.

A cluster is shared by all provider instances of the same kubeconfig, context and cluster, in all threads.
"""

import threading

from engine.kubernetes.kinds import Kind, builtin_kind
from engine.kubernetes.rest import Client, NotFound


class Cluster:
    """An API server and its kinds.

    Kinds once found stay; a miss is asked for again, since CRDs come and go.
    """

    def __init__(self, client: Client) -> None:
        self.client = client
        self._lock = threading.Lock()
        self._found: dict[tuple[str, str], Kind] = {}

    def kind(self, api_version: str, kind: str) -> Kind | None:
        """Return the kind, or None if the server does not have it.

        Asks the server at most once for each found kind.

        One group/version is asked for (some KB, 1 ms), not the whole aggregated discovery document: a
        function's stack uses two.
        """
        known = self._found.get((api_version, kind)) or builtin_kind(api_version, kind)
        return known or self._discover(api_version).get(kind)

    def namespace(self) -> str:
        """Return the namespace that the kubeconfig's context names, else `default`."""
        return self.client.connection.namespace

    def _discover(self, api_version: str) -> dict[str, Kind]:
        root = "/apis/" if "/" in api_version else "/api/"
        try:
            resources = self.client.get(root + api_version)["resources"]
        except NotFound:
            return {}
        kinds = {
            item["kind"]: Kind(api_version, item["kind"], item["name"], item["namespaced"])
            for item in resources
            if "/" not in item["name"]  # those are subresources
        }
        with self._lock:
            self._found.update({(api_version, name): kind for name, kind in kinds.items()})
        return kinds

    def close(self) -> None:
        """Close the connections."""
        self.client.close()
