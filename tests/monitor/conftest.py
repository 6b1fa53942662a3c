"""Inputs: the pod's status, its log and signals; outputs: the event at the broker and the exit status.

The API server and the broker are small HTTP servers in this process, the monitor is a process of its own.
No wait is shortened but by the settings.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from build_pod import ApiServer, Broker, Monitor


@pytest.fixture
def api() -> Iterator[ApiServer]:
    """An API server with a running build."""
    server = ApiServer()
    yield server
    server.close()


@pytest.fixture
def broker() -> Iterator[Broker]:
    """A broker that takes everything."""
    server = Broker()
    yield server
    server.close()


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    """The service account's token as it is mounted."""
    path = tmp_path / "token"
    path.write_text("secret-1\n")
    return path


@pytest.fixture
def start(api: ApiServer, broker: Broker, token_file: Path) -> Iterator[Callable[..., Monitor]]:
    """Start a monitor over the API server and the broker."""
    monitors = []

    def launch(**env: str) -> Monitor:
        defaults = {
            "BUILD_JOB_NAME": "kaniko-build-acme-p1",
            "THIRD_PARTY_ID": "acme",
            "PARSER_ID": "p1",
            "IMAGE_URI": "registry.example/knative-lambdas:acme-p1-12345678",
            "BUILD_ID": "b-1",
            "CONTENT_HASH": "c" * 64,
            "CORRELATION_ID": "corr-1",
            "BROKER_URL": f"{broker.url}/knative-lambda-local/knative-lambda-broker-local",
            "POD_NAME": "kaniko-build-acme-p1-x",
            "POD_NAMESPACE": "knative-lambda-local",
            "KUBE_TOKEN_FILE": str(token_file),
            "KUBERNETES_API_URL": api.url,
        }
        monitors.append(Monitor(defaults | env))
        return monitors[-1]

    yield launch
    for monitor in monitors:
        monitor.close()
