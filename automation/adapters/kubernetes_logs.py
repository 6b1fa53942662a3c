"""Logs of builds as the cluster has them: of the executor in the pod of a build's Job."""

import contextlib
from collections.abc import Iterator
from typing import Any, Final

from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError
from urllib3.exceptions import TimeoutError as ReadTimeout

from automation.builds.ports import ByteStream, LiveLog
from automation.errors import DependencyUnavailable
from automation.settings import AutomationSettings
from components.manifests import kaniko, scan
from engine.kubernetes.config import ConfigError, Source, connect
from engine.kubernetes.rest import ApiError, Client, Unreachable

QUIET_SECONDS: Final = 300.0
"""How long a followed log may say nothing before it is opened again: its connection may be dead."""
COPY_SECONDS: Final = 10.0
"""The same for a log that is read to where it is by now."""

_PIECE_BYTES: Final = 64 * 1024
_NOTHING_TO_READ: Final = frozenset({400, 404})
"""The container has not begun, whatever its status says; the pod went in this moment."""


class KubernetesLogs:
    """See LiveLogs; the cluster is the one that builds run in."""

    def __init__(self, settings: AutomationSettings) -> None:
        self._client = Client(lambda: connect(Source(kubeconfig=settings.kubeconfig)))
        self._namespace = settings.namespace

    def open(self, job_name: str, *, follow: bool) -> LiveLog | None:
        """See LiveLogs."""
        return self._open(job_name, kaniko.EXECUTOR, follow=follow)

    def scanned(self, job_name: str) -> ByteStream | None:
        """See LiveLogs."""
        found = self._open(job_name, scan.SCANNER, follow=False)
        return found.stream if found else None

    def _open(self, job_name: str, container: str, *, follow: bool) -> LiveLog | None:
        pods = f"/api/v1/namespaces/{self._namespace}/pods"
        with _translated():
            found = self._client.list(pods, labels=f"batch.kubernetes.io/job-name={job_name}")["items"]
            state = _state(found[0], container) if found else {}
            if not state.keys() & {"running", "terminated"}:
                return None
            try:
                stream = self._client.stream(
                    f"{pods}/{found[0]['metadata']['name']}/log",
                    QUIET_SECONDS if follow else COPY_SECONDS,
                    container=container,
                    follow="true" if follow else "false",
                )
            except ApiError as error:
                if error.code not in _NOTHING_TO_READ:
                    raise
                return None
        return LiveLog(_Response(stream), ended="terminated" in state)

    def close(self) -> None:
        """See LiveLogs."""
        self._client.close()


class _Response:
    """See ByteStream."""

    def __init__(self, response: BaseHTTPResponse) -> None:
        self._response = response
        self._pieces = response.stream(_PIECE_BYTES)

    def read(self) -> bytes:
        """See ByteStream. A log that is quiet for too long ends; who follows it opens it again."""
        try:
            return next(self._pieces, b"")
        except ReadTimeout:
            return b""
        except (HTTPError, OSError, ValueError) as error:
            raise DependencyUnavailable(f"the build's log broke off: {error}") from error

    def close(self) -> None:
        """See ByteStream. Closing alone would not wake who reads in another thread."""
        with contextlib.suppress(HTTPError, OSError, ValueError, RuntimeError):
            self._response.shutdown()
        with contextlib.suppress(HTTPError, OSError, ValueError, RuntimeError):
            self._response.close()


def _state(pod: dict[str, Any], container: str) -> dict[str, Any]:
    """Return the state of a container; an empty one before there is any."""
    statuses = pod.get("status", {}).get("containerStatuses") or ()
    states = (one.get("state") or {} for one in statuses if one["name"] == container)
    return next(states, {})


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (ApiError, Unreachable, ConfigError) as error:
        raise DependencyUnavailable(f"the build's log cannot be read: {error}") from error
