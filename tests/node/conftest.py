"""An environment on a cluster whose node runs pods: our image, the service's Deployment, storage, a relay."""

import contextlib
import os
import shutil
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path

import boto3
import pulumi
import pytest

from components import naming
from components.platform import Platform
from components.settings import PlatformSettings
from engine import Engine, FileBackend, StackRef
from engine.kubernetes import KubernetesProviders
from tests.cluster.server import Server, eventually
from tests.node.environment import TOKEN, Environment
from tests.node.images import TOOLS, Builder, Images
from tests.node.relay import Relay, running

REGISTRY = os.environ.get("NODE_REGISTRY", "10.200.0.1:5000")
"""Plain HTTP, of the address at which pods reach this machine."""
HOST = REGISTRY.rpartition(":")[0]
REAL_EXECUTOR = os.environ.get("KANIKO_IMAGE", "")
"""A Kaniko in the registry, which then takes the place of the tests' own executor."""
FUNCTIONS = "tests/functions"
"""The repository of what is built in the cluster."""
KEY = {"aws_access_key_id": "tests", "aws_secret_access_key": "nobody's secret", "region_name": "us-west-2"}


@pytest.fixture(scope="session")
def server(real_kubeconfig: str, every_definition: None) -> Server:
    """The API server of a cluster with a node; skipped where there is none, or nothing makes images."""
    server = Server(real_kubeconfig)
    if not server.call("/api/v1/nodes")["items"]:
        pytest.skip("the cluster has no node; start one with ../shared/cluster/cluster up --node")
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    if missing or os.geteuid() != 0:
        pytest.skip(f"images are made as root with {' and '.join(TOOLS)}; install the Debian packages")
    try:
        urllib.request.urlopen(f"http://{REGISTRY}/v2/", timeout=5).close()
    except OSError as error:
        pytest.skip(f"no registry at {REGISTRY} ({error}); NODE_REGISTRY names another")
    return server


@pytest.fixture(scope="session")
def images(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Images]:
    folder = tmp_path_factory.mktemp("images")
    builder = Builder(folder, REGISTRY)
    yield builder.everything()
    builder.unpush(FUNCTIONS, "kaniko-cache")
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def storage() -> Iterator[tuple[str, object]]:
    """A server that speaks S3, with the environment's buckets, and its address."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address=HOST, port=0, verbose=False)
    server.start()
    url = f"http://{HOST}:{server.get_host_and_port()[1]}"
    client = boto3.client("s3", endpoint_url=url, **KEY)
    place = {"LocationConstraint": KEY["region_name"]}
    for bucket in (naming.source_bucket, naming.context_bucket, naming.state_bucket):
        client.create_bucket(Bucket=bucket("dev"), CreateBucketConfiguration=place)
    yield url, client
    client.close()
    server.stop()


@pytest.fixture(scope="session")
def relay() -> Iterator[Relay]:
    with running(HOST) as relay:
        yield relay


@pytest.fixture(scope="session")
def environment(
    server: Server,
    images: Images,
    storage: tuple[str, object],
    relay: Relay,
    real_kubeconfig: str,
    shared_providers: KubernetesProviders,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Environment]:
    """`dev`, in a namespace of a random name, with the service ready; destroyed afterwards."""
    texts = settings(f"node-{uuid.uuid4().hex[:8]}", images, storage[0], relay.url)
    folder = tmp_path_factory.mktemp("platform")
    with up(texts, server, storage[1], relay, real_kubeconfig, shared_providers, folder) as made:
        yield made


@contextlib.contextmanager
def up(
    texts: dict[str, str],
    server: Server,
    storage: object,
    relay: Relay,
    kubeconfig: str,
    providers: KubernetesProviders,
    folder: Path,
) -> Iterator[Environment]:
    """An environment of this configuration, with its service ready; destroyed afterwards."""
    namespace = texts["namespace"]
    engine = Engine(FileBackend(str(folder)), {"kubernetes": providers}, passphrase="tests")
    stack, config = StackRef("knative-lambda", "node"), {"kubernetes:kubeconfig": kubeconfig}

    def program() -> None:
        secrets = {
            "storageSecretAccessKey": KEY["aws_secret_access_key"],
            "servicePassphrase": "open sesame",
            "serviceApiTokens": TOKEN,
        }
        Platform(
            "platform",
            PlatformSettings.parse(texts, {key: pulumi.Output.secret(text) for key, text in secrets.items()}),
        )

    try:
        engine.up(stack, program, config=config)
        service = server.call(f"/api/v1/namespaces/{namespace}/services/knative-lambda-builder")
        relay.target = f"http://{service['spec']['clusterIP']}"
        made = Environment(namespace, server, relay, storage)
        eventually(lambda: answers(f"{relay.target}/ready"), seconds=120)
        yield made
    finally:
        engine.destroy(stack, config=config)
    assert not server.exists(f"/api/v1/namespaces/{namespace}")


def settings(namespace: str, images: Images, storage: str, relay: str) -> dict[str, str]:
    """The stack's configuration."""
    return {
        "environment": "dev",
        "namespace": namespace,
        "allowedRegistries": REGISTRY,
        "registryAddress": REGISTRY,
        "registryRepository": FUNCTIONS,
        "registryInsecure": "true",
        "serviceImage": images.platform,
        "buildExecutorImage": REAL_EXECUTOR or images.executor,
        "buildPythonImage": images.base,
        "storageEndpoint": storage,
        "storageAccessKeyId": KEY["aws_access_key_id"],
        "brokerUri": relay,
        # Their operators are not there, and nothing waits for what they would make.
        "deadLetterUri": relay,
        "rabbitmqManaged": "false",
        "rabbitmqNamespace": namespace,
        "knativeManaged": "false",
        "tlsEnabled": "false",
    }


def answers(url: str) -> bool:
    """Say whether there is somebody, who says yes."""
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except OSError:
        return False
