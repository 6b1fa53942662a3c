"""What an environment's roles open and what not, by the emulated AWS's own authorizer of S3."""

import io
from collections.abc import Callable
from typing import Any

import boto3
import moto.settings
import pytest
from botocore.exceptions import ClientError
from moto.core.authorization import ActionAuthenticatorMixin

from automation.adapters.s3 import S3Store
from automation.ports import Source
from automation.settings import AutomationSettings
from components import naming
from engine.backend import open_backend
from tests.engine_aws.cloud import REGION, Cloud
from tests.engine_aws.environments import parts

CODE, CONTEXTS, STATES = (
    naming.source_bucket("prd"),
    naming.context_bucket("prd"),
    naming.state_bucket("prd"),
)
CODE_KEY, STATE_KEY = "global/parser/p1/parser.py", "state.json"
CONTEXT_KEY = "build-context/p1/t1/h/context.tar.gz"
SERVICE, BUILD = "knative-lambda-builder-prd", "knative-lambda-kaniko-prd"

As = Callable[[str], dict[str, str]]


@pytest.fixture
def as_role(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> As:
    """The environment with a file in each bucket, where only rights count; gives a role's credentials."""
    cloud.up(parts())
    for bucket, key in ((CODE, CODE_KEY), (CONTEXTS, CONTEXT_KEY), (STATES, STATE_KEY)):
        # The emulated AWS looks at no conditions: it would refuse everything for want of TLS.
        cloud.call("s3", "delete_bucket_policy", Bucket=bucket)
        cloud.call("s3", "put_object", Bucket=bucket, Key=key, Body=b"x")
    given = {name: _credentials(cloud, name) for name in (SERVICE, BUILD)}
    monkeypatch.setattr(ActionAuthenticatorMixin, "request_count", 0)
    monkeypatch.setattr(moto.settings, "INITIAL_NO_AUTH_ACTION_COUNT", 0)
    return given.__getitem__


def _credentials(cloud: Cloud, role: str) -> dict[str, str]:
    """What a pod of the role's account gets for its token, by the names that AWS's tools look for."""
    arn = cloud.call("iam", "get_role", RoleName=role)["Role"]["Arn"]
    answer = cloud.call(
        "sts",
        "assume_role_with_web_identity",
        RoleArn=arn,
        RoleSessionName="pod",
        WebIdentityToken="token",
    )["Credentials"]
    return {
        "AWS_ACCESS_KEY_ID": answer["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": answer["SecretAccessKey"],
        "AWS_SESSION_TOKEN": answer["SessionToken"],
    }


def _allowed(cloud: Cloud, credentials: dict[str, str], operation: str, bucket: str, key: str) -> bool:
    client: Any = boto3.client(
        "s3",
        region_name=REGION,
        endpoint_url=cloud.address,
        **{name.lower(): value for name, value in credentials.items()},
    )
    given = {"Bucket": bucket, **({"Key": key} if key else {})}
    try:
        getattr(client, operation)(**given)
    except ClientError as error:
        return error.response["Error"]["Code"] != "AccessDenied"
    return True


RIGHTS = [
    *((SERVICE, "list_objects_v2", bucket, "", True) for bucket in (CODE, CONTEXTS, STATES)),
    (SERVICE, "get_object", CODE, CODE_KEY, True),
    (SERVICE, "put_object", CODE, CODE_KEY, False),
    (SERVICE, "delete_object", CODE, CODE_KEY, False),
    (SERVICE, "put_object", CONTEXTS, CONTEXT_KEY, True),
    (SERVICE, "delete_object", CONTEXTS, CONTEXT_KEY, True),
    (SERVICE, "get_object", CONTEXTS, CONTEXT_KEY, False),
    (SERVICE, "put_object", CONTEXTS, "elsewhere", False),
    (SERVICE, "get_object", STATES, STATE_KEY, True),
    (SERVICE, "put_object", STATES, STATE_KEY, True),
    (SERVICE, "delete_object", STATES, STATE_KEY, True),
    (SERVICE, "delete_bucket", CONTEXTS, "", False),
    (BUILD, "get_object", CONTEXTS, CONTEXT_KEY, True),
    (BUILD, "put_object", CONTEXTS, CONTEXT_KEY, False),
    (BUILD, "delete_object", CONTEXTS, CONTEXT_KEY, False),
    (BUILD, "list_objects_v2", CONTEXTS, "", False),
    (BUILD, "get_object", CODE, CODE_KEY, False),
    (BUILD, "get_object", STATES, STATE_KEY, False),
    (BUILD, "put_object", STATES, STATE_KEY, False),
]


def test_each_role_may_do_its_work_in_the_buckets_and_nothing_else(cloud: Cloud, as_role: As) -> None:
    wrong = [
        (role, operation, bucket, key)
        for role, operation, bucket, key, allowed in RIGHTS
        if _allowed(cloud, as_role(role), operation, bucket, key) is not allowed
    ]

    assert wrong == []


def test_the_services_own_storage_and_states_need_no_more_than_its_role(
    cloud: Cloud, as_role: As, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in as_role(SERVICE).items():
        monkeypatch.setenv(name, value)
    settings = AutomationSettings(
        environment="prd",
        backend_url="s3://unused",
        registry="registry.test",
        executor_image="kaniko",
        monitor_image="monitor",
        region=REGION,
        s3_endpoint=cloud.address,
    )
    # Left out is what the emulated AWS asks other rights for than AWS: `check` (one named HeadBucket) and
    # `remove_contexts` (deletion of the bucket's own ARN).
    store = S3Store(settings)
    states = open_backend(f"s3://{STATES}?region={REGION}&endpoint={cloud.address}&s3ForcePathStyle=true")

    assert store.read(Source(bucket=CODE, key="global/parser/p1/")) == {"parser.py": b"x"}
    store.put_context(CONTEXT_KEY, io.BytesIO(b"archive"))
    states.write("a/b.json", b"{}")
    states.copy("a/b.json", "a/c.json")
    states.create("a/lock.json", b"{}")
    states.delete("a/lock.json")
    assert states.list("a") == ["b.json", "c.json"]
    assert states.read("a/c.json") == b"{}"
    assert states.modified("a/b.json").keys() == {"a/b.json"}
    store.close()
