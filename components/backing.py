"""Backing: what an environment stands on in its cluster, made with it or found there."""

from dataclasses import dataclass

import pulumi

from components import naming
from components.certificates import Certificates, CertificatesArgs
from components.external_secrets import ExternalSecrets, ExternalSecretsArgs
from components.knative import Knative, KnativeArgs
from components.manifests import external_secrets, topology
from components.manifests.knative import REPLICAS
from components.manifests.network import amqp_port
from components.manifests.rabbitmq import SIZES, amqp_host
from components.manifests.trigger import DISPATCHER, compute_annotations
from components.namespace import PlatformNamespace, PlatformNamespaceArgs
from components.rabbitmq import Rabbitmq, RabbitmqArgs
from components.settings import PlatformSettings
from components.topology import Topology, TopologyArgs


@dataclass(frozen=True, kw_only=True)
class BackingArgs:
    """For which environment; none of it is for `local`, which emulates it all."""

    settings: PlatformSettings
    """The environment's configuration."""
    namespace: pulumi.Input[str]
    """Namespace of the platform, known once it exists."""


class Backing(pulumi.ComponentResource):
    """Knative, secrets from a store, certificates, RabbitMQ and what is declared inside it.

    Each is made here unless the configuration says that it is there already.
    """

    amqp_host: pulumi.Output[str]
    """Name of RabbitMQ's Service."""
    amqp_port: pulumi.Output[int]
    """5671 with TLS, 5672 without."""
    amqp_handler_secret: pulumi.Output[str]
    """Secret with the credentials of the handler of dead letters."""
    amqp_consumer_secret: pulumi.Output[str]
    """Secret with the credentials of the consumer, where there is one."""
    amqp_publisher_secret: pulumi.Output[str]
    """Secret with the credentials of who publishes to the exchange `cloud-events`."""
    tls_secret: pulumi.Output[str]
    """Secret whose `ca.crt` RabbitMQ is trusted by; empty without TLS."""

    def __init__(self, name: str, args: BackingArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("knative-lambda:components:Backing", name, None, opts)
        settings = args.settings
        if settings.knative.managed:
            Knative(f"{name}-knative", _knative(settings), pulumi.ResourceOptions(parent=self))
        if settings.secrets.store:
            ExternalSecrets(f"{name}-secrets", _secrets(args), pulumi.ResourceOptions(parent=self))
        below = self._rabbitmq(name, args)
        rights = Topology(
            f"{name}-topology", _topology(args), pulumi.ResourceOptions(parent=self, depends_on=below)
        )
        self.amqp_host = pulumi.Output.from_input(_host(settings))
        self.amqp_port = pulumi.Output.from_input(amqp_port(settings.tls.enabled))
        self.amqp_handler_secret = rights.handler_secret
        self.amqp_consumer_secret = rights.consumer_secret
        self.amqp_publisher_secret = rights.publisher_secret
        self.tls_secret = pulumi.Output.from_input(tls_secret(settings))
        self.register_outputs({key: getattr(self, key) for key in Backing.__annotations__})

    def _rabbitmq(self, name: str, args: BackingArgs) -> list[pulumi.Resource]:
        """Declare RabbitMQ and its certificates; return what has to be there before its content."""
        child = pulumi.ResourceOptions(parent=self)
        settings, space, below = args.settings, None, list[pulumi.Resource]()
        if settings.rabbitmq.managed:
            wanted = PlatformNamespaceArgs(namespace=settings.rabbitmq.namespace)
            space = PlatformNamespace(f"{name}-rabbitmq-space", wanted, child).namespace
        if settings.tls.enabled:
            below.append(Certificates(f"{name}-certificates", _certificates(args, space), child))
        if space is not None:
            after = pulumi.ResourceOptions(parent=self, depends_on=list(below))
            below.append(Rabbitmq(f"{name}-rabbitmq", _cluster(settings, space), after))
        return below


def tls_secret(settings: PlatformSettings) -> str:
    """Return the Secret of RabbitMQ's certificate and its authority; empty without TLS.

    One name in both namespaces: eventing-rabbitmq mounts the Secret that the RabbitmqCluster names as its
    authority in the namespace of the Broker (pkg/rabbit/service.go, GetRabbitMQCASecret).
    """
    return f"{settings.rabbitmq.cluster}-tls" if settings.tls.enabled else ""


def _host(settings: PlatformSettings) -> str:
    return amqp_host(settings.rabbitmq.cluster, settings.rabbitmq.namespace)


def _knative(settings: PlatformSettings) -> KnativeArgs:
    return KnativeArgs(
        serving_namespace=settings.neighbours.serving_namespace,
        eventing_namespace=settings.knative.eventing_namespace,
        replicas=REPLICAS[settings.environment],
        ingress=settings.knative.ingress,
        eventing=not settings.delivery.over_amqp,
        untagged_registries=settings.knative.untagged_registries,
    )


def _secrets(args: BackingArgs) -> ExternalSecretsArgs:
    wanted, settings = args.settings.secrets, args.settings
    users = tuple(topology.users(_topology(args)))
    connection = topology.connection(_host(settings), amqp_port(settings.tls.enabled), tls_secret(settings))
    return ExternalSecretsArgs(
        namespace=args.namespace,
        store=wanted.store,
        store_kind=wanted.store_kind,
        secrets=tuple(external_secrets.planned(wanted.stored, wanted.prefix, users, connection)),
    )


def _certificates(args: BackingArgs, rabbitmq_space: pulumi.Output[str] | None) -> CertificatesArgs:
    settings = args.settings
    return CertificatesArgs(
        namespace=args.namespace,
        namespace_name=settings.namespace,
        rabbitmq_cluster=settings.rabbitmq.cluster,
        rabbitmq_namespace=settings.rabbitmq.namespace,
        rabbitmq_space=rabbitmq_space,
        rabbitmq_secret=tls_secret(settings),
        issuer=settings.tls.issuer,
        authority_namespace=settings.tls.authority_namespace,
    )


def _cluster(settings: PlatformSettings, space: pulumi.Output[str]) -> RabbitmqArgs:
    return RabbitmqArgs(
        cluster=settings.rabbitmq.cluster,
        namespace=space,
        namespace_name=settings.rabbitmq.namespace,
        size=SIZES[settings.environment],
        client_namespace=settings.namespace,
        publisher_namespace=settings.neighbours.notifi_namespace,
        operator_namespace=settings.rabbitmq.operator_namespace,
        monitoring_namespace=settings.neighbours.monitoring_namespace,
        api_server_cidr=settings.neighbours.api_server_cidr,
        storage_class=settings.rabbitmq.storage_class,
        tls_secret=tls_secret(settings),
        tls_only=settings.tls.only,
    )


def _topology(args: BackingArgs) -> TopologyArgs:
    settings = args.settings
    return TopologyArgs(
        namespace=args.namespace,
        cluster=settings.rabbitmq.cluster,
        cluster_namespace=settings.rabbitmq.namespace,
        events_queue=naming.events_queue(settings.environment),
        dead_letter_queue=naming.dead_letter_queue(settings.environment),
        broker_name=naming.broker_name(settings.environment),
        source_annotations=compute_annotations(DISPATCHER),
        stored_credentials=settings.secrets.holds(external_secrets.RABBITMQ),
        consumer=settings.delivery.over_amqp,
    )
