"""Servers to test against: the local one in a thread of its own, and a real one where it can be reached."""

import asyncio
import json
import secrets
import ssl
import threading
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import urllib3
import yaml

from local.apiserver.server import ApiServer
from local.apiserver.store import Store
from local.apiserver.tokens import Tokens
from local_apiserver.client import DEADLINE, Api


@dataclass
class Running:
    """A local server in its thread."""

    server: ApiServer
    loop: asyncio.AbstractEventLoop

    @property
    def store(self) -> Store:
        return self.server.store


@pytest.fixture(scope="session")
def running() -> Iterator[Running]:
    """The local API server, on free ports, for the whole session."""
    loop = asyncio.new_event_loop()
    server = ApiServer(Store(), Tokens())
    started = threading.Event()

    def serve() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(server.start())
        started.set()
        loop.run_forever()
        loop.run_until_complete(server.stop())
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()

    thread = threading.Thread(target=serve)
    thread.start()
    assert started.wait(10)
    yield Running(server, loop)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)


@pytest.fixture(scope="session")
def pool() -> Iterator[urllib3.PoolManager]:
    """Connections to the local server's plain port."""
    with urllib3.PoolManager(maxsize=8, retries=False, timeout=DEADLINE) as manager:
        yield manager


@pytest.fixture(scope="session")
def real_server(real_kubeconfig: str) -> Iterator[Api]:
    """A real API server; tests that need it are skipped where there is none."""
    config = yaml.safe_load(Path(real_kubeconfig).read_text())
    context = next(item for item in config["contexts"] if item["name"] == config["current-context"])[
        "context"
    ]
    url = next(item for item in config["clusters"] if item["name"] == context["cluster"])["cluster"]["server"]
    user = next(item for item in config["users"] if item["name"] == context["user"])["user"]
    if "token" not in user:
        pytest.skip(f"the kubeconfig {real_kubeconfig} has no token for {context['user']}")
    try:
        with urllib3.PoolManager(
            maxsize=8, retries=False, timeout=DEADLINE, ssl_context=_trust(url), assert_hostname=False
        ) as manager:
            api = Api(url, user["token"], manager, "", "real")
            if api.get("/readyz").status != 200:
                pytest.skip(f"the real API server at {url} is not ready")
            yield api
    except (OSError, urllib3.exceptions.HTTPError) as error:
        pytest.skip(f"the real API server at {url} does not answer: {error}")


def _trust(url: str) -> ssl.SSLContext:
    """Trust the certificate that a throw-away server shows now, whoever signed it."""
    address = urllib.parse.urlsplit(url)
    shown = ssl.get_server_certificate((address.hostname or "", address.port or 443), timeout=5)
    context = ssl.create_default_context(cadata=shown)
    context.check_hostname = False
    context.verify_flags = ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


@pytest.fixture(params=["local", pytest.param("real", marks=pytest.mark.cluster)])
def api(request: pytest.FixtureRequest, pool: urllib3.PoolManager) -> Iterator[Api]:
    """Both servers one after the other, each with a fresh namespace that is deleted afterwards."""
    if request.param == "local":
        running = request.getfixturevalue("running")
        server = running.server
        yield from _in_namespace(Api(server.url, server.tokens.admin_token, pool, "", "local"))
    else:
        yield from _in_namespace(request.getfixturevalue("real_server"))


@pytest.fixture
def local_api(running: Running, pool: urllib3.PoolManager) -> Iterator[Api]:
    """The local server only, with a fresh namespace."""
    server = running.server
    yield from _in_namespace(Api(server.url, server.tokens.admin_token, pool, "", "local"))


def _in_namespace(api: Api) -> Iterator[Api]:
    api = replace(api, namespace=f"contract-{secrets.token_hex(4)}")
    namespace = api.namespace
    created = api.post("/api/v1/namespaces", {"metadata": {"name": namespace}})
    assert created.status == 201, created
    api.until("serviceaccounts/default", lambda answer: answer.status == 200)
    yield api
    api.delete(f"/api/v1/namespaces/{namespace}")


@pytest.fixture
def kubeconfig(running: Running, tmp_path: Path) -> Path:
    """A kubeconfig file of the local server."""
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(running.server.kubeconfig()))
    return path
