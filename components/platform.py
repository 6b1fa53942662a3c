"""Platform: everything that the main job needs in one environment, composed of the components beside it."""

from collections.abc import Mapping

import pulumi

from components import naming
from components.access import Access, AccessArgs
from components.admission import Admission, AdmissionArgs
from components.broker import Broker, BrokerArgs
from components.gitops import Gitops, GitopsArgs
from components.manifests.observability.scope import Scope
from components.namespace import PlatformNamespace, PlatformNamespaceArgs
from components.network import Network, NetworkArgs
from components.observability import Observability, ObservabilityArgs
from components.quotas import Quotas, QuotasArgs
from components.settings import EVENT_TYPES, PlatformSettings


class Platform(pulumi.ComponentResource):
    """The namespace, the accounts with their rights, the broker with the automation service's Triggers.

    Where there is a cluster to protect, also quotas, network policies and admission policies: `local` has
    none of them, see docs/decisions/0040.
    """

    namespace: pulumi.Output[str]
    """Namespace of the environment."""
    broker_name: pulumi.Output[str]
    """Name of the Broker."""
    build_account: pulumi.Output[str]
    """Account that build pods run as."""
    service_account: pulumi.Output[str]
    """Account that the automation service runs as."""
    webhook_paths: pulumi.Output[Mapping[str, str]]
    """Secret paths of Flux's Receivers, by Receiver; empty where events are not told to Flux."""

    def __init__(self, name: str, args: PlatformSettings, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("knative-lambda:components:Platform", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        space = PlatformNamespace(
            f"{name}-space", PlatformNamespaceArgs(namespace=naming.namespace(args.environment)), child
        )
        access = Access(f"{name}-access", _access(args, space.namespace), child)
        if args.capacity:
            triggers = len(EVENT_TYPES) + args.gitops.triggers
            quota = QuotasArgs(namespace=space.namespace, capacity=args.capacity, triggers=triggers)
            Quotas(f"{name}-quotas", quota, child)
            Network(f"{name}-network", _network(args, space.namespace), child)
            Admission(f"{name}-admission", _admission(args), child)
        broker = Broker(f"{name}-eventing", _broker(args, space.namespace), child)
        self.webhook_paths = pulumi.Output.from_input({})
        if args.gitops.enabled:
            flux = _gitops(args, space.namespace)
            self.webhook_paths = Gitops(f"{name}-gitops", flux, child).webhook_paths
        if args.observability.enabled:
            Observability(f"{name}-observability", _observability(args, space.namespace), child)
        self.namespace = space.namespace
        self.broker_name = broker.broker_name
        self.build_account = access.build_account
        self.service_account = access.service_account
        self.register_outputs(
            {
                "namespace": self.namespace,
                "broker_name": self.broker_name,
                "build_account": self.build_account,
                "service_account": self.service_account,
                "webhook_paths": self.webhook_paths,
            }
        )


def _access(args: PlatformSettings, namespace: pulumi.Output[str]) -> AccessArgs:
    return AccessArgs(
        namespace=namespace,
        engine=args.engine,
        build_role_arn=args.access.build_role_arn,
        service_role_arn=args.access.service_role_arn,
        access_key_id=args.storage.access_key_id,
        secret_access_key=args.storage.secret_access_key,
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


def _network(args: PlatformSettings, namespace: pulumi.Output[str]) -> NetworkArgs:
    return NetworkArgs(
        namespace=namespace,
        broker_name=naming.broker_name(args.environment),
        rabbitmq_namespace=args.rabbitmq.namespace,
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
            namespace=naming.namespace(args.environment),
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
    )


def _admission(args: PlatformSettings) -> AdmissionArgs:
    return AdmissionArgs(
        namespace=naming.namespace(args.environment), allowed_registries=args.allowed_registries
    )
