"""The automation service in its environment: its pods, how many there are, how they are reached.

Everything that is applied here carries what the network policies, the Triggers and Prometheus go by: the
label `app.kubernetes.io/component: service` and the Service's name.
"""

from typing import TYPE_CHECKING, Any, Final

from components.capacity import Capacity
from components.manifests.access import SERVICE_ACCOUNT
from components.manifests.metadata import Manifest, object_meta, platform_labels, resources, restricted
from components.manifests.network import HTTP, SECURE_HTTP
from components.manifests.service_environment import (
    ATTESTATION_FOLDER,
    ATTESTATION_KEY,
    KEYS,
    KEYS_FOLDER,
    TLS_FOLDER,
    TOKENS,
    TOKENS_FOLDER,
    environment,
)
from components.manifests.workload import HTTP_PORT, NO_WAIT, http_service

if TYPE_CHECKING:
    from components.service import ServiceArgs

NAME: Final = "knative-lambda-builder"
"""Of Deployment, Service, autoscaler and disruption budget: the contract's, section 4.2."""

PORT_NAME: Final = HTTP_PORT
SECURE_PORT_NAME: Final = "https"
TLS_SECRET: Final = f"{NAME}-tls"
"""Made by cert-manager."""
TOKENS_SECRET: Final = "knative-lambda-api-tokens"  # noqa: S105 - an object's name
ATTESTATION_SECRET: Final = "knative-lambda-attestation-key"  # noqa: S105 - an object's name
KEYS_SECRET: Final = "knative-lambda-signature-keys"  # noqa: S105 - an object's name

_SHUTDOWN_SECONDS: Final = 30
"""From SIGTERM to the end of the work that was accepted: the service's own default, see docs/settings.md."""
_KILL_MARGIN_SECONDS: Final = 10
_KEPT_REVISIONS: Final = 5
_USER: Final = 1000
_TMP_SIZE: Final = "3Gi"
"""For build contexts on their way: what is not small waits on the disk until it is stored."""


def workload(args: "ServiceArgs") -> dict[str, Manifest]:
    """Return Deployment, Service and what goes with them, by role, as many pods as there may be."""
    capacity, reached = args.capacity, service(args.namespace, tls=args.tls)
    scales = {"autoscaler": autoscaler(args.namespace, capacity)} if _scales(capacity) else {}
    spare = {"disruption": disruption_budget(args.namespace, capacity)} if _has_spare(capacity) else {}
    return {"service": reached, "deployment": deployment(args), **scales, **spare}


def deployment(args: "ServiceArgs") -> Manifest:
    """Return the Deployment; where an autoscaler decides about the number of pods it names none."""
    labels = platform_labels("service")
    # NO_WAIT: the first update makes the registry that the image has yet to be pushed to.
    fixed = {} if _scales(args.capacity) else {"replicas": args.capacity.service_min_pods}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": object_meta(NAME, args.namespace, labels, NO_WAIT),
        "spec": {
            **fixed,
            "revisionHistoryLimit": _KEPT_REVISIONS,
            "selector": {"matchLabels": labels},
            # The quota has room for one pod more than the most.
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "template": {"metadata": {"labels": labels}, "spec": _pod(args, labels)},
        },
    }


def service(namespace: Any, *, tls: bool) -> Manifest:
    """Return the Service that the Triggers deliver to; with TLS it has a second port."""
    return http_service(NAME, "service", namespace, {SECURE_PORT_NAME: 443} if tls else {})


def autoscaler(namespace: Any, capacity: Capacity) -> Manifest:
    """Return what adds pods as the CPU of those that there are is used up."""
    load = {"type": "Utilization", "averageUtilization": capacity.service_cpu_percent}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": object_meta(NAME, namespace, platform_labels("service")),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": NAME},
            "minReplicas": capacity.service_min_pods,
            "maxReplicas": capacity.service_pods,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": load}}],
        },
    }


def disruption_budget(namespace: Any, capacity: Capacity) -> Manifest:
    """Return what lets a drain take one pod at a time, of the fewest that there are."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": object_meta(NAME, namespace, platform_labels("service")),
        "spec": {
            "minAvailable": capacity.service_min_pods - 1,
            "selector": {"matchLabels": platform_labels("service")},
            # A pod that is not ready guards nothing, and would hold the drain up for ever.
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    }


def _scales(capacity: Capacity) -> bool:
    return capacity.service_pods > capacity.service_min_pods


def _has_spare(capacity: Capacity) -> bool:
    """A budget for a single pod would only forbid to drain its node."""
    return capacity.service_min_pods > 1


def _pod(args: "ServiceArgs", labels: dict[str, str]) -> Manifest:
    return {
        "serviceAccountName": SERVICE_ACCOUNT,
        "automountServiceAccountToken": True,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": _SHUTDOWN_SECONDS + _KILL_MARGIN_SECONDS,
        "securityContext": {
            "fsGroup": _USER,
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "topologySpreadConstraints": [
            _spread(labels, topology)
            for topology in ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
        ],
        "containers": [_container(args)],
        "volumes": [
            {"name": "tmp", "emptyDir": {"sizeLimit": _TMP_SIZE}},
            *(_secret_volume(name, secret) for name, (secret, _) in _files(args).items()),
        ],
    }


def _files(args: "ServiceArgs") -> dict[str, tuple[str, str]]:
    """Return the Secrets that come as files, with their folders, by the volume's name."""
    tokens = {TOKENS: (TOKENS_SECRET, TOKENS_FOLDER)} if args.api_tokens is not None else {}
    keys = {KEYS: (KEYS_SECRET, KEYS_FOLDER)} if args.signature_keys is not None else {}
    attestation = {ATTESTATION_KEY: (ATTESTATION_SECRET, ATTESTATION_FOLDER)}
    signing = attestation if args.attestation_key is not None else {}
    tls = {"tls": (TLS_SECRET, TLS_FOLDER)} if args.tls else {}
    return {**tokens, **keys, **signing, **tls}


def _secret_volume(name: str, secret: str) -> Manifest:
    """Return a Secret as files, which the kubelet renews while the pod runs; their group is the pod's."""
    return {"name": name, "secret": {"secretName": secret, "defaultMode": 0o440}}


def _container(args: "ServiceArgs") -> Manifest:
    size = args.capacity.service
    return {
        "name": "service",
        "image": args.image,
        "ports": [
            {"name": name, "containerPort": port, "protocol": "TCP"}
            for name, port in ((PORT_NAME, HTTP), (SECURE_PORT_NAME, SECURE_HTTP))
            if args.tls or port == HTTP
        ],
        "env": environment(args),
        "resources": resources(
            (f"{size.cpu_requests}m", f"{size.memory_requests}Mi"),
            (f"{size.cpu_limits}m", f"{size.memory_limits}Mi"),
        ),
        "livenessProbe": _probe("/health", delay=30, period=10, timeout=5),
        "readinessProbe": _probe("/ready", delay=10, period=5, timeout=3),
        "securityContext": restricted(_USER),
        "volumeMounts": _mounts(args),
    }


def _mounts(args: "ServiceArgs") -> list[Manifest]:
    tmp = {"name": "tmp", "mountPath": "/tmp"}  # noqa: S108 - inside the container
    files = _files(args).items()
    return [tmp, *({"name": name, "mountPath": folder, "readOnly": True} for name, (_, folder) in files)]


def _probe(path: str, *, delay: int, period: int, timeout: int) -> Manifest:
    """Return a probe of the contract, section 8; times in seconds."""
    return {
        "httpGet": {"path": path, "port": PORT_NAME},
        "initialDelaySeconds": delay,
        "periodSeconds": period,
        "timeoutSeconds": timeout,
        "failureThreshold": 3,
    }


def _spread(labels: dict[str, str], topology: str) -> Manifest:
    """Spread each version's pods as well as the nodes allow; a pod in a crowd is better than none."""
    return {
        "maxSkew": 1,
        "topologyKey": topology,
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": labels},
        "matchLabelKeys": ["pod-template-hash"],
    }
