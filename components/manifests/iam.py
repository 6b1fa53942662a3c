"""IAM documents of the actors: who may take on a role, and what it may do.

Every statement allows named actions on named resources. The one exception is AWS's: a registry's token is
not of a repository, so `ecr:GetAuthorizationToken` is allowed on `*` or not at all (Service Authorization
Reference, "Actions, resources, and condition keys for Amazon Elastic Container Registry").
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from components.manifests.cloud import Cloud
from components.manifests.metadata import Manifest

AUDIENCE: Final = "sts.amazonaws.com"
"""What the tokens that EKS puts into pods are for."""

CONTEXT_KEYS: Final = "build-context/*"
"""Keys of build contexts, see `naming.context_folder`."""

BUILD_KEYS: Final = "builds/*"
"""Keys of what is kept of builds, in the bucket of contexts; builds themselves may not read each other's."""

PROVENANCE_KEYS: Final = "provenance/*"
"""Keys of where revisions come from, in the same bucket."""

_PULL: Final = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
_PUSH: Final = (
    *_PULL,
    "ecr:CompleteLayerUpload",
    "ecr:InitiateLayerUpload",
    "ecr:PutImage",
    "ecr:UploadLayerPart",
)


@dataclass(frozen=True, kw_only=True)
class Buckets:
    """The buckets that policies are about, by name."""

    source: str
    context: str
    state: str
    kms_key_arn: str = ""
    """Key that objects are encrypted with; empty: one that S3 keeps, which needs no rights."""


@dataclass(frozen=True, kw_only=True)
class Repositories:
    """The repositories that policies are about, by name."""

    functions: str
    """Functions' images; those of single functions, if they get their own, are below it."""
    cache: str
    service: str
    upstream_prefix: str = ""
    """What the repositories of base images begin with; empty: none are fetched by way of ECR."""
    kms_key_arn: str = ""
    """Key that layers are encrypted with; empty: one that ECR keeps, which needs no rights."""


@dataclass(frozen=True, kw_only=True)
class Places:
    """What there is in AWS; None: it is elsewhere, and no statement speaks of it."""

    cloud: Cloud
    buckets: Buckets | None = None
    repositories: Repositories | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing is in AWS."""
        return not (self.buckets or self.repositories)


def trust(provider_arn: str, namespace: str, account: str) -> Manifest:
    """Return who may take on the role: the pods of one service account, with a token made for AWS.

    `provider_arn` is the cluster's OIDC provider, whose ARN ends in the issuer.
    """
    issuer = provider_arn.partition(":oidc-provider/")[2]
    bound = {f"{issuer}:sub": f"system:serviceaccount:{namespace}:{account}", f"{issuer}:aud": AUDIENCE}
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": provider_arn},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": bound},
    }
    return {"Version": "2012-10-17", "Statement": [statement]}


def service_policy(places: Places) -> Manifest:
    """Return what the automation service may do: read code, keep contexts and states, look after images."""
    return _policy([*_service_storage(places), *_service_images(places)])


def build_policy(places: Places) -> Manifest:
    """Return what a build may do: read contexts, push functions' images, use and fill the layer cache."""
    return _policy([*_build_storage(places), *_build_images(places)])


def gitops_policy(places: Places) -> Manifest:
    """Return what Flux may do: list and resolve the tags of the platform's and the functions' images."""
    if not places.repositories:
        return _policy([])
    arns = _arns(places.cloud, places.repositories.functions, places.repositories.service)
    return _policy([_allow("ReadTags", ["ecr:BatchGetImage", "ecr:ListImages"], arns), _authorize()])


def _service_storage(places: Places) -> list[Manifest]:
    if not places.buckets:
        return []
    source, context, state = (
        places.cloud.bucket_arn(name)
        for name in (places.buckets.source, places.buckets.context, places.buckets.state)
    )
    objects = ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
    return [
        _allow("ListBuckets", ["s3:ListBucket"], [source, context, state]),
        _allow("ReadSource", ["s3:GetObject"], [f"{source}/*"]),
        _allow("KeepContexts", ["s3:DeleteObject", "s3:PutObject"], [f"{context}/{CONTEXT_KEYS}"]),
        _allow("KeepBuilds", ["s3:GetObject", "s3:PutObject"], [f"{context}/{BUILD_KEYS}"]),
        _allow("KeepProvenance", ["s3:GetObject", "s3:PutObject"], [f"{context}/{PROVENANCE_KEYS}"]),
        _allow("KeepStates", objects, [f"{state}/*"]),
        *_use_key(places.cloud, places.buckets, ["kms:Decrypt", "kms:GenerateDataKey"]),
    ]


def _service_images(places: Places) -> list[Manifest]:
    """Tags are looked up; functions' and cached layers' repositories are made where they are missing."""
    if not places.repositories:
        return []
    functions, cache = places.repositories.functions, places.repositories.cache
    own = _arns(places.cloud, functions, f"{functions}/*", cache)
    return [
        _allow("ReadImages", ["ecr:DescribeImages", "ecr:DescribeRepositories"], own),
        _allow("MakeRepositories", ["ecr:CreateRepository", "ecr:PutLifecyclePolicy"], own),
        *_make_encrypted(places.cloud, places.repositories),
    ]


def _make_encrypted(cloud: Cloud, repositories: Repositories) -> list[Manifest]:
    """Who makes an encrypted repository lets ECR use its key (ECR, "Encryption at rest")."""
    if not repositories.kms_key_arn:
        return []
    actions = ["kms:CreateGrant", "kms:DescribeKey", "kms:RetireGrant"]
    statement = _allow("EncryptRepositories", actions, [repositories.kms_key_arn])
    return [{**statement, "Condition": {"StringEquals": {"kms:ViaService": cloud.host("ecr")}}}]


def _build_storage(places: Places) -> list[Manifest]:
    if not places.buckets:
        return []
    context = places.cloud.bucket_arn(places.buckets.context)
    return [
        _allow("ReadContexts", ["s3:GetObject"], [f"{context}/{CONTEXT_KEYS}"]),
        *_use_key(places.cloud, places.buckets, ["kms:Decrypt"]),
    ]


def _build_images(places: Places) -> list[Manifest]:
    if not places.repositories:
        return []
    functions, cache = places.repositories.functions, places.repositories.cache
    pushed = _arns(places.cloud, functions, f"{functions}/*", cache)
    return [_allow("PushImages", _PUSH, pushed), *_fetch(places.cloud, places.repositories), _authorize()]


def _fetch(cloud: Cloud, repositories: Repositories) -> list[Manifest]:
    """A first pull by way of ECR makes the repository, which needs the right of whoever pulls."""
    if not repositories.upstream_prefix:
        return []
    arns = _arns(cloud, f"{repositories.upstream_prefix}/*")
    return [_allow("FetchBaseImages", [*_PULL, "ecr:BatchImportUpstreamImage", "ecr:CreateRepository"], arns)]


def _use_key(cloud: Cloud, buckets: Buckets, actions: list[str]) -> list[Manifest]:
    """The key is used by S3 in the role's name, and for nothing else."""
    if not buckets.kms_key_arn:
        return []
    statement = _allow("UseKey", actions, [buckets.kms_key_arn])
    return [{**statement, "Condition": {"StringEquals": {"kms:ViaService": cloud.host("s3")}}}]


def _authorize() -> Manifest:
    return _allow("LogIn", ["ecr:GetAuthorizationToken"], ["*"])


def _arns(cloud: Cloud, *repositories: str) -> list[str]:
    return [cloud.repository_arn(name) for name in repositories]


def _allow(sid: str, actions: Iterable[str], resources: list[str]) -> Manifest:
    return {"Sid": sid, "Effect": "Allow", "Action": sorted(actions), "Resource": resources}


def _policy(statements: list[Manifest]) -> Manifest:
    return {"Version": "2012-10-17", "Statement": statements}
