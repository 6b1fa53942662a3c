"""Which values of the stack's configuration each component of an environment gets.

One function a component, from PlatformSettings to its Args; nothing is declared here.
"""

from dataclasses import dataclass
from typing import Any

import pulumi

from components import emitted, naming, providers
from components.access import AccessArgs
from components.admission import AdmissionArgs
from components.backing import Backing, tls_secret
from components.broker import BrokerArgs
from components.capacity import Capacity
from components.consumer import ConsumerArgs
from components.dead_letters import DeadLettersArgs
from components.gitops import GitopsArgs
from components.manifests import consumer as consumer_manifests
from components.manifests import flux
from components.manifests.dead_letters import sink_url as dead_letters_url
from components.manifests.external_secrets import REGISTRY, STATE, STORAGE
from components.manifests.iam import Buckets, Places, Repositories
from components.manifests.network import amqp_port
from components.manifests.observability import telemetry
from components.manifests.observability.scope import Scope
from components.manifests.rabbitmq import amqp_host
from components.manifests.service import NAME as SERVICE
from components.network import NetworkArgs
from components.observability import ObservabilityArgs
from components.registry import PULL_SECRET, PUSH_SECRET, Registry, RegistryArgs
from components.service import ServiceArgs
from components.settings import EVENT_TYPES, PlatformSettings
from components.storage import Storage, StorageArgs


@dataclass(frozen=True, kw_only=True)
class RoleArns:
    """IAM roles; empty: none."""

    service: pulumi.Input[str]
    build: pulumi.Input[str]
    gitops: pulumi.Input[str] = ""


def places(args: PlatformSettings) -> Places:
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
        kms_key_arn=registry.kms_key_arn,
    )
    return Places(
        cloud=args.aws.cloud,
        buckets=buckets if storage.provider == providers.AWS else None,
        repositories=repositories if registry.provider == providers.ECR else None,
    )


def storage(args: PlatformSettings) -> StorageArgs:
    """Return which buckets."""
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


def registry(args: PlatformSettings, namespace: pulumi.Output[str]) -> RegistryArgs:
    """Return which registry, and which repositories in it."""
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


def access(args: PlatformSettings, namespace: pulumi.Output[str], roles: RoleArns) -> AccessArgs:
    """Return whose rights."""
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


def service(
    args: PlatformSettings,
    capacity: Capacity,
    namespace: pulumi.Output[str],
    storage: Storage,
    registry: Registry,
) -> ServiceArgs:
    """Return what the automation service runs with."""
    return ServiceArgs(
        namespace=namespace,
        environment=args.environment,
        capacity=capacity,
        image=args.service_image,
        log_level=args.service.log_level,
        engine=args.engine,
        broker_name=naming.broker_name(args.environment),
        # Without a Broker its address is the consumer's, which the service cannot derive.
        broker_url=broker_url(args) if args.delivery.over_amqp else args.delivery.broker_uri,
        emits=_emits(args),
        sink_uri=args.delivery.sink_uri,
        scheduler_uri=args.delivery.scheduler_uri,
        dead_letter_uri=args.delivery.dead_letter_uri,
        registry=registry.address,
        repository=registry.repository,
        cache_repository=registry.cache_repository,
        pull_secret=_pull_secret(args) or registry.pull_secret,
        push_secret=PUSH_SECRET if args.secrets.holds(REGISTRY) else registry.push_secret,
        insecure_registry=args.registry.insecure,
        tls=args.tls.enabled,
        variables={
            **args.builds.variables(),
            **args.functions.variables(),
            **args.registry.variables(),
            **args.gates.variables(),
            **args.drift.variables(args.engine),
            **_delivered_by(args),
            **args.scan.variables(),
        },
        region=args.aws.region,
        storage_endpoint=args.storage.endpoint,
        source_bucket=storage.source_bucket,
        context_bucket=storage.context_bucket,
        state_url=storage.state_url,
        static_keys=bool(args.storage.access_key_id) or args.secrets.holds(STORAGE),
        passphrase=args.service.passphrase,
        passphrase_stored=args.secrets.holds(STATE),
        api_tokens=args.service.api_tokens,
        signature_keys=args.service.signature_keys,
        attestation_key=args.service.attestation_key,
        signed_paths=args.service.signed_paths,
        source_rate=args.service.source_rate,
        source_burst=args.service.source_burst,
        telemetry=telemetry.environment(
            service="knative-lambda-builder",
            environment=args.environment,
            namespace=args.namespace,
            endpoint=args.observability.otlp_endpoint,
            trace_ratio=args.observability.trace_ratio,
        ),
    )


def _delivered_by(args: PlatformSettings) -> dict[str, str]:
    """Return what the service has to know of who brings events; the consumer keeps refused ones itself."""
    if args.delivery.over_amqp:
        return {"FUNCTION_TRIGGERS": "false"}
    return {"REFUSED_EVENTS_URL": args.delivery.dead_letter_uri or dead_letters_url(args.namespace)}


def broker_url(args: PlatformSettings) -> str:
    """Return where events are sent, as pods reach it."""
    found = args.delivery.broker_uri
    if args.delivery.over_amqp:
        return found or consumer_manifests.url(args.namespace)
    return found or naming.broker_url(args.environment, args.namespace)


def _emits(args: PlatformSettings) -> tuple[str, ...]:
    """Return what is told: CDEvents too where Receivers of Flux take nothing else."""
    wanted = args.gitops.enabled and args.gitops.receiver == flux.CDEVENTS
    return tuple(dict.fromkeys((*args.delivery.emits, *([emitted.CDEVENTS] if wanted else []))))


def broker(args: PlatformSettings, namespace: pulumi.Output[str]) -> BrokerArgs:
    """Return which Broker, and what it brings to the service."""
    return BrokerArgs(
        broker_name=naming.broker_name(args.environment),
        namespace=namespace,
        rabbitmq_cluster=args.rabbitmq.cluster,
        rabbitmq_namespace=args.rabbitmq.namespace,
        event_types=EVENT_TYPES,
        subscriber_uri=args.delivery.subscriber_uri,
        dead_letter_uri=args.delivery.dead_letter_uri,
    )


def dead_letters(
    args: PlatformSettings, capacity: Capacity, namespace: pulumi.Output[str], backing: Backing
) -> DeadLettersArgs:
    """Return what the handler of dead letters runs with."""
    return DeadLettersArgs(
        **_amqp_program(args, capacity, namespace),
        queue=naming.dead_letter_queue(args.environment),
        target_queue=naming.events_queue(args.environment),
        replay_seconds=args.delivery.dead_letter_replay_seconds,
        has_tokens=args.service.api_tokens is not None,
        credentials_secret=backing.amqp_handler_secret,
    )


def consumer(
    args: PlatformSettings, capacity: Capacity, namespace: pulumi.Output[str], backing: Backing
) -> ConsumerArgs:
    """Return what the consumer runs with."""
    return ConsumerArgs(
        **_amqp_program(args, capacity, namespace),
        queue=naming.events_queue(args.environment),
        subscriber_url=args.delivery.subscriber_uri or f"http://{SERVICE}.{args.namespace}.svc.cluster.local",
        event_types=EVENT_TYPES,
        credentials_secret=backing.amqp_consumer_secret,
    )


def _amqp_program(
    args: PlatformSettings, capacity: Capacity, namespace: pulumi.Output[str]
) -> dict[str, Any]:
    """Return what programs before RabbitMQ have in common."""
    return {
        "namespace": namespace,
        "namespace_name": args.namespace,
        "environment": args.environment,
        "image": args.service_image,
        "replicas": capacity.dead_letter_pods,
        "amqp_host": amqp_host(args.rabbitmq.cluster, args.rabbitmq.namespace),
        "amqp_port": amqp_port(args.tls.enabled),
        "tls_secret": tls_secret(args),
        "pull_secret": _pull_secret(args),
    }


def _pull_secret(args: PlatformSettings) -> str:
    """Return the Secret that images are pulled with, made here or from a store; empty: none is needed."""
    return PULL_SECRET if args.registry.pull_config is not None or args.secrets.holds(REGISTRY) else ""


def network(args: PlatformSettings, namespace: pulumi.Output[str]) -> NetworkArgs:
    """Return where the neighbours are."""
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
        scan_database=args.scan.database if args.scan.image else "",
        flux_namespace=args.gitops.namespace if args.gitops.triggers else "",
        otlp_endpoint=args.observability.otlp_endpoint,
        subscriber_uri=args.delivery.subscriber_uri,
        broker_uri=args.delivery.broker_uri,
        sink_uris=tuple(
            filter(None, (args.delivery.sink_uri, args.delivery.scheduler_uri, args.functions.prometheus_uri))
        ),
        dead_letter_uri=args.delivery.dead_letter_uri,
        consumer=args.delivery.over_amqp,
    )


def gitops(args: PlatformSettings, namespace: pulumi.Output[str]) -> GitopsArgs:
    """Return what Flux hears of."""
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


def observability(args: PlatformSettings, namespace: pulumi.Output[str]) -> ObservabilityArgs:
    """Return what is watched, and by which thresholds."""
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
            consumer=args.delivery.over_amqp,
            **({"runbook": watching.runbook_url} if watching.runbook_url else {}),
        ),
        labels=dict(watching.labels),
        dashboard_labels=dict(watching.dashboard_labels),
        rabbitmq_ca_secret=tls_secret(args) if args.tls.only else "",
    )


def admission(args: PlatformSettings) -> AdmissionArgs:
    """Return what the API server refuses."""
    return AdmissionArgs(namespace=args.namespace, allowed_registries=args.allowed_registries)
