"""What a namespace may use in all (ResourceQuota), and what a container gets that says nothing (LimitRange).

A quota counts everything in the namespace: the functions' and builds' pods, and the pods that the platform
itself needs for them. The contract's numbers are the functions' share; the others are added to it, computed
from what each pod asks for, so that the platform never takes the room that functions were promised.
"""

from typing import Any, Final

from components.capacity import Capacity, Compute
from components.manifests.broker import INGRESS
from components.manifests.metadata import Manifest, object_meta, platform_labels
from components.manifests.trigger import DISPATCHER

QUOTA: Final = "knative-lambda-quota"
LIMITS: Final = "knative-lambda-limits"

BUILD: Final = Compute(cpu_requests=600, memory_requests=1152, cpu_limits=2100, memory_limits=4224)
"""One build's pod: the executor and the monitor of `manifests.kaniko`, which a test compares."""

SCANNER: Final = Compute(cpu_requests=250, memory_requests=512, cpu_limits=1000, memory_limits=2048)
"""What a build's pod asks for beside that where images are scanned, see `manifests.scan`."""

DEAD_LETTERS: Final = Compute(cpu_requests=100, memory_requests=128, cpu_limits=100, memory_limits=128)
"""The handler of dead letters, contract section 4.4."""

CONSUMER: Final = Compute(cpu_requests=100, memory_requests=192, cpu_limits=1000, memory_limits=384)
"""The consumer: 60 MiB of the process, and events in hand, of some MiB each where they are big."""

_DISPATCHERS_PER_TRIGGER: Final = 2
"""eventing-rabbitmq runs one for the Trigger's queue and one for its dead letters, whatever the traffic."""

_BROKER_PODS: Final = 2
"""The Broker's ingress and its dispatcher of dead letters."""

_FIXED_PODS: Final = _BROKER_PODS + 1
"""Those, and the adapter of the RabbitmqSource."""


def platform_compute(capacity: Capacity, triggers: int, *, consumer: bool = False) -> Compute:
    """Return what the platform's own pods use, with `triggers` Triggers for the automation service.

    Every function adds its Trigger's dispatchers, and a rolling update one pod of the automation service and
    of the handler of dead letters. The adapter of the RabbitmqSource is as large as a dispatcher. With a
    consumer there are as many of its pods as of that handler, and none of Knative Eventing's.
    """
    letters = capacity.dead_letter_pods + 1
    own = DEAD_LETTERS.times(letters) + capacity.service.times(capacity.service_pods + 1)
    if consumer:
        return own + CONSUMER.times(letters)
    dispatchers = _DISPATCHERS_PER_TRIGGER * (triggers + capacity.functions)
    return own + INGRESS.times(_BROKER_PODS) + DISPATCHER.times(dispatchers + 1)


def resource_quota(
    namespace: Any, capacity: Capacity, triggers: int, *, consumer: bool = False, scanned: bool = False
) -> Manifest:
    """Return the quota: the functions' share, all builds at once, and the platform's own pods.

    Services are not counted: Knative makes three for a function and two more for each revision that it keeps
    (docs/decisions/0040). Functions are, and none may leave the cluster through a Service of its own.
    """
    platform = platform_compute(capacity, triggers, consumer=consumer)
    build = BUILD + SCANNER if scanned else BUILD
    total = _functions(capacity) + build.times(capacity.builds) + platform
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": object_meta(QUOTA, namespace, platform_labels("quota")),
        "spec": {
            "hard": {
                "requests.cpu": f"{total.cpu_requests}m",
                "requests.memory": f"{total.memory_requests}Mi",
                "limits.cpu": f"{total.cpu_limits}m",
                "limits.memory": f"{total.memory_limits}Mi",
                "pods": str(_pods(capacity, triggers, consumer=consumer)),
                "persistentvolumeclaims": str(capacity.volume_claims),
                "count/services.serving.knative.dev": str(capacity.functions),
                "services.loadbalancers": "0",
                "services.nodeports": "0",
            }
        },
    }


def limit_range(namespace: Any) -> Manifest:
    """Return the defaults of containers, and the most that one may ask for.

    Knative's queue-proxy asks for 25m CPU and nothing else unless the operator says more (serving,
    pkg/deployment/config.go); where a quota counts limits, a pod without limits is refused. The most is what
    Kaniko (memory) and a RabbitmqSource's adapter (CPU, pkg/reconciler/source/resources) ask for.
    """
    container = {
        "type": "Container",
        "default": {"cpu": "200m", "memory": "128Mi"},
        "defaultRequest": {"cpu": "25m", "memory": "64Mi"},
        "max": {"cpu": "4", "memory": "4Gi"},
    }
    return {
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": object_meta(LIMITS, namespace, platform_labels("quota")),
        "spec": {"limits": [container]},
    }


def _functions(capacity: Capacity) -> Compute:
    return Compute(
        cpu_requests=capacity.requests_cores * 1000,
        memory_requests=capacity.requests_gib * 1024,
        cpu_limits=capacity.limits_cores * 1000,
        memory_limits=capacity.limits_gib * 1024,
    )


def _pods(capacity: Capacity, triggers: int, *, consumer: bool) -> int:
    own = capacity.pods + capacity.builds + _own_pods(capacity)
    if consumer:
        return own + capacity.dead_letter_pods + 1
    return own + _DISPATCHERS_PER_TRIGGER * (triggers + capacity.functions) + _FIXED_PODS


def _own_pods(capacity: Capacity) -> int:
    """Return pods whose number does not depend on functions, with one of each Deployment to spare."""
    return capacity.service_pods + 1 + capacity.dead_letter_pods + 1
