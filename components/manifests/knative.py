"""Knative Serving and Eventing of a cluster, as the Knative operator takes them.

The keys below `config` are those of Knative's ConfigMaps without their `config-` (operator.knative.dev,
KnativeServing `spec.config`); all their values are texts.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from components.manifests.metadata import Manifest, object_meta, platform_labels

if TYPE_CHECKING:
    from components.knative import KnativeArgs

SERVING: Final = "knative-serving"
EVENTING: Final = "knative-eventing"

INGRESSES: Final[Mapping[str, str]] = {
    "kourier": "kourier.ingress.networking.knative.dev",
    "istio": "istio.ingress.networking.knative.dev",
    "contour": "contour.ingress.networking.knative.dev",
}
"""Ingress classes by the name that the operator has for them."""

REPLICAS: Final[Mapping[str, int]] = {"dev": 1, "stg": 2, "prd": 3}
"""Of each of Knative's own controllers and webhooks, by environment."""

_ONLY_INSIDE: Final = {"svc.cluster.local": ""}
"""With the cluster's own domain as the default one, every Knative Service is reachable inside only."""


def serving(args: "KnativeArgs") -> Manifest:
    """Return Knative Serving: scales to zero, answers inside the cluster only, no outside gateway."""
    return {
        "apiVersion": "operator.knative.dev/v1beta1",
        "kind": "KnativeServing",
        "metadata": object_meta(SERVING, args.serving_namespace, platform_labels("knative")),
        "spec": {
            "high-availability": {"replicas": args.replicas},
            "ingress": {name: _ingress(name, args.ingress) for name in INGRESSES},
            "config": {
                "autoscaler": _autoscaler(),
                "defaults": _defaults(),
                "deployment": _deployment(args),
                "domain": _ONLY_INSIDE,
                "features": _features(),
                "network": {"ingress-class": INGRESSES[args.ingress]},
            },
        },
    }


def eventing(args: "KnativeArgs") -> Manifest:
    """Return Knative Eventing with RabbitMQ as the class of Brokers that name none."""
    return {
        "apiVersion": "operator.knative.dev/v1beta1",
        "kind": "KnativeEventing",
        "metadata": object_meta(EVENTING, args.eventing_namespace, platform_labels("knative")),
        "spec": {
            "high-availability": {"replicas": args.replicas},
            "defaultBrokerClass": "RabbitMQBroker",
        },
    }


def _ingress(name: str, chosen: str) -> Manifest:
    inside = {"service-type": "ClusterIP"} if name == chosen == "kourier" else {}
    return {"enabled": name == chosen, **inside}


def _autoscaler() -> dict[str, str]:
    """Return what holds for functions that say nothing else, contract section 4.1."""
    return {
        "enable-scale-to-zero": "true",
        "scale-to-zero-grace-period": "30s",
        "container-concurrency-target-percentage": "70",
        "panic-threshold-percentage": "200",
        "panic-window-percentage": "10",
        "max-scale": "10",
    }


def _defaults() -> dict[str, str]:
    """Return the timeouts; the longest is a function's own hard limit of 300 s with what we wait beyond."""
    return {"revision-timeout-seconds": "300", "max-revision-timeout-seconds": "600"}


def _deployment(args: "KnativeArgs") -> dict[str, str]:
    """Return how revisions' pods are made; queue-proxy's share is what quotas count for it."""
    given = {
        "queue-sidecar-cpu-request": "25m",
        "queue-sidecar-memory-request": "64Mi",
        "queue-sidecar-cpu-limit": "200m",
        "queue-sidecar-memory-limit": "128Mi",
        "progress-deadline": "600s",
    }
    if args.untagged_registries:
        # Knative asks the registry for a tag's digest over HTTPS; one that speaks HTTP only cannot answer.
        given["registries-skipping-tag-resolving"] = ",".join(args.untagged_registries)
    return given


def _features() -> dict[str, str]:
    """Return what a pod's specification has to be allowed to hold: functions have an empty folder as /tmp."""
    return {"kubernetes.podspec-volumes-emptydir": "enabled"}
