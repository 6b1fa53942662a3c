"""Registry: where images are pushed to and pulled from."""

from dataclasses import dataclass
from typing import Final

import pulumi

from components import providers
from components.declare import custom
from components.manifests.cloud import Cloud
from components.manifests.metadata import object_meta, platform_labels

PULL_SECRET: Final = "knative-lambda-registry-pull"  # noqa: S105 - an object's name
PUSH_SECRET: Final = "knative-lambda-registry-push"  # noqa: S105 - an object's name
_DOCKER_CONFIG: Final = ".dockerconfigjson"


@dataclass(frozen=True, kw_only=True)
class RegistryArgs:
    """Which registry, which repositories in it, and how long images stay there."""

    provider: str
    """One of REGISTRY_PROVIDERS: whether the repositories are made here or were made elsewhere."""
    cloud: Cloud
    """Where ECR's repositories are."""
    namespace: pulumi.Input[str]
    """Namespace of the Secrets."""
    address: str
    """Host and port of the registry."""
    repository: str
    """Repository of functions' images."""
    cache_repository: str
    """Repository of layers that builds use again."""
    service_repository: str
    """Repository of the platform's own image."""
    kms_key_arn: str = ""
    """Key that ECR encrypts layers with; empty: one that it keeps."""
    retention_days: int
    """When functions' images are deleted, in days after their push; 0: never."""
    cache_days: int = 3
    """When cached layers are deleted, in days after their push."""
    immutable: bool = True
    """Functions' tags, which name their content, can never mean another image."""
    force_delete: bool = False
    """Delete repositories with their images; without it they have to be empty."""
    upstream: str = ""
    """Registry that ECR fetches base images from and keeps them; empty: none."""
    upstream_prefix: str = ""
    """What the repositories of those images begin with."""
    upstream_secret_arn: str = ""
    """Secrets Manager secret with the upstream's user; empty: it needs none."""
    pull_config: pulumi.Input[str] | None = None
    """Docker's config.json with the right to pull; None: nodes and IAM see to it."""
    push_config: pulumi.Input[str] | None = None
    """Docker's config.json with the right to push, for builds; None: `pull_config`."""


class Registry(pulumi.ComponentResource):
    """Repositories of ECR with their lifecycles, or the Secrets that open another registry."""

    address: pulumi.Output[str]
    """Host and port of the registry."""
    repository: pulumi.Output[str]
    """Repository of functions' images, without the address."""
    cache_repository: pulumi.Output[str]
    """Repository of cached layers, without the address."""
    service_repository: pulumi.Output[str]
    """Repository of the platform's own image, without the address."""
    base_images: pulumi.Output[str]
    """What to write before the upstream's image names to get them by way of ECR, with a slash; or empty."""
    pull_secret: pulumi.Output[str]
    """Name of the Secret that pods' images are pulled with; empty: none is needed."""
    push_secret: pulumi.Output[str]
    """Name of the Secret that builds push with; empty: none is needed."""

    def __init__(self, name: str, args: RegistryArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("knative-lambda:components:Registry", name, None, opts)
        self.address = pulumi.Output.from_input(args.address)
        self._set_repositories(name, args)
        self.base_images = self._cache(name, args)
        self.pull_secret = self._secret(f"{name}-pull", PULL_SECRET, args.namespace, args.pull_config)
        self.push_secret = (
            self.pull_secret
            if args.push_config is None
            else self._secret(f"{name}-push", PUSH_SECRET, args.namespace, args.push_config)
        )
        self.register_outputs({key: getattr(self, key) for key in Registry.__annotations__})

    def _set_repositories(self, name: str, args: RegistryArgs) -> None:
        """Assign the outputs of the repositories, which ECR needs before anything is pushed."""
        if args.provider != providers.ECR:
            self.repository = pulumi.Output.from_input(args.repository)
            self.cache_repository = pulumi.Output.from_input(args.cache_repository)
            self.service_repository = pulumi.Output.from_input(args.service_repository)
            return
        functions = (args.repository, args.immutable, args.retention_days)
        self.repository = self._repository(f"{name}-functions", args, *functions)
        cache = (args.cache_repository, False, args.cache_days)
        self.cache_repository = self._repository(f"{name}-cache", args, *cache)
        # The platform's tags move with its releases, and it rolls back to older images: none goes by itself.
        service = (args.service_repository, False, 0)
        self.service_repository = self._repository(f"{name}-service", args, *service)

    def _repository(
        self, name: str, args: RegistryArgs, repository: str, immutable: bool, expire_days: int
    ) -> pulumi.Output[str]:
        # The SDK for AWS takes a while to load, and only environments in AWS have it.
        from components.repository import Repository, RepositoryArgs

        wanted = RepositoryArgs(
            repository=repository,
            region=args.cloud.region,
            immutable=immutable,
            expire_days=expire_days,
            kms_key_arn=args.kms_key_arn,
            force_delete=args.force_delete,
        )
        return Repository(name, wanted, pulumi.ResourceOptions(parent=self)).repository

    def _cache(self, name: str, args: RegistryArgs) -> pulumi.Output[str]:
        """Return what base images' names begin with: the registry and the rule's prefix, or nothing."""
        if not args.upstream:
            return pulumi.Output.from_input("")
        from components.repository import pull_through_cache

        rule = pull_through_cache(
            f"{name}-upstream",
            prefix=args.upstream_prefix,
            region=args.cloud.region,
            upstream=args.upstream,
            credential_arn=args.upstream_secret_arn,
            opts=pulumi.ResourceOptions(parent=self),
        )
        return pulumi.Output.concat(args.address, "/", rule.ecr_repository_prefix, "/")

    def _secret(
        self, name: str, secret: str, namespace: pulumi.Input[str], config: pulumi.Input[str] | None
    ) -> pulumi.Output[str]:
        """Declare a Secret where there is something to put in; return its name, or nothing."""
        if config is None:
            return pulumi.Output.from_input("")
        manifest = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": object_meta(secret, namespace, platform_labels("registry")),
            "type": "kubernetes.io/dockerconfigjson",
            "stringData": {_DOCKER_CONFIG: config},
        }
        made = custom(name, manifest, pulumi.ResourceOptions(parent=self))
        name_of_secret: pulumi.Output[str] = made.id.apply(lambda _: secret)
        return name_of_secret
