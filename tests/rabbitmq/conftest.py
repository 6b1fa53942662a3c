"""A real RabbitMQ, with what an environment declares in it.

Debian's rabbitmq-server, started here on free ports with folders of its own. RabbitMQ's topology operator is
not there; `Operator` stands for it: it makes the same calls of the management API from the same manifests
(messaging-topology-operator, internal/*.go), so what RabbitMQ refuses of them fails here.
"""

import base64
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest

from components import naming
from components.manifests import rabbitmq, topology
from components.topology import TopologyArgs
from tests.rabbitmq import authority
from tests.rabbitmq.sinks import TOKEN, Sink

SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
PASSWORD = "not-a-secret-in-a-test"
ARGS = TopologyArgs(
    namespace="knative-lambda-dev",
    cluster="rabbitmq-cluster-dev",
    cluster_namespace="rabbitmq-dev",
    events_queue=naming.events_queue("dev"),
    dead_letter_queue=naming.dead_letter_queue("dev"),
    broker_name=naming.broker_name("dev"),
)


def free_ports(count):
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def eventually(probe, seconds=30):
    """Ask until the answer is true."""
    deadline = time.monotonic() + seconds
    while not (answer := probe()):
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.1)
    return answer


@dataclass
class Rabbit:
    """A running server; guest is its administrator."""

    amqp_port: int
    tls_port: int
    management: str
    authority: Path
    """Certificate that the server's own on `tls_port` is trusted by."""
    restart: Callable[[], None]
    """Ends the server and starts it again, with what it has on its disk."""

    def call(self, method, path, body=None):
        """Ask the management API; what it refuses is an AssertionError with its reason."""
        request = urllib.request.Request(
            f"{self.management}/api/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": "Basic " + base64.b64encode(b"guest:guest").decode(),
                "Content-Type": "application/json",
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                text = response.read()
        except urllib.error.HTTPError as error:
            with error:
                raise AssertionError(f"{method} {path}: {error.read().decode()}") from error
        return json.loads(text) if text else None


class Operator:
    """Declares manifests in one virtual host."""

    def __init__(self, rabbit, vhost):
        self.rabbit = rabbit
        self.vhost = vhost

    def apply(self, manifest):
        spec = manifest["spec"]
        getattr(self, f"_{manifest['kind'].lower()}")(manifest["metadata"]["name"], spec)

    def _put(self, kind, name, body):
        self.rabbit.call("PUT", f"{kind}/{quote(self.vhost, safe='')}/{quote(name, safe='')}", body)

    def _exchange(self, _, spec):
        self._put("exchanges", spec["name"], {"type": spec["type"], "durable": spec["durable"]})

    def _queue(self, _, spec):
        arguments = {"x-queue-type": spec["type"]}
        self._put("queues", spec["name"], {"durable": spec["durable"], "arguments": arguments})

    def _policy(self, _, spec):
        body = {key: spec[key] for key in ("pattern", "priority", "definition")}
        self._put("policies", spec["name"], {**body, "apply-to": spec["applyTo"]})

    def _binding(self, _, spec):
        path = f"bindings/{quote(self.vhost, safe='')}/e/{spec['source']}/q/{spec['destination']}"
        self.rabbit.call("POST", path, {"routing_key": spec["routingKey"]})

    def _user(self, name, spec):
        self.rabbit.call("PUT", f"users/{name}", {"password": PASSWORD, "tags": ""})

    def _permission(self, _, spec):
        self._put("permissions", spec["userReference"]["name"], spec["permissions"])


@pytest.fixture(scope="session")
def rabbit(tmp_path_factory):
    """A server of this session's own."""
    if not SERVER.exists():
        pytest.skip("no RabbitMQ here: apt-get install rabbitmq-server")
    home = tmp_path_factory.mktemp("rabbitmq")
    amqp, tls, management, management_tls, distribution, names = free_ports(6)
    authority.issue(home)
    (home / "rabbitmq.conf").write_text(
        rabbitmq.configuration(tls=True)
        + f"listeners.tcp.1 = 127.0.0.1:{amqp}\nlisteners.ssl.1 = 127.0.0.1:{tls}\n"
        + f"management.tcp.ip = 127.0.0.1\nmanagement.tcp.port = {management}\n"
        + f"management.ssl.ip = 127.0.0.1\nmanagement.ssl.port = {management_tls}\n"
        + "".join(
            f"{part}.certfile = {home}/tls.crt\n{part}.keyfile = {home}/tls.key\n"
            for part in ("ssl_options", "management.ssl")
        )
    )
    (home / "enabled_plugins").write_text("[rabbitmq_management].\n")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "ERL_EPMD_PORT": str(names),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODENAME": f"test-{uuid.uuid4().hex[:8]}@localhost",
        "RABBITMQ_DIST_PORT": str(distribution),
        "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "enabled_plugins"),
        "RABBITMQ_MNESIA_BASE": str(home / "mnesia"),
        "RABBITMQ_LOG_BASE": str(home / "log"),
        "RABBITMQ_PID_FILE": str(home / "pid"),
    }
    processes = []

    def begin():
        with (home / "out").open("ab") as out:
            processes.append(subprocess.Popen([SERVER], env=environment, stdout=out, stderr=out, cwd=home))
        _wait(processes[-1], server, home / "out")

    def end():
        processes[-1].terminate()
        processes[-1].wait(30)

    def restart():
        end()
        begin()

    server = Rabbit(amqp, tls, f"http://127.0.0.1:{management}", home / "ca.crt", restart)
    try:
        begin()
        yield server
    finally:
        end()
        # Erlang's name server is started on the way and stays.
        subprocess.run(["epmd", "-kill"], env=environment, capture_output=True, check=False)
        shutil.rmtree(home, ignore_errors=True)


def _wait(process, server, out):
    deadline = time.monotonic() + 60
    while True:
        assert process.poll() is None, out.read_text()[-2000:]
        try:
            server.call("GET", "overview")
            return
        except (OSError, AssertionError):  # not listening yet, or its parts are not registered yet
            assert time.monotonic() < deadline, out.read_text()[-2000:]
            time.sleep(0.2)


@pytest.fixture
def vhost(rabbit):
    """A virtual host of the test's own with all that an environment declares in it."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    rabbit.call("PUT", f"vhosts/{name}", {})
    rabbit.call("PUT", f"permissions/{name}/guest", {"configure": ".*", "write": ".*", "read": ".*"})
    operator = Operator(rabbit, name)
    for manifest in [*topology.topology(ARGS).values(), *topology.connections(ARGS).values()]:
        operator.apply(manifest)
    yield name
    rabbit.call("DELETE", f"vhosts/{name}")


@pytest.fixture
def variables(rabbit, vhost, tmp_path):
    """What the sink is told, as its Deployment tells it."""
    for name, text in (
        ("username", topology.HANDLER_USER),
        ("password", PASSWORD),
        ("tokens", TOKEN),
    ):
        (tmp_path / name).write_text(text + "\n")
    return {
        "ENVIRONMENT": "dev",
        "HOST": "127.0.0.1",
        "PORT": "0",
        "LOG_LEVEL": "info",
        "DRAIN_DELAY_SECONDS": "0",
        "PATIENCE_SECONDS": "1",
        "RABBITMQ_URL": f"amqps://127.0.0.1:{rabbit.tls_port}/{vhost}",
        "RABBITMQ_USERNAME_FILE": str(tmp_path / "username"),
        "RABBITMQ_PASSWORD_FILE": str(tmp_path / "password"),
        "RABBITMQ_CA_FILE": str(rabbit.authority),
        "DLQ_EXCHANGE": topology.DEAD_LETTERS,
        "DLQ_NAME": ARGS.dead_letter_queue,
        "TARGET_QUEUE": ARGS.events_queue,
        "API_TOKENS_FILE": str(tmp_path / "tokens"),
    }


@pytest.fixture
def start(variables):
    """Starts sinks, and ends them."""
    started = []

    def run(**changed):
        started.append(Sink({"PATH": os.environ["PATH"], **variables, **changed}))
        return started[-1]

    yield run
    for sink in started:
        sink.close()
