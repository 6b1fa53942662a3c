"""Platform: everything that the main job needs in one environment, composed of the components beside it."""

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from components import naming, providers
from components.access import Access, AccessArgs
from components.admission import Admission, AdmissionArgs
from components.backing import Backing, BackingArgs, tls_secret
from components.broker import Broker, BrokerArgs
from components.capacity import Capacity
from components.dead_letters import DeadLetters, DeadLettersArgs
from components.gitops import Gitops, GitopsArgs
from components.manifests.external_secrets import REGISTRY, STORAGE
from components.manifests.iam import Buckets, Places, Repositories
from components.manifests.network import amqp_port
from components.manifests.observability.scope import Scope
from components.manifests.rabbitmq import amqp_host
from components.namespace import PlatformNamespace, PlatformNamespaceArgs
from components.network import Network, NetworkArgs
from components.observability import Observability, ObservabilityArgs
from components.quotas import Quotas, QuotasArgs
from components.registry import PULL_SECRET, Registry, RegistryArgs
from components.service import Service, ServiceArgs
from components.settings import EVENT_TYPES, PlatformSettings, SettingsError
from components.storage import Storage, StorageArgs


class Platform(pulumi.ComponentResource):
    """The namespace, storage, registry, the accounts with their rights, the broker with its Triggers.

    Where there is a cluster to protect, also quotas, network policies and admission policies: `local` has
    none of them, see docs/decisions/0040. What else `local` emulates is made in the other environments: the
    automation service itself, Knative, RabbitMQ with its content, certificates, the handler of dead letters.
    """

    namespace: pulumi.Output[str]
    """Namespace of the environment."""
    broker_name: pulumi.Output[str]
    """Name of the Broker."""
    broker_url: pulumi.Output[str]
    """Where the Broker takes events, inside the cluster."""
    dead_letter_sink: pulumi.Output[str]
    """Where events go that nobody took."""
    amqp_host: pulumi.Output[str]
    """Name of RabbitMQ's Service; empty in `local`, as the Secret's."""
    amqp_publisher_secret: pulumi.Output[str]
    """Secret with the credentials of who publishes straight to RabbitMQ's exchange `cloud-events`."""
    build_account: pulumi.Output[str]
    """Account that build pods run as."""
    service_account: pulumi.Output[str]
    """Account that the automation service runs as."""
    webhook_paths: pulumi.Output[Mapping[str, str]]
    """Secret paths of Flux's Receivers, by Receiver; empty where events are not told to Flux."""
    gitops_role_arn: pulumi.Output[str]
    """IAM role for Flux's image reflector; empty: none was made."""
    source_bucket: pulumi.Output[str]
    """Bucket of parsers' code."""
    context_bucket: pulumi.Output[str]
    """Bucket of build contexts."""
    state_url: pulumi.Output[str]
    """Where functions' stacks keep their state."""
    registry: pulumi.Output[str]
    """Host and port of the registry."""
    repository: pulumi.Output[str]
    """Repository of functions' images in it."""
    cache_repository: pulumi.Output[str]
    """Repository of cached layers in it."""
    service_repository: pulumi.Output[str]
    """Repository of the platform's own image in it."""
    base_images: pulumi.Output[str]
    """What base images' names begin with to come by way of ECR; empty: they come from where they are."""

    def __init__(self, name: str, args: PlatformSettings, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("knative-lambda:components:Platform", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        _require_sdk(args)
        space = PlatformNamespace(f"{name}-space", PlatformNamespaceArgs(namespace=args.namespace), child)
        storage = Storage(f"{name}-storage", _storage(args), child)
        registry = Registry(f"{name}-registry", _registry(args, space.namespace), child)
        roles = self._roles(f"{name}-roles", args)
        access = Access(f"{name}-access", _access(args, space.namespace, roles), child)
        nothing = pulumi.Output.from_input("")
        self.amqp_host = self.amqp_publisher_secret = nothing
        self.dead_letter_sink = pulumi.Output.from_input(args.delivery.dead_letter_uri)
        below: list[pulumi.Resource] = []
        if args.capacity:
            triggers = len(EVENT_TYPES) + args.gitops.triggers
            quota = QuotasArgs(namespace=space.namespace, capacity=args.capacity, triggers=triggers)
            Quotas(f"{name}-quotas", quota, child)
            Network(f"{name}-network", _network(args, space.namespace), child)
            Admission(f"{name}-admission", _admission(args), child)
            backing = Backing(f"{name}-backing", BackingArgs(settings=args, namespace=space.namespace), child)
            below.append(backing)
            self.amqp_host = backing.amqp_host
            self.amqp_publisher_secret = backing.amqp_publisher_secret
            if not args.delivery.dead_letter_uri:
                wanted = _dead_letters(args, args.capacity, space.namespace, backing)
                self.dead_letter_sink = DeadLetters(f"{name}-dead-letters", wanted, child).sink
        after = pulumi.ResourceOptions(parent=self, depends_on=below)
        broker = Broker(f"{name}-eventing", _broker(args, space.namespace), after)
        self.webhook_paths = pulumi.Output.from_input({})
        if args.gitops.enabled:
            flux = _gitops(args, space.namespace)
            self.webhook_paths = Gitops(f"{name}-gitops", flux, child).webhook_paths
        if args.observability.enabled:
            Observability(f"{name}-observability", _observability(args, space.namespace), child)
        if args.capacity:
            # A pod needs its account and the keys of the storage to start.
            after_access = pulumi.ResourceOptions(parent=self, depends_on=[access])
            service = _service(args, args.capacity, space.namespace, storage, registry)
            Service(f"{name}-service", service, after_access)
        self.namespace = space.namespace
        self.broker_name = broker.broker_name
        self.broker_url = broker.broker_name.apply(lambda _: naming.broker_url(args.environment))
        self.build_account = access.build_account
        self.service_account = access.service_account
        self.gitops_role_arn = pulumi.Output.from_input(roles.gitops)
        self.source_bucket = storage.source_bucket
        self.context_bucket = storage.context_bucket
        self.state_url = storage.state_url
        self.registry = registry.address
        self.repository = registry.repository
        self.cache_repository = registry.cache_repository
        self.service_repository = registry.service_repository
        self.base_images = registry.base_images
        self.register_outputs({key: getattr(self, key) for key in Platform.__annotations__})

    def _roles(self, name: str, args: PlatformSettings) -> "_RoleArns":
        """Declare IAM roles where something is in AWS and the cluster can prove who its pods are."""
        places = _places(args)
        given = _RoleArns(service=args.access.service_role_arn, build=args.access.build_role_arn)
        if places.is_empty:
            return given
        if not args.aws.knows_pods:
            self._warn_of_missing(given)
            return given
        # The SDK for AWS takes a while to load, and only environments in AWS have it.
        from components.roles import Roles, RolesArgs

        wanted = RolesArgs(
            environment=args.environment,
            namespace=args.namespace,
            gitops_namespace=args.gitops.namespace,
            places=places,
            service_role_arn=args.access.service_role_arn,
            build_role_arn=args.access.build_role_arn,
            oidc_provider_arn=args.aws.oidc_provider_arn,
            oidc_issuer_url=args.aws.oidc_issuer_url,
        )
        made = Roles(name, wanted, pulumi.ResourceOptions(parent=self))
        return _RoleArns(
            service=made.service_role_arn, build=made.build_role_arn, gitops=made.gitops_role_arn
        )

    def _warn_of_missing(self, given: "_RoleArns") -> None:
        missing = [
            key for key, arn in (("serviceRoleArn", given.service), ("buildRoleArn", given.build)) if not arn
        ]
        if missing:
            pulumi.log.warn(
                "pods have no rights in AWS: set awsOidcProviderArn or awsOidcIssuerUrl to have roles made,"
                f" or {' and '.join(missing)} to roles that were made elsewhere",
                self,
            )


@dataclass(frozen=True, kw_only=True)
class _RoleArns:
    """IAM roles; empty: none."""

    service: pulumi.Input[str]
    build: pulumi.Input[str]
    gitops: pulumi.Input[str] = ""


def _require_sdk(args: PlatformSettings) -> None:
    """Raise SettingsError before anything is declared if AWS is wanted and its SDK is not there."""
    if _places(args).is_empty or importlib.util.find_spec("pulumi_aws"):
        return
    raise SettingsError(
        [
            f"storageProvider is {args.storage.provider!r} and registryProvider {args.registry.provider!r},"
            " and pulumi-aws is not installed: run `make aws`, or set them to"
            f" {providers.S3_COMPATIBLE} and {providers.OCI}"
        ]
    )


def _places(args: PlatformSettings) -> Places:
    """Return what of the environment is in AWS."""
    storage, registry = args.storage, args.registry
    buckets = Buckets(
        source=storage.source_bucket,
        context=storage.context_bucket,
        state=storage.state_bucket,
        kms_key_arn=storage.kms_key_arn,
    )
    repositories = Repositories(
        functions=registry.repository,
        cache=registry.cache_repository,
        service=registry.service_repository,
        upstream_prefix=naming.upstream_prefix(args.environment) if registry.upstream else "",
    )
    return Places(
        cloud=args.aws.cloud,
        buckets=buckets if storage.provider == providers.AWS else None,
        repositories=repositories if registry.provider == providers.ECR else None,
    )


def _storage(args: PlatformSettings) -> StorageArgs:
    return StorageArgs(
        provider=args.storage.provider,
        cloud=args.aws.cloud,
        endpoint=args.storage.endpoint,
        source_bucket=args.storage.source_bucket,
        context_bucket=args.storage.context_bucket,
        state_bucket=args.storage.state_bucket,
        kms_key_arn=args.storage.kms_key_arn,
        context_days=args.storage.context_days,
        version_days=args.storage.version_days,
        delete_contexts=args.environment != "prd",
        delete_all=args.environment == "dev",
        protect=args.storage.protect,
    )


def _registry(args: PlatformSettings, namespace: pulumi.Output[str]) -> RegistryArgs:
    return RegistryArgs(
        provider=args.registry.provider,
        cloud=args.aws.cloud,
        namespace=namespace,
        address=args.registry_address,
        repository=args.registry.repository,
        cache_repository=args.registry.cache_repository,
        service_repository=args.registry.service_repository,
        kms_key_arn=args.registry.kms_key_arn,
        retention_days=args.registry.retention_days,
        cache_days=args.registry.cache_days,
        immutable=args.registry.immutable,
        force_delete=args.environment == "dev",
        upstream=args.registry.upstream,
        upstream_prefix=naming.upstream_prefix(args.environment),
        upstream_secret_arn=args.registry.upstream_secret_arn,
        pull_config=args.registry.pull_config,
        push_config=args.registry.push_config,
    )


def _access(args: PlatformSettings, namespace: pulumi.Output[str], roles: _RoleArns) -> AccessArgs:
    return AccessArgs(
        namespace=namespace,
        engine=args.engine,
        build_role_arn=roles.build,
        service_role_arn=roles.service,
        pull_secret=_pull_secret(args),
        # A key that comes from a store makes no Secret here.
        access_key_id="" if args.secrets.holds(STORAGE) else args.storage.access_key_id,
        secret_access_key=args.storage.secret_access_key,
    )


def _service(
    args: PlatformSettings,
    capacity: Capacity,
    namespace: pulumi.Output[str],
    storage: Storage,
    registry: Registry,
) -> ServiceArgs:
    return ServiceArgs(
        namespace=namespace,
        environment=args.environment,
        capacity=capacity,
        image=args.service_image,
        log_level=args.service.log_level,
        engine=args.engine,
        broker_name=naming.broker_name(args.environment),
        broker_url=args.delivery.broker_uri,
        dead_letter_uri=args.delivery.dead_letter_uri,
        registry=registry.address,
        repository=registry.repository,
        cache_repository=registry.cache_repository,
        pull_secret=registry.pull_secret,
        push_secret=registry.push_secret,
        insecure_registry=args.registry.insecure,
        executor_image=args.builds.executor_image,
        python_image=args.builds.python_image,
        region=args.aws.region,
        storage_endpoint=args.storage.endpoint,
        source_bucket=storage.source_bucket,
        context_bucket=storage.context_bucket,
        state_url=storage.state_url,
        static_keys=bool(args.storage.access_key_id),
        passphrase=args.service.passphrase,
        api_tokens=args.service.api_tokens,
    )


def _broker(args: PlatformSettings, namespace: pulumi.Output[str]) -> BrokerArgs:
    return BrokerArgs(
        broker_name=naming.broker_name(args.environment),
        namespace=namespace,
        rabbitmq_cluster=args.rabbitmq.cluster,
        rabbitmq_namespace=args.rabbitmq.namespace,
        event_types=EVENT_TYPES,
        subscriber_uri=args.delivery.subscriber_uri,
        dead_letter_uri=args.delivery.dead_letter_uri,
    )


def _dead_letters(
    args: PlatformSettings, capacity: Capacity, namespace: pulumi.Output[str], backing: Backing
) -> DeadLettersArgs:
    return DeadLettersArgs(
        namespace=namespace,
        namespace_name=naming.namespace(args.environment),
        environment=args.environment,
        image=_image(args),
        replicas=capacity.dead_letter_pods,
        amqp_host=amqp_host(args.rabbitmq.cluster, args.rabbitmq.namespace),
        amqp_port=amqp_port(args.tls.enabled),
        queue=naming.dead_letter_queue(args.environment),
        credentials_secret=backing.amqp_handler_secret,
        tls_secret=tls_secret(args),
        pull_secret=_pull_secret(args),
    )


def _image(args: PlatformSettings) -> str:
    return f"{args.registry_address}/{args.registry.service_repository}:{args.environment}-latest"


def _pull_secret(args: PlatformSettings) -> str:
    """Return the Secret that images are pulled with, made here or from a store; empty: none is needed."""
    return PULL_SECRET if args.registry.pull_config is not None or args.secrets.holds(REGISTRY) else ""


def _network(args: PlatformSettings, namespace: pulumi.Output[str]) -> NetworkArgs:
    return NetworkArgs(
        namespace=namespace,
        broker_name=naming.broker_name(args.environment),
        rabbitmq_namespace=args.rabbitmq.namespace,
        rabbitmq_tls=args.tls.enabled,
        serving_namespace=args.neighbours.serving_namespace,
        ingress_namespace=args.neighbours.ingress_namespace,
        monitoring_namespace=args.neighbours.monitoring_namespace,
        notifi_namespace=args.neighbours.notifi_namespace,
        api_server_cidr=args.neighbours.api_server_cidr,
        storage_endpoint=args.storage.endpoint,
        allowed_registries=args.allowed_registries,
        flux_namespace=args.gitops.namespace if args.gitops.triggers else "",
        otlp_endpoint=args.observability.otlp_endpoint,
        subscriber_uri=args.delivery.subscriber_uri,
        broker_uri=args.delivery.broker_uri,
        dead_letter_uri=args.delivery.dead_letter_uri,
    )


def _gitops(args: PlatformSettings, namespace: pulumi.Output[str]) -> GitopsArgs:
    return GitopsArgs(
        environment=args.environment,
        namespace=namespace,
        flux_namespace=args.gitops.namespace,
        broker_name=naming.broker_name(args.environment),
        receiver=args.gitops.receiver,
        token=args.gitops.token,
        token_secret=args.gitops.token_secret,
        lifecycle_resources=args.gitops.lifecycle_resources,
        security_resources=args.gitops.security_resources,
        image=args.gitops.image,
        image_secret=args.gitops.image_secret,
        alert_type=args.gitops.alert_type,
        alert_address=args.gitops.alert_address,
        dead_letter_uri=args.delivery.dead_letter_uri,
    )


def _observability(args: PlatformSettings, namespace: pulumi.Output[str]) -> ObservabilityArgs:
    watching = args.observability
    return ObservabilityArgs(
        namespace=namespace,
        scope=Scope(
            environment=args.environment,
            namespace=args.namespace,
            rabbitmq_namespace=args.rabbitmq.namespace,
            rabbitmq_cluster=args.rabbitmq.cluster,
            builds=args.capacity.builds if args.capacity else 1,
            availability_percent=watching.availability_percent,
            build_seconds=watching.build_seconds,
            dead_letters=watching.dead_letters,
            **({"runbook": watching.runbook_url} if watching.runbook_url else {}),
        ),
        labels=dict(watching.labels),
        dashboard_labels=dict(watching.dashboard_labels),
        rabbitmq_ca_secret=tls_secret(args) if args.tls.only else "",
    )


def _admission(args: PlatformSettings) -> AdmissionArgs:
    return AdmissionArgs(namespace=args.namespace, allowed_registries=args.allowed_registries)
