"""The handler of dead letters: where Broker and Triggers send what nobody took.

Its pods carry the labels that network policies and Prometheus go by: `app.kubernetes.io/component:
dead-letters`, metrics on port 8080 at /metrics.
"""

from typing import TYPE_CHECKING, Any, Final

from components.manifests.metadata import Manifest, object_meta, platform_labels, resources, restricted
from components.manifests.network import HTTP
from components.manifests.quota import DEAD_LETTERS
from components.manifests.service import TOKENS_SECRET
from components.manifests.service_environment import TOKENS, TOKENS_FOLDER
from components.manifests.topology import DEAD_LETTERS as EXCHANGE
from components.manifests.topology import EVENTS
from components.manifests.trigger import Delivery
from components.manifests.workload import NO_WAIT, http_service

if TYPE_CHECKING:
    from components.dead_letters import DeadLettersArgs

NAME: Final = "knative-lambda-dlq-handler"
"""Of account, Deployment, Service and disruption budget: the contract's, section 4.4."""

_USER: Final = 1000
_CREDENTIALS: Final = "/etc/rabbitmq/credentials"
_TRUST: Final = "/etc/rabbitmq/trust"
_SHUTDOWN_SECONDS: Final = 40
"""A letter in hand is stored or refused within 25 seconds; then connections are closed."""


def sink_url(namespace: str) -> str:
    """Return where the handler takes letters, inside the cluster."""
    return f"http://{NAME}.{namespace}.svc.cluster.local"


def account(namespace: Any) -> Manifest:
    """Return the handler's account, which may do nothing and gets no token."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": object_meta(NAME, namespace, platform_labels("dead-letters")),
        "automountServiceAccountToken": False,
    }


def service(namespace: Any) -> Manifest:
    """Return the Service that is the dead letter sink."""
    return http_service(NAME, "dead-letters", namespace)


def disruption_budget(namespace: Any) -> Manifest:
    """Return the budget: a drain takes one pod at a time. Dispatchers give a letter up after some minutes."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": object_meta(NAME, namespace, platform_labels("dead-letters")),
        "spec": {
            "maxUnavailable": 1,
            "selector": {"matchLabels": platform_labels("dead-letters")},
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    }


def deployment(args: "DeadLettersArgs") -> Manifest:
    """Return the Deployment."""
    labels = platform_labels("dead-letters")
    # RabbitMQ's operator makes the Secret that its pods wait for, some minutes after the update has ended.
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": object_meta(NAME, args.namespace, labels, NO_WAIT),
        "spec": {
            "replicas": args.replicas,
            "revisionHistoryLimit": 5,
            "selector": {"matchLabels": labels},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "template": {"metadata": {"labels": labels}, "spec": _pod(args, labels)},
        },
    }


def _pod(args: "DeadLettersArgs", labels: dict[str, str]) -> Manifest:
    trust = [_secret_volume("trust", args.tls_secret, "ca.crt")] if args.tls_secret else []
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": labels},
    }
    return {
        "serviceAccountName": NAME,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": _SHUTDOWN_SECONDS,
        "securityContext": {
            "fsGroup": _USER,
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "topologySpreadConstraints": [spread],
        **({"imagePullSecrets": [{"name": args.pull_secret}]} if args.pull_secret else {}),
        "containers": [_container(args)],
        "volumes": [
            _secret_volume("credentials", args.credentials_secret, "username", "password"),
            *trust,
            *([_secret_volume(TOKENS, TOKENS_SECRET, TOKENS)] if args.has_tokens else []),
            {"name": "tmp", "emptyDir": {"sizeLimit": "16Mi"}},
        ],
    }


def _container(args: "DeadLettersArgs") -> Manifest:
    mounts = [
        _mount("credentials", _CREDENTIALS),
        *([_mount("trust", _TRUST)] if args.tls_secret else []),
        *([_mount(TOKENS, TOKENS_FOLDER)] if args.has_tokens else []),
    ]
    return {
        "name": "dead-letters",
        "image": args.image,
        "command": ["python", "-m", "service.dead_letters"],
        "ports": [{"name": "http", "containerPort": HTTP, "protocol": "TCP"}],
        "env": [{"name": name, "value": value} for name, value in _environment(args).items()],
        "resources": resources(
            (f"{DEAD_LETTERS.cpu_requests}m", f"{DEAD_LETTERS.memory_requests}Mi"),
            (f"{DEAD_LETTERS.cpu_limits}m", f"{DEAD_LETTERS.memory_limits}Mi"),
        ),
        "startupProbe": {**_probe("/health", period=2, timeout=1), "failureThreshold": 30},
        "livenessProbe": _probe("/health", period=10, timeout=5),
        "readinessProbe": _probe("/ready", period=5, timeout=3),
        "securityContext": restricted(_USER),
        "volumeMounts": [*mounts, {"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108 - in the container
    }


def _environment(args: "DeadLettersArgs") -> dict[str, str]:
    return {
        **({"API_TOKENS_FILE": f"{TOKENS_FOLDER}/{TOKENS}"} if args.has_tokens else {}),
        "DELIVERY_RETRIES": str(Delivery.retry),
        "DLQ_EXCHANGE": EXCHANGE,
        "DLQ_NAME": args.queue,
        "ENVIRONMENT": args.environment,
        "LOG_LEVEL": args.log_level,
        **({"RABBITMQ_CA_FILE": f"{_TRUST}/ca.crt"} if args.tls_secret else {}),
        "RABBITMQ_PASSWORD_FILE": f"{_CREDENTIALS}/password",
        "RABBITMQ_URL": f"{'amqps' if args.tls_secret else 'amqp'}://{args.amqp_host}:{args.amqp_port}",
        "RABBITMQ_USERNAME_FILE": f"{_CREDENTIALS}/username",
        "REPLAY_INTERVAL_SECONDS": str(args.replay_seconds),
        "TARGET_EXCHANGE": EVENTS,
        "TARGET_QUEUE": args.target_queue,
    }


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
