"""Scans where pods really run: the scanner beside executor and monitor, its report, its SBOM, a refusal."""

import urllib.request
import uuid
from collections.abc import Iterator

import pytest

from engine.kubernetes import KubernetesProviders
from tests.cluster.server import Server, eventually
from tests.node.conftest import FUNCTIONS, REGISTRY, settings, up
from tests.node.environment import TOKEN, Environment
from tests.node.images import Images
from tests.node.relay import Relay, running

pytestmark = [pytest.mark.node, pytest.mark.timeout(450)]

CODE = "def handler(event):\n    return 1\n"
VULNERABLE = f"{CODE}# vulnerable\n"
SERVING = "/apis/serving.knative.dev/v1/namespaces/{}/services"


@pytest.fixture(scope="module")
def relay() -> Iterator[Relay]:
    """A relay of its own: it leads to one service."""
    with running(REGISTRY.rpartition(":")[0]) as relay:
        yield relay


@pytest.fixture(scope="module")
def scanning(
    server: Server,
    images: Images,
    storage: tuple[str, object],
    relay: Relay,
    real_kubeconfig: str,
    shared_providers: KubernetesProviders,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Environment]:
    """An environment that scans what it builds, and rolls nothing critical out."""
    namespace = f"node-{uuid.uuid4().hex[:8]}"
    texts = settings(namespace, images, storage[0], relay.url)
    texts |= {"scanImage": images.scanner, "scanSeverity": "CRITICAL", "scanTimeoutSeconds": "120"}
    folder = tmp_path_factory.mktemp("scanning")
    with up(texts, server, storage[1], relay, real_kubeconfig, shared_providers, folder) as environment:
        yield environment


def body(environment: Environment, path: str) -> str:
    request = urllib.request.Request(
        environment.relay.target + path, headers={"Authorization": f"Bearer {TOKEN}"}
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        return response.read().decode()


def test_what_was_pushed_is_scanned_and_rolled_out_and_says_where_it_comes_from(
    scanning: Environment,
) -> None:
    scanning.put_code("clean", parser_py=CODE)
    started = scanning.send("build.start", "clean")
    reported = eventually(lambda: scanning.reported("build.complete", "clean"), seconds=180)

    assert reported.status == 200
    assert reported.data["scan"]["status"] == "complete"
    assert scanning.exists(f"{SERVING}/{started['service_name']}")
    build = f"/builds/{started['build_id']}"
    assert scanning.read(build)["scan"]["counts"]["CRITICAL"] == 0
    assert '"bomFormat": "CycloneDX"' in body(scanning, f"{build}/sbom")
    digest = reported.data["image_digest"]
    attested = scanning.read(f"{build}/attestation")
    assert attested["subject"] == [
        {"name": started["image_uri"], "digest": {"sha256": digest.removeprefix("sha256:")}}
    ]
    (chain,) = scanning.read(f"/provenance?digest={digest}")["revisions"]
    assert chain == scanning.read("/functions/tp/clean/revisions/1/provenance")
    assert chain["job"]["name"] == started["job_name"]
    assert chain["image"]["uri"] == f"{REGISTRY}/{FUNCTIONS}@{digest}"


def test_an_image_with_a_critical_finding_is_not_rolled_out(scanning: Environment) -> None:
    scanning.put_code("vulnerable", parser_py=VULNERABLE)
    started = scanning.send("build.start", "vulnerable")
    reported = eventually(lambda: scanning.reported("build.complete", "vulnerable"), seconds=180)

    assert reported.data["scan"]["findings"][0]["id"] == "CVE-2026-0001"
    assert not scanning.exists(f"{SERVING}/{started['service_name']}")
    function = scanning.read("/functions/tp/vulnerable")
    assert (function["phase"], function["build"]["reason"]) == ("failed", "vulnerabilities")
    assert "CVE-2026-0001 in parser 1.0 (fixed in 1.1)" in function["build"]["message"]
    assert '"bomFormat": "CycloneDX"' in body(scanning, f"/builds/{started['build_id']}/sbom")


def test_the_scanner_of_a_failed_build_ends_with_it(scanning: Environment) -> None:
    scanning.put_code("broken", parser_py=CODE, requirements_txt="there-is-no-such-package-here==0\n")
    scanning.send("build.start", "broken")
    reported = eventually(lambda: scanning.reported("build.failed", "broken"), seconds=120)

    assert "scan" not in reported.data
    eventually(lambda: not scanning.pods("build", "broken"), seconds=60)
