"""One case for each resource type: how it is declared, changed, replaced, and changed behind our back."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.engine_aws.cloud import Cloud, Resource, document

Props = dict[str, Any]

TRUST = document(
    {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
)
TRUST_OF_LAMBDA = TRUST.replace("ec2", "lambda")
READ = document({"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::source/*"]})
LIST = document({"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::source"})
KEEP_TEN = {
    "rules": [
        {
            "rulePriority": 1,
            "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 10},
            "action": {"type": "expire"},
        }
    ]
}
KEEP_FIVE = json.loads(json.dumps(KEEP_TEN).replace("10", "5"))


@dataclass(frozen=True, kw_only=True)
class Case:
    """A resource type, exercised through a resource named `it`."""

    type: str
    props: Callable[[], Props]
    """Declares what the resource needs, and returns its inputs."""
    edited: Props = field(default_factory=dict)
    """Inputs that change in place; empty where nothing can."""
    replaced: Props = field(default_factory=dict)
    """Inputs that make another resource of it."""
    drift: Callable[[Cloud, Props], Any] | None = None
    """Changes the resource of these outputs behind the stack's back."""
    absent: Props = field(default_factory=dict)
    """Inputs that an import does not bring back, since the service does not report them."""

    def declare(self, **changes: Any) -> Resource:
        return Resource(self.type, "it", {**self.props(), **changes})

    def program(self, **changes: Any) -> Callable[[], None]:
        def run() -> None:
            self.declare(**changes)

        return run


def bucket() -> Any:
    return Resource("aws:s3/bucket:Bucket", "source", {}).id


def role() -> Any:
    return Resource("aws:iam/role:Role", "builder", {"assumeRolePolicy": TRUST}).id


def user() -> Any:
    return Resource("aws:iam/user:User", "storage", {}).id


def repository() -> Any:
    return Resource("aws:ecr/repository:Repository", "functions", {}).id


def key() -> Any:
    return Resource("aws:kms/key:Key", "master", {"deletionWindowInDays": 7}).id


def secret() -> Any:
    return Resource("aws:secretsmanager/secret:Secret", "broker", {"recoveryWindowInDays": 0}).id


def policy(name: str = "read") -> Any:
    return Resource("aws:iam/policy:Policy", name, {"policy": READ})["arn"]


def named_policy(name: str) -> Any:
    return Resource("aws:iam/policy:Policy", name, {"policy": READ, "name": name})


def attachment() -> Props:
    named_policy("write")
    return {"role": role(), "policyArn": policy()}


def of_bucket(**props: Any) -> Callable[[], Props]:
    return lambda: {"bucket": bucket(), **props}


def rule(days: int, **more: Any) -> Props:
    return {"id": "contexts", "status": "Enabled", "expiration": {"days": days}, **more}


def bucket_policy() -> Props:
    source = Resource("aws:s3/bucket:Bucket", "source", {})
    only_tls = {
        "Sid": "tls",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return {
        "bucket": source.id,
        "policy": source["arn"].apply(lambda arn: document({**only_tls, "Resource": [arn, f"{arn}/*"]})),
    }


def tag_bucket(cloud: Cloud, it: Props) -> None:
    tags = {"TagSet": [{"Key": "somebody", "Value": "else"}]}
    cloud.call("s3", "put_bucket_tagging", Bucket=it["bucket"], Tagging=tags)


CASES = [
    Case(
        type="aws:s3/bucket:Bucket",
        props=lambda: {"tags": {"team": "lambda"}, "forceDestroy": True},
        edited={"tags": {"team": "platform"}},
        replaced={"bucket": "another-bucket"},
        drift=tag_bucket,
        absent={"forceDestroy": True},
    ),
    Case(
        type="aws:s3/bucketVersioning:BucketVersioning",
        props=of_bucket(versioningConfiguration={"status": "Enabled"}),
        edited={"versioningConfiguration": {"status": "Suspended"}},
        drift=lambda cloud, it: cloud.call(
            "s3",
            "put_bucket_versioning",
            Bucket=it["bucket"],
            VersioningConfiguration={"Status": "Suspended"},
        ),
    ),
    Case(
        type="aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
        props=of_bucket(rules=[{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}}]),
        edited={"rules": [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "aws:kms"}}]},
        drift=lambda cloud, it: cloud.call(
            "s3",
            "put_bucket_encryption",
            Bucket=it["bucket"],
            ServerSideEncryptionConfiguration={
                "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}]
            },
        ),
    ),
    Case(
        type="aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
        props=of_bucket(blockPublicAcls=True, blockPublicPolicy=True),
        edited={"restrictPublicBuckets": True},
        drift=lambda cloud, it: cloud.call(
            "s3",
            "put_public_access_block",
            Bucket=it["bucket"],
            PublicAccessBlockConfiguration={"BlockPublicAcls": False},
        ),
    ),
    Case(
        type="aws:s3/bucketOwnershipControls:BucketOwnershipControls",
        props=of_bucket(rule={"objectOwnership": "BucketOwnerEnforced"}),
        edited={"rule": {"objectOwnership": "BucketOwnerPreferred"}},
        drift=lambda cloud, it: cloud.call(
            "s3",
            "put_bucket_ownership_controls",
            Bucket=it["bucket"],
            OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]},
        ),
    ),
    Case(
        type="aws:s3/bucketPolicy:BucketPolicy",
        props=bucket_policy,
        edited={"policy": READ},
        drift=lambda cloud, it: cloud.call("s3", "put_bucket_policy", Bucket=it["bucket"], Policy=LIST),
    ),
    Case(
        type="aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
        props=of_bucket(
            rules=[
                rule(7, filter={"prefix": "build-context/"}),
                {
                    "id": "old",
                    "status": "Enabled",
                    "abortIncompleteMultipartUpload": {"daysAfterInitiation": 1},
                    "noncurrentVersionExpiration": {"noncurrentDays": 30},
                    "transitions": [{"days": 30, "storageClass": "STANDARD_IA"}],
                },
            ]
        ),
        edited={
            "rules": [rule(14, filter={"and": {"prefix": "build-context/", "tags": {"temporary": "yes"}}})]
        },
        drift=lambda cloud, it: cloud.call(
            "s3",
            "put_bucket_lifecycle_configuration",
            Bucket=it["bucket"],
            LifecycleConfiguration={
                "Rules": [
                    {"ID": "x", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 1}}
                ]
            },
        ),
    ),
    Case(
        type="aws:s3/bucketNotification:BucketNotification",
        props=of_bucket(eventbridge=True),
        edited={"eventbridge": False},
        drift=lambda cloud, it: cloud.call(
            "s3", "put_bucket_notification_configuration", Bucket=it["bucket"], NotificationConfiguration={}
        ),
    ),
    Case(
        type="aws:s3/bucketObjectv2:BucketObjectv2",
        props=of_bucket(key="readme.txt", content="hello", tags={"a": "b"}),
        edited={"content": "good bye", "tags": {"a": "c"}},
        replaced={"key": "other.txt"},
        drift=lambda cloud, it: cloud.call(
            "s3", "put_object", Bucket=it["bucket"], Key=it["key"], Body=b"forged", Tagging="a=b"
        ),
        absent={"content": "hello"},
    ),
    Case(
        type="aws:ecr/repository:Repository",
        props=lambda: {"imageScanningConfiguration": {"scanOnPush": True}, "tags": {"team": "lambda"}},
        edited={"imageTagMutability": "IMMUTABLE", "tags": {"team": "platform"}},
        replaced={"encryptionConfigurations": [{"encryptionType": "KMS"}]},
        drift=lambda cloud, it: cloud.call(
            "ecr", "put_image_tag_mutability", repositoryName=it["name"], imageTagMutability="IMMUTABLE"
        ),
    ),
    Case(
        type="aws:ecr/lifecyclePolicy:LifecyclePolicy",
        props=lambda: {"repository": repository(), "policy": json.dumps(KEEP_TEN)},
        edited={"policy": json.dumps(KEEP_FIVE)},
        drift=lambda cloud, it: cloud.call(
            "ecr",
            "put_lifecycle_policy",
            repositoryName=it["repository"],
            lifecyclePolicyText=json.dumps(KEEP_FIVE),
        ),
    ),
    Case(
        type="aws:ecr/repositoryPolicy:RepositoryPolicy",
        props=lambda: {"repository": repository(), "policy": READ},
        edited={"policy": LIST},
        drift=lambda cloud, it: cloud.call(
            "ecr", "set_repository_policy", repositoryName=it["repository"], policyText=LIST
        ),
    ),
    Case(
        type="aws:ecr/registryScanningConfiguration:RegistryScanningConfiguration",
        props=lambda: {
            "scanType": "BASIC",
            "rules": [
                {
                    "scanFrequency": "SCAN_ON_PUSH",
                    "repositoryFilters": [{"filter": "functions*", "filterType": "WILDCARD"}],
                }
            ],
        },
        edited={"rules": []},
        drift=lambda cloud, it: cloud.call(
            "ecr", "put_registry_scanning_configuration", scanType="BASIC", rules=[]
        ),
    ),
    Case(
        type="aws:ecr/pullThroughCacheRule:PullThroughCacheRule",
        props=lambda: {
            "ecrRepositoryPrefix": "hub",
            "upstreamRegistryUrl": "registry-1.docker.io",
            "credentialArn": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:ecr-pullthroughcache/hub",
        },
        edited={
            "credentialArn": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:ecr-pullthroughcache/other"
        },
        replaced={"ecrRepositoryPrefix": "mirror"},
        drift=lambda cloud, it: cloud.call(
            "ecr", "update_pull_through_cache_rule", ecrRepositoryPrefix="hub", credentialArn="arn:x"
        ),
    ),
    Case(
        type="aws:iam/role:Role",
        props=lambda: {"assumeRolePolicy": TRUST, "description": "builds", "tags": {"team": "lambda"}},
        edited={
            "assumeRolePolicy": TRUST_OF_LAMBDA,
            "maxSessionDuration": 7200,
            "permissionsBoundary": "arn:aws:iam::aws:policy/PowerUserAccess",
            "tags": {},
        },
        replaced={"path": "/builders/"},
        drift=lambda cloud, it: cloud.call(
            "iam", "update_role", RoleName=it["name"], Description="changed", MaxSessionDuration=3600
        ),
    ),
    Case(
        type="aws:iam/policy:Policy",
        props=lambda: {"policy": READ, "tags": {"team": "lambda"}},
        edited={"policy": LIST, "tags": {"team": "platform"}},
        replaced={"description": "reads"},
        drift=lambda cloud, it: cloud.call(
            "iam", "create_policy_version", PolicyArn=it["arn"], PolicyDocument=LIST, SetAsDefault=True
        ),
    ),
    Case(
        type="aws:iam/rolePolicyAttachment:RolePolicyAttachment",
        props=attachment,
        replaced={"policyArn": "arn:aws:iam::123456789012:policy/write"},
    ),
    Case(
        type="aws:iam/rolePolicy:RolePolicy",
        props=lambda: {"role": role(), "policy": READ},
        edited={"policy": LIST},
        replaced={"name": "other"},
        drift=lambda cloud, it: cloud.call(
            "iam", "put_role_policy", RoleName=it["role"], PolicyName=it["name"], PolicyDocument=LIST
        ),
    ),
    Case(
        type="aws:iam/userPolicy:UserPolicy",
        props=lambda: {"user": user(), "policy": READ},
        edited={"policy": LIST},
        replaced={"name": "other"},
        drift=lambda cloud, it: cloud.call(
            "iam", "put_user_policy", UserName=it["user"], PolicyName=it["name"], PolicyDocument=LIST
        ),
    ),
    Case(
        type="aws:iam/openIdConnectProvider:OpenIdConnectProvider",
        props=lambda: {
            "url": "https://oidc.example.com/id/1",
            "clientIdLists": ["sts.amazonaws.com"],
            "thumbprintLists": ["a" * 40],
            "tags": {"team": "lambda"},
        },
        edited={"clientIdLists": ["sts.amazonaws.com", "another"], "thumbprintLists": ["b" * 40]},
        replaced={"url": "https://oidc.example.com/id/2"},
        drift=lambda cloud, it: cloud.call(
            "iam",
            "add_client_id_to_open_id_connect_provider",
            OpenIDConnectProviderArn=it["arn"],
            ClientID="x",
        ),
    ),
    Case(
        type="aws:iam/user:User",
        props=dict,
        edited={"path": "/storage/"},
        replaced={"name": "other"},
        drift=lambda cloud, it: cloud.call(
            "iam", "tag_user", UserName=it["name"], Tags=[{"Key": "x", "Value": "y"}]
        ),
    ),
    Case(
        type="aws:iam/accessKey:AccessKey",
        props=lambda: {"user": user()},
        edited={"status": "Inactive"},
        drift=lambda cloud, it: cloud.call(
            "iam", "update_access_key", UserName=it["user"], AccessKeyId=it["id"], Status="Inactive"
        ),
    ),
    Case(
        type="aws:kms/key:Key",
        props=lambda: {"description": "state", "deletionWindowInDays": 7, "tags": {"team": "lambda"}},
        edited={"description": "secrets", "enableKeyRotation": True, "tags": {"team": "platform"}},
        replaced={"keyUsage": "SIGN_VERIFY", "customerMasterKeySpec": "RSA_2048"},
        drift=lambda cloud, it: cloud.call("kms", "disable_key", KeyId=it["keyId"]),
        absent={"deletionWindowInDays": 7},
    ),
    Case(
        type="aws:kms/alias:Alias",
        props=lambda: {"targetKeyId": key()},
        replaced={"name": "alias/other"},
    ),
    Case(
        type="aws:sqs/queue:Queue",
        props=lambda: {"visibilityTimeoutSeconds": 60, "tags": {"team": "lambda"}},
        edited={"visibilityTimeoutSeconds": 90, "tags": {"team": "platform"}},
        replaced={"name": "jobs.fifo", "fifoQueue": True},
        drift=lambda cloud, it: cloud.call(
            "sqs", "set_queue_attributes", QueueUrl=it["url"], Attributes={"DelaySeconds": "5"}
        ),
    ),
    Case(
        type="aws:secretsmanager/secret:Secret",
        props=lambda: {"description": "the broker's", "recoveryWindowInDays": 0, "tags": {"team": "lambda"}},
        edited={"description": "the broker's password", "tags": {"team": "platform"}},
        replaced={"name": "other"},
        drift=lambda cloud, it: cloud.call(
            "secretsmanager", "update_secret", SecretId=it["arn"], Description="changed"
        ),
        absent={"recoveryWindowInDays": 0},
    ),
    Case(
        type="aws:secretsmanager/secretVersion:SecretVersion",
        props=lambda: {"secretId": secret(), "secretString": "correct horse"},
        replaced={"secretString": "battery staple"},
    ),
]
