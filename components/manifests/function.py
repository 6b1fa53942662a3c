"""The objects of one function: its identity, its configuration and its Knative Service."""

import hashlib
import json
from typing import TYPE_CHECKING, Final

from components.manifests.metadata import Manifest, function_labels, object_meta, resources, restricted
from components.manifests.trigger import Delivery, sink, trigger

if TYPE_CHECKING:
    from components.function import FunctionArgs

PORT: Final = 8080
NUMBER: Final = "build.notifi.network/revision"
"""Annotation of a Service: the number of the deployment that it was applied for."""
ROLLOUT: Final = "build.notifi.network/rollout"
PENDING: Final = "pending"
"""Label, and its value, of Services whose rollout is watched; the only ones that are looked for."""
START_EVENT: Final = "network.notifi.lambda.parser.start"
SERVING: Final = "serving.knative.dev/v1"

_CONTAINER: Final = "function"
_WHOLE: Final = 100
_TIMEOUT_MARGIN: Final = 30
"""Seconds that Knative waits beyond the wrapper's timeout, so that the wrapper's own answer gets through."""


def config_name(name: str) -> str:
    """Return the name of the ConfigMap that belongs to a function."""
    return f"{name}-config"


def service_account(args: "FunctionArgs") -> Manifest:
    """Return the function's own identity, which may do nothing and gets no token."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": object_meta(args.function_name, args.namespace, _labels(args)),
        "automountServiceAccountToken": False,
        **({"imagePullSecrets": [{"name": args.pull_secret}]} if args.pull_secret else {}),
    }


def config_map(args: "FunctionArgs") -> Manifest:
    """Return the function's configuration, read by its container as environment variables."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": object_meta(config_name(args.function_name), args.namespace, _labels(args)),
        "data": environment(args),
    }


def environment(args: "FunctionArgs") -> dict[str, str]:
    """Return the function's environment variables."""
    return {
        "THIRD_PARTY_ID": args.third_party_id,
        "PARSER_ID": args.parser_id,
        "FUNCTION_NAME": args.function_name,
        "FUNCTION_NAMESPACE": args.namespace,
        "HANDLER": args.handler,
        "TIMEOUT_SECONDS": str(args.timeout_seconds),
        "LOG_LEVEL": args.log_level,
        "BROKER_URL": args.broker_url,
    }


def knative_service(args: "FunctionArgs") -> Manifest:
    """Return the Knative Service: reachable inside the cluster only, from zero to `max_scale` pods."""
    labels = {**_labels(args), "networking.knative.dev/visibility": "cluster-local"}
    labels |= {ROLLOUT: PENDING} if args.pending else {}
    annotations = {NUMBER: str(args.number)} if args.number else None
    return {
        "apiVersion": SERVING,
        "kind": "Service",
        "metadata": object_meta(args.function_name, args.namespace, labels, annotations),
        "spec": {
            "template": {
                "metadata": {"labels": _labels(args), "annotations": _revision_annotations(args)},
                "spec": _pod(args),
            },
            **({"traffic": _traffic(args)} if args.percent < _WHOLE else {}),
        },
    }


def _traffic(args: "FunctionArgs") -> list[Manifest]:
    """Return the split; both have a tag, so that either can be called on purpose."""
    newest = {"latestRevision": True, "percent": args.percent, "tag": "canary"}
    stable = {"revisionName": args.stable_revision, "percent": _WHOLE - args.percent, "tag": "stable"}
    return [stable, newest]


def start_trigger(args: "FunctionArgs") -> Manifest:
    """Return the Trigger that brings the function its parser.start events."""
    return trigger(
        name=args.function_name,
        namespace=args.namespace,
        labels=_labels(args),
        broker=args.broker,
        attributes={
            "type": START_EVENT,
            "source": f"network.notifi.{args.third_party_id}",
            "subject": args.parser_id,
        },
        subscriber=sink(args.namespace, service=args.function_name, api_version=SERVING),
        delivery=Delivery(
            # A delivery that ends before its call does would be repeated beside it.
            timeout=f"PT{args.timeout_seconds + _TIMEOUT_MARGIN}S",
            dead_letter_uri=args.dead_letter_uri,
            dead_letter_service=args.dead_letter_service,
        ),
    )


def _labels(args: "FunctionArgs") -> dict[str, str]:
    return function_labels(args.third_party_id, args.parser_id, "function")


def _revision_annotations(args: "FunctionArgs") -> dict[str, str]:
    return {
        "autoscaling.knative.dev/class": "kpa.autoscaling.knative.dev",
        "autoscaling.knative.dev/metric": "concurrency",
        "autoscaling.knative.dev/target": str(args.target_concurrency),
        "autoscaling.knative.dev/min-scale": str(args.min_scale),
        "autoscaling.knative.dev/max-scale": str(args.max_scale),
        "autoscaling.knative.dev/scale-down-delay": f"{args.scale_down_delay_seconds}s",
        # A pod reads its ConfigMap when it starts: changed values need a new revision.
        "build.notifi.network/config-hash": _config_hash(args),
    }


def _own_environment(args: "FunctionArgs") -> list[Manifest]:
    """Return what must not change under an older revision, as it would in the ConfigMap that they share."""
    plain = [{"name": name, "value": value.replace("$(", "$$(")} for name, value in args.variables]
    return plain + [
        {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}
        for name, secret, key in args.secret_variables
    ]


def _config_hash(args: "FunctionArgs") -> str:
    return hashlib.sha256(json.dumps(environment(args), sort_keys=True).encode()).hexdigest()[:16]


def _pod(args: "FunctionArgs") -> Manifest:
    return {
        "serviceAccountName": args.function_name,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "containerConcurrency": args.container_concurrency,
        "timeoutSeconds": args.timeout_seconds + _TIMEOUT_MARGIN,
        "containers": [
            {
                "name": _CONTAINER,
                "image": args.image,
                **({"env": own} if (own := _own_environment(args)) else {}),
                "ports": [{"name": "http1", "containerPort": PORT}],
                "envFrom": [{"configMapRef": {"name": config_name(args.function_name)}}],
                "readinessProbe": {"httpGet": {"path": "/health", "port": PORT}, "periodSeconds": 10},
                "resources": resources(args.requests, args.limits),
                "securityContext": restricted(),
                "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108 - inside the container
            }
        ],
        "volumes": [{"name": "tmp", "emptyDir": {}}],
    }
