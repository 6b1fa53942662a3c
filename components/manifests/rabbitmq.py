"""The RabbitMQ cluster of an environment, as its operator takes it.

Facts of the operator (rabbitmq/cluster-operator, internal/resource): `additionalConfig` is appended to
rabbitmq.conf; with `tls.secretName` AMQP is on 5671 and the default user's Secret says so; a `caSecretName`
of the same name takes `ca.crt` from the same Secret. It makes no PodDisruptionBudget.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from components.manifests.metadata import Manifest, object_meta, platform_labels, resources

if TYPE_CHECKING:
    from components.rabbitmq import RabbitmqArgs

MANAGEMENT: Final = 15672

_CONFIGURATION: Final = """\
consumer_timeout = 3600000
heartbeat = 60
"""
_TLS_CONFIGURATION: Final = """\
ssl_options.versions.1 = tlsv1.3
ssl_options.versions.2 = tlsv1.2
management.ssl.versions.1 = tlsv1.3
management.ssl.versions.2 = tlsv1.2
"""


@dataclass(frozen=True, kw_only=True)
class Size:
    """How large an environment's RabbitMQ is."""

    replicas: int
    """Nodes; quorum queues need three to go on without one."""
    requests: tuple[str, str]
    """CPU and memory that each node is guaranteed."""
    limits: tuple[str, str]
    """The most of both."""
    storage: str
    """Volume of each node."""


_CLUSTERED: Final = Size(replicas=3, requests=("500m", "2Gi"), limits=("1000m", "4Gi"), storage="20Gi")

SIZES: Final[Mapping[str, Size]] = {
    "dev": Size(replicas=1, requests=("100m", "256Mi"), limits=("500m", "512Mi"), storage="10Gi"),
    "stg": _CLUSTERED,
    "prd": _CLUSTERED,
}
"""By environment: contract section 4.3; it names no volumes, RabbitMQ stops at 2 GB that are left."""


def cluster(args: "RabbitmqArgs") -> Manifest:
    """Return the RabbitmqCluster; the platform's namespace may declare exchanges and queues in it."""
    annotations = {"rabbitmq.com/topology-allowed-namespaces": args.client_namespace}
    if args.tls_secret and not args.tls_only:
        # Else the topology operator asks port 15671, whose certificate it does not trust by itself.
        host = f"{args.cluster}.{args.namespace_name}.svc"
        annotations["rabbitmq.com/operator-connection-uri"] = f"http://{host}:{MANAGEMENT}"
    return {
        "apiVersion": "rabbitmq.com/v1beta1",
        "kind": "RabbitmqCluster",
        "metadata": object_meta(args.cluster, args.namespace, platform_labels("rabbitmq"), annotations),
        "spec": {
            "replicas": args.size.replicas,
            "resources": resources(args.size.requests, args.size.limits),
            "persistence": _persistence(args),
            "rabbitmq": {
                "additionalConfig": _CONFIGURATION + (_TLS_CONFIGURATION if args.tls_secret else "")
            },
            **_tls(args),
            **(_apart(args.cluster) if args.size.replicas > 1 else {}),
        },
    }


def configuration(tls: bool) -> str:
    """Return what rabbitmq.conf says beyond the operator's defaults."""
    return _CONFIGURATION + (_TLS_CONFIGURATION if tls else "")


def disruption_budget(args: "RabbitmqArgs") -> Manifest:
    """Return the budget that keeps a majority of the nodes: one may be drained at a time."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": object_meta(args.cluster, args.namespace, platform_labels("rabbitmq")),
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": _nodes(args.cluster)}},
    }


def hosts(cluster: str, namespace: str) -> list[str]:
    """Return the names that clients and nodes call the cluster by."""
    service = f"{cluster}.{namespace}"
    return [
        cluster,
        service,
        f"{service}.svc",
        f"{service}.svc.cluster.local",
        f"*.{cluster}-nodes.{namespace}",
        f"*.{cluster}-nodes.{namespace}.svc.cluster.local",
    ]


def amqp_host(cluster: str, namespace: str) -> str:
    """Return the name of the cluster's client Service."""
    return f"{cluster}.{namespace}.svc.cluster.local"


def _persistence(args: "RabbitmqArgs") -> Manifest:
    given = {"storageClassName": args.storage_class} if args.storage_class else {}
    return {"storage": args.size.storage, **given}


def _tls(args: "RabbitmqArgs") -> Manifest:
    if not args.tls_secret:
        return {}
    tls = {
        "secretName": args.tls_secret,
        "caSecretName": args.tls_secret,
        "disableNonTLSListeners": args.tls_only,
    }
    return {"tls": tls}


def _apart(name: str) -> Manifest:
    """Return that no two nodes share a machine, and that zones are shared evenly where there are some."""
    selector = {"matchLabels": _nodes(name)}
    apart = {"labelSelector": selector, "topologyKey": "kubernetes.io/hostname"}
    spread = {
        "maxSkew": 1,
        "topologyKey": "topology.kubernetes.io/zone",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": selector,
    }
    pod = {"containers": [], "topologySpreadConstraints": [spread]}
    return {
        "affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [apart]}},
        "override": {"statefulSet": {"spec": {"template": {"spec": pod}}}},
    }


def _nodes(name: str) -> dict[str, Any]:
    return {"app.kubernetes.io/name": name, "app.kubernetes.io/component": "rabbitmq"}
