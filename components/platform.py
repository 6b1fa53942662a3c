"""Platform: everything that the main job needs in one environment, composed of the components beside it."""

import importlib.util
from collections.abc import Mapping

import pulumi

from components import composition, providers
from components.access import Access
from components.admission import Admission
from components.backing import Backing, BackingArgs
from components.broker import Broker
from components.composition import RoleArns
from components.consumer import Consumer
from components.dead_letters import DeadLetters
from components.gitops import Gitops
from components.namespace import PlatformNamespace, PlatformNamespaceArgs
from components.network import Network
from components.observability import Observability
from components.quotas import Quotas, QuotasArgs
from components.registry import Registry
from components.service import Service
from components.settings import EVENT_TYPES, PlatformSettings, SettingsError
from components.storage import Storage


class Platform(pulumi.ComponentResource):
    """The namespace, storage, registry, the accounts with their rights, the broker with its Triggers.

    Where there is a cluster to protect, also quotas, network policies and admission policies: `local` has
    none of them, see docs/decisions/0040. What else `local` emulates is made in the other environments: the
    automation service itself, Knative, RabbitMQ with its content, certificates, the handler of dead letters.
    """

    namespace: pulumi.Output[str]
    """Namespace of the environment."""
    broker_name: pulumi.Output[str]
    """Name of the Broker; empty: there is none."""
    broker_url: pulumi.Output[str]
    """Where the Broker takes events, inside the cluster; or what stands for it."""
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
        _require_sdk(args)
        child = pulumi.ResourceOptions(parent=self)
        space = PlatformNamespace(f"{name}-space", PlatformNamespaceArgs(namespace=args.namespace), child)
        self.namespace = space.namespace
        storage = self._storage(name, args)
        registry = self._registry(name, args)
        roles = self._roles(f"{name}-roles", args)
        self.gitops_role_arn = pulumi.Output.from_input(roles.gitops)
        access = Access(f"{name}-access", composition.access(args, self.namespace, roles), child)
        self.build_account, self.service_account = access.build_account, access.service_account
        below = self._below_the_broker(name, args)
        after = pulumi.ResourceOptions(parent=self, depends_on=below)
        self.broker_name = pulumi.Output.from_input("")
        if not args.delivery.over_amqp:
            broker = Broker(f"{name}-eventing", composition.broker(args, self.namespace), after)
            self.broker_name = broker.broker_name
        self.broker_url = self.broker_name.apply(lambda _: composition.broker_url(args))
        self._watch(name, args)
        if args.capacity:
            # A pod needs its account and the keys of the storage to start.
            after_access = pulumi.ResourceOptions(parent=self, depends_on=[access])
            service = composition.service(args, args.capacity, self.namespace, storage, registry)
            Service(f"{name}-service", service, after_access)
        self.register_outputs({key: getattr(self, key) for key in Platform.__annotations__})

    def _storage(self, name: str, args: PlatformSettings) -> Storage:
        child = pulumi.ResourceOptions(parent=self)
        storage = Storage(f"{name}-storage", composition.storage(args), child)
        self.source_bucket = storage.source_bucket
        self.context_bucket = storage.context_bucket
        self.state_url = storage.state_url
        return storage

    def _registry(self, name: str, args: PlatformSettings) -> Registry:
        child = pulumi.ResourceOptions(parent=self)
        registry = Registry(f"{name}-registry", composition.registry(args, self.namespace), child)
        self.registry = registry.address
        self.repository = registry.repository
        self.cache_repository = registry.cache_repository
        self.service_repository = registry.service_repository
        self.base_images = registry.base_images
        return registry

    def _below_the_broker(self, name: str, args: PlatformSettings) -> list[pulumi.Resource]:
        """Declare guards and what the Broker stands on; return what it waits for: nothing in `local`."""
        self.amqp_host = self.amqp_publisher_secret = pulumi.Output.from_input("")
        self.dead_letter_sink = pulumi.Output.from_input(args.delivery.dead_letter_uri)
        if args.capacity is None:
            return []
        child = pulumi.ResourceOptions(parent=self)
        quota = QuotasArgs(
            namespace=self.namespace,
            capacity=args.capacity,
            triggers=len(EVENT_TYPES) + args.gitops.triggers,
            consumer=args.delivery.over_amqp,
            scanned=bool(args.scan.image),
        )
        Quotas(f"{name}-quotas", quota, child)
        Network(f"{name}-network", composition.network(args, self.namespace), child)
        Admission(f"{name}-admission", composition.admission(args), child)
        backing = Backing(f"{name}-backing", BackingArgs(settings=args, namespace=self.namespace), child)
        self.amqp_host = backing.amqp_host
        self.amqp_publisher_secret = backing.amqp_publisher_secret
        if not args.delivery.dead_letter_uri:
            wanted = composition.dead_letters(args, args.capacity, self.namespace, backing)
            self.dead_letter_sink = DeadLetters(f"{name}-dead-letters", wanted, child).sink
        if args.delivery.over_amqp:
            taken = composition.consumer(args, args.capacity, self.namespace, backing)
            Consumer(f"{name}-consumer", taken, child)
        return [backing]

    def _watch(self, name: str, args: PlatformSettings) -> None:
        """Declare what looks at the environment from outside, as far as it is wanted."""
        child = pulumi.ResourceOptions(parent=self)
        self.webhook_paths = pulumi.Output.from_input({})
        if args.gitops.enabled:
            flux = composition.gitops(args, self.namespace)
            self.webhook_paths = Gitops(f"{name}-gitops", flux, child).webhook_paths
        if args.observability.enabled:
            watched = composition.observability(args, self.namespace)
            Observability(f"{name}-observability", watched, child)

    def _roles(self, name: str, args: PlatformSettings) -> RoleArns:
        """Declare IAM roles where something is in AWS and the cluster can prove who its pods are."""
        places = composition.places(args)
        given = RoleArns(service=args.access.service_role_arn, build=args.access.build_role_arn)
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
        return RoleArns(service=made.service_role_arn, build=made.build_role_arn, gitops=made.gitops_role_arn)

    def _warn_of_missing(self, given: RoleArns) -> None:
        missing = [
            key for key, arn in (("serviceRoleArn", given.service), ("buildRoleArn", given.build)) if not arn
        ]
        if missing:
            pulumi.log.warn(
                "pods have no rights in AWS: set awsOidcProviderArn or awsOidcIssuerUrl to have roles made,"
                f" or {' and '.join(missing)} to roles that were made elsewhere",
                self,
            )


def _require_sdk(args: PlatformSettings) -> None:
    """Raise SettingsError before anything is declared if AWS is wanted and its SDK is not there."""
    if composition.places(args).is_empty or importlib.util.find_spec("pulumi_aws"):
        return
    raise SettingsError(
        [
            f"storageProvider is {args.storage.provider!r} and registryProvider {args.registry.provider!r},"
            " and pulumi-aws is not installed: run `make aws`, or set them to"
            f" {providers.S3_COMPATIBLE} and {providers.OCI}"
        ]
    )
