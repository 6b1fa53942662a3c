"""The two reads of the Kubernetes API that the monitor's role allows: its own pod, and a container's log."""

import http.client
import json
import ssl
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from monitor.logtail import MAX_LINES

TIMEOUT_SECONDS = 10.0
MAX_POD_BYTES = 4 * 1024 * 1024
MAX_LOG_BYTES = 64 * 1024
"""How much of a log's end is kept; 100 lines are mostly far less."""
_PIECE = 16 * 1024


class ApiUnavailable(Exception):
    """The API server did not answer as it should; worth another try."""


class PodGone(Exception):
    """The API server knows no such pod."""


class PodReader:
    """Reads one pod over one kept connection."""

    def __init__(self, api_url: str, *, namespace: str, name: str, token_file: str, ca_file: str) -> None:
        self._path = f"/api/v1/namespaces/{namespace}/pods/{name}"
        self._token_file = token_file
        self._connection = _connection(api_url, ca_file)

    def pod(self) -> dict[str, Any]:
        """Return the pod. Raises PodGone or ApiUnavailable."""
        response = self._get(self._path)
        try:
            pod = json.loads(response.read(MAX_POD_BYTES))
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._connection.close()
            raise ApiUnavailable(f"the answer cannot be read: {error}") from error
        if not isinstance(pod, dict):
            raise ApiUnavailable("the answer is no pod")
        return pod

    def log(self, container: str) -> str:
        """Return the end of the container's log. Raises PodGone or ApiUnavailable."""
        query = urlencode({"container": container, "tailLines": MAX_LINES})
        response = self._get(f"{self._path}/log?{query}")
        kept = b""
        try:
            while piece := response.read(_PIECE):
                kept += piece
                if len(kept) > 2 * MAX_LOG_BYTES:
                    kept = _whole_lines(kept)
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise ApiUnavailable(f"the log cannot be read: {error}") from error
        return _whole_lines(kept).decode("utf-8", "replace")

    def beginning(self, container: str, limit: int) -> str:
        """Return the first `limit` bytes of the container's log. Raises PodGone or ApiUnavailable."""
        query = urlencode({"container": container, "limitBytes": limit})
        response = self._get(f"{self._path}/log?{query}")
        try:
            return response.read(limit).decode("utf-8", "replace")
        except (OSError, http.client.HTTPException) as error:
            raise ApiUnavailable(f"the log cannot be read: {error}") from error
        finally:
            self._connection.close()  # what a server sent beyond the limit is not read

    def _get(self, target: str) -> http.client.HTTPResponse:
        try:
            self._connection.request("GET", target, headers=self._headers())
            response = self._connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise ApiUnavailable(f"{type(error).__name__}: {error}") from error
        if response.status == 200:
            return response
        self._connection.close()
        if response.status == 404:
            raise PodGone
        raise ApiUnavailable(f"the API server answered {response.status} {response.reason}")

    def _headers(self) -> dict[str, str]:
        if not self._token_file:
            return {}
        return {"Authorization": f"Bearer {Path(self._token_file).read_text().strip()}"}


def _connection(url: str, ca_file: str) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "http":
        return http.client.HTTPConnection(host, parts.port, timeout=TIMEOUT_SECONDS)
    context = ssl.create_default_context(cafile=ca_file or None)
    return http.client.HTTPSConnection(host, parts.port, timeout=TIMEOUT_SECONDS, context=context)


def _whole_lines(raw: bytes) -> bytes:
    """Return the end of the text without a line that is cut: half a secret would escape the mask."""
    if len(raw) <= MAX_LOG_BYTES:
        return raw
    kept = raw[-MAX_LOG_BYTES:]
    return kept[kept.find(b"\n") + 1 :]
