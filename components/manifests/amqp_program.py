"""A program of the platform's own image before RabbitMQ, with credentials and trust from Secrets.

Its pods carry the label that network policies and Prometheus go by, `app.kubernetes.io/component`, and
serve metrics on port 8080 at /metrics.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from components.capacity import Compute
from components.manifests.metadata import Manifest, object_meta, platform_labels, resources, restricted
from components.manifests.network import HTTP
from components.manifests.service import TOKENS_SECRET
from components.manifests.service_environment import TOKENS, TOKENS_FOLDER
from components.manifests.workload import NO_WAIT, http_service

if TYPE_CHECKING:
    from components.amqp_program import AmqpProgramArgs

_USER: Final = 1000
_CREDENTIALS: Final = "/etc/rabbitmq/credentials"
_TRUST: Final = "/etc/rabbitmq/trust"


@dataclass(frozen=True, kw_only=True)
class Program:
    """Which program."""

    name: str
    """Of account, Deployment, Service and disruption budget."""
    component: str
    """The label `app.kubernetes.io/component`."""
    module: str
    """What Python runs."""
    compute: Compute
    """Of one pod."""
    shutdown_seconds: int
    """From SIGTERM to the kill."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """What it is told beside what all are told."""
    has_tokens: bool = False
    """Whether it is told the tokens of those who may ask it for more."""


def account(program: Program, namespace: Any) -> Manifest:
    """Return the program's account, which may do nothing and gets no token."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": object_meta(program.name, namespace, platform_labels(program.component)),
        "automountServiceAccountToken": False,
    }


def service(program: Program, namespace: Any) -> Manifest:
    """Return the Service that leads to it."""
    return http_service(program.name, program.component, namespace)


def disruption_budget(program: Program, namespace: Any) -> Manifest:
    """Return the budget: a drain takes one pod at a time."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": object_meta(program.name, namespace, platform_labels(program.component)),
        "spec": {
            "maxUnavailable": 1,
            "selector": {"matchLabels": platform_labels(program.component)},
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    }


def deployment(program: Program, args: "AmqpProgramArgs") -> Manifest:
    """Return the Deployment."""
    labels = platform_labels(program.component)
    # RabbitMQ's operator makes the Secret that its pods wait for, some minutes after the update has ended.
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": object_meta(program.name, args.namespace, labels, NO_WAIT),
        "spec": {
            "replicas": args.replicas,
            "revisionHistoryLimit": 5,
            "selector": {"matchLabels": labels},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "template": {"metadata": {"labels": labels}, "spec": _pod(program, args, labels)},
        },
    }


def _pod(program: Program, args: "AmqpProgramArgs", labels: dict[str, str]) -> Manifest:
    trust = [_secret_volume("trust", args.tls_secret, "ca.crt")] if args.tls_secret else []
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": labels},
    }
    return {
        "serviceAccountName": program.name,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": program.shutdown_seconds,
        "securityContext": {
            "fsGroup": _USER,
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "topologySpreadConstraints": [spread],
        **({"imagePullSecrets": [{"name": args.pull_secret}]} if args.pull_secret else {}),
        "containers": [_container(program, args)],
        "volumes": [
            _secret_volume("credentials", args.credentials_secret, "username", "password"),
            *trust,
            *([_secret_volume(TOKENS, TOKENS_SECRET, TOKENS)] if program.has_tokens else []),
            {"name": "tmp", "emptyDir": {"sizeLimit": "16Mi"}},
        ],
    }


def _container(program: Program, args: "AmqpProgramArgs") -> Manifest:
    compute = program.compute
    mounts = [
        _mount("credentials", _CREDENTIALS),
        *([_mount("trust", _TRUST)] if args.tls_secret else []),
        *([_mount(TOKENS, TOKENS_FOLDER)] if program.has_tokens else []),
    ]
    return {
        "name": program.component,
        "image": args.image,
        "command": ["python", "-m", program.module],
        "ports": [{"name": "http", "containerPort": HTTP, "protocol": "TCP"}],
        "env": [{"name": name, "value": value} for name, value in _environment(program, args).items()],
        "resources": resources(
            (f"{compute.cpu_requests}m", f"{compute.memory_requests}Mi"),
            (f"{compute.cpu_limits}m", f"{compute.memory_limits}Mi"),
        ),
        "startupProbe": {**_probe("/health", period=2, timeout=1), "failureThreshold": 30},
        "livenessProbe": _probe("/health", period=10, timeout=5),
        "readinessProbe": _probe("/ready", period=5, timeout=3),
        "securityContext": restricted(_USER),
        "volumeMounts": [*mounts, {"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108 - in the container
    }


def _environment(program: Program, args: "AmqpProgramArgs") -> dict[str, str]:
    scheme = "amqps" if args.tls_secret else "amqp"
    told = {
        **({"API_TOKENS_FILE": f"{TOKENS_FOLDER}/{TOKENS}"} if program.has_tokens else {}),
        "ENVIRONMENT": args.environment,
        "LOG_LEVEL": args.log_level,
        **({"RABBITMQ_CA_FILE": f"{_TRUST}/ca.crt"} if args.tls_secret else {}),
        "RABBITMQ_PASSWORD_FILE": f"{_CREDENTIALS}/password",
        "RABBITMQ_URL": f"{scheme}://{args.amqp_host}:{args.amqp_port}",
        "RABBITMQ_USERNAME_FILE": f"{_CREDENTIALS}/username",
        **program.variables,
    }
    return dict(sorted(told.items()))


def _secret_volume(name: str, secret: Any, *keys: str) -> Manifest:
    items = [{"key": key, "path": key} for key in keys]
    return {"name": name, "secret": {"secretName": secret, "defaultMode": 0o440, "items": items}}


def _mount(name: str, path: str) -> Manifest:
    return {"name": name, "mountPath": path, "readOnly": True}


def _probe(path: str, *, period: int, timeout: int) -> Manifest:
    return {
        "httpGet": {"path": path, "port": "http"},
        "periodSeconds": period,
        "timeoutSeconds": timeout,
        "failureThreshold": 3,
    }
