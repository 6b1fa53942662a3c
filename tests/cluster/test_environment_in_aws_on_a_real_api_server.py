"""A whole production environment: one part on a real API server, the other in an emulated AWS."""

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from components import naming
from components.platform import Platform
from components.settings import PlatformSettings
from engine import Engine, FileBackend, StackRef
from engine.aws import AwsProviders
from engine.aws.config import SERVICES
from engine.kubernetes import KubernetesProviders
from tests.cluster.server import Server

pytestmark = pytest.mark.cluster

REGION, ACCOUNT = "eu-west-1", "123456789012"
NAMESPACE = f"aws-{uuid.uuid4().hex[:8]}"
ACCOUNTS = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts"
GIVEN = {
    "environment": "prd",
    "namespace": NAMESPACE,
    "rabbitmqNamespace": f"rabbitmq-{NAMESPACE}",
    "tlsAuthorityNamespace": "default",
    # A cluster has one Knative, which other tests make at the same time.
    "knativeManaged": "false",
    "awsRegion": REGION,
    "awsAccountId": ACCOUNT,
    "awsOidcIssuerUrl": "https://oidc.eks.eu-west-1.amazonaws.com/id/A1B2",
}


class Production:
    """The stack of the environment, and the two places that it is in."""

    def __init__(
        self, state: Path, kubeconfig: str, kubernetes: KubernetesProviders, aws: AwsProviders, address: str
    ) -> None:
        self._engine = Engine(
            FileBackend(str(state)), {"kubernetes": kubernetes, "aws": aws}, passphrase="prd"
        )
        self._stack = StackRef("knative-lambda", "prd")
        self._address = address
        self._config = {
            "kubernetes:kubeconfig": kubeconfig,
            "aws:region": REGION,
            "aws:accessKey": "key-of-the-tests",
            "aws:secretKey": "secret-of-the-tests",
            "aws:s3UsePathStyle": "true",
            "aws:allowedAccountIds": json.dumps([ACCOUNT]),
            "aws:endpoints": json.dumps([dict.fromkeys(SERVICES, address)]),
        }

    def up(self, **settings: str) -> dict[str, int]:
        """Update; return how many resources were changed in which way."""
        given = PlatformSettings.parse({**GIVEN, **settings})
        done = self._engine.up(self._stack, lambda: Platform("platform", given), config=self._config)
        return _changed(done.changes)

    def refresh(self) -> dict[str, int]:
        """Read everything anew; return how many resources were other than they were."""
        return _changed(self._engine.refresh(self._stack, config=self._config).changes)

    def destroy(self) -> None:
        """Let go of the buckets that are protected, and delete all."""
        self.up(storageProtect="false")
        self._engine.destroy(self._stack, config=self._config)

    def aws(self, service: str) -> Any:
        """A client of the test's own."""
        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=self._address,
            aws_access_key_id="x",
            aws_secret_access_key="x",
        )


def _changed(changes: dict[str, int]) -> dict[str, int]:
    return {name: count for name, count in changes.items() if name != "same"}


@pytest.fixture(scope="module")
def production(
    real_kubeconfig: str,
    every_definition: None,
    shared_providers: KubernetesProviders,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Production]:
    """The environment, up; destroyed afterwards."""
    emulated = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    emulated.start()
    host, port = emulated.get_host_and_port()
    providers, state = AwsProviders(), tmp_path_factory.mktemp("prd")
    made = Production(state, real_kubeconfig, shared_providers, providers, f"http://{host}:{port}")
    made.up()
    yield made
    made.destroy()
    providers.close()
    emulated.stop()


def test_a_second_update_changes_nothing(production: Production) -> None:
    assert production.up() == {}


def test_accounts_of_the_cluster_name_roles_that_trust_them(server: Server, production: Production) -> None:
    iam = production.aws("iam")
    for account in ("knative-lambda-builder", "kaniko-builder"):
        arn = server.call(f"{ACCOUNTS}/{account}")["metadata"]["annotations"]["eks.amazonaws.com/role-arn"]
        role = iam.get_role(RoleName=arn.rpartition("/")[2])["Role"]

        assert role["Arn"] == arn
        condition = role["AssumeRolePolicyDocument"]["Statement"][0]["Condition"]["StringEquals"]
        assert f"system:serviceaccount:{NAMESPACE}:{account}" in condition.values()


def test_a_setting_updates_both_parts_in_place(production: Production) -> None:
    """The lifecycle of contexts, the quota; and back."""
    assert production.up(storageContextDays="3", quotaPods="33") == {"update": 2}
    assert production.up() == {"update": 2}


def test_what_somebody_else_changed_on_either_side_is_found_and_set_right(
    server: Server, production: Production
) -> None:
    s3, bucket = production.aws("s3"), naming.source_bucket("prd")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    without_role = {"metadata": {"annotations": {"eks.amazonaws.com/role-arn": None}}}
    server.patch(f"{ACCOUNTS}/kaniko-builder", without_role)

    assert production.refresh() == {"update": 2}
    assert production.up() == {"update": 2}

    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    annotations = server.call(f"{ACCOUNTS}/kaniko-builder")["metadata"]["annotations"]
    assert annotations["eks.amazonaws.com/role-arn"].endswith(":role/knative-lambda-kaniko-prd")


def test_destroy_leaves_nothing_on_either_side(server: Server, production: Production) -> None:
    """And what was destroyed can be made again, which is what the other tests need of this one."""
    production.destroy()

    assert not server.exists(f"/api/v1/namespaces/{NAMESPACE}")
    assert production.aws("s3").list_buckets()["Buckets"] == []
    assert production.aws("ecr").describe_repositories()["repositories"] == []
    assert production.aws("iam").list_roles()["Roles"] == []
    assert production.aws("iam").list_open_id_connect_providers()["OpenIDConnectProviderList"] == []
    assert set(production.up()) == {"create"}
