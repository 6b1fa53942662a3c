"""The pods that the platform's own manifests lead to, as Knative and the Job controller would make them."""

import copy
from collections.abc import Callable

from components.build import BuildArgs
from components.function import FunctionArgs
from components.manifests import function, kaniko
from tests.cluster.server import Manifest

REGISTRIES = ("registry.test", "gcr.io/knative-releases")


def function_objects(namespace: str) -> tuple[Manifest, Manifest]:
    """A function's Knative Service, and the pod that Knative would make of its template."""
    args = FunctionArgs(
        function_name="lambda-tp-p",
        namespace=namespace,
        third_party_id="tp",
        parser_id="p",
        image="registry.test/knative-lambdas@sha256:" + "a" * 64,
        broker="broker",
        broker_url="http://broker",
    )
    service = function.knative_service(args)
    template = service["spec"]["template"]
    keep = {
        "serviceAccountName",
        "automountServiceAccountToken",
        "enableServiceLinks",
        "containers",
        "volumes",
    }
    spec = {key: value for key, value in template["spec"].items() if key in keep}
    spec["containers"] = [*spec["containers"], queue_proxy()]
    return service, pod(namespace, "function", template["metadata"]["labels"], spec)


def queue_proxy() -> Manifest:
    """Knative's sidecar (serving, pkg/reconciler/revision/resources/queue.go), which names no limits."""
    return {
        "name": "queue-proxy",
        "image": "gcr.io/knative-releases/knative.dev/serving/cmd/queue@sha256:" + "b" * 64,
        "ports": [{"name": "queue-port", "containerPort": 8012}],
        "resources": {"requests": {"cpu": "25m"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }


def build_objects(namespace: str) -> tuple[Manifest, Manifest]:
    """A build's Job, and the pod that the Job controller would make of its template."""
    args = BuildArgs(
        job_name="kaniko-build-tp-p-00000000",
        namespace=namespace,
        third_party_id="tp",
        parser_id="p",
        build_id="b",
        content_hash="c" * 64,
        context_bucket="bucket",
        context_key="key",
        image="registry.test/i:1",
        cache_repository="registry.test/cache",
        executor_image="registry.test/kaniko:1",
        monitor_image="registry.test/monitor:1",
        broker_url="http://broker",
        region="us-west-2",
        correlation_id="c",
    )
    job = kaniko.job(args)
    template = job["spec"]["template"]
    return job, pod(namespace, "build", template["metadata"]["labels"], template["spec"])


def pod(namespace: str, name: str, labels: dict[str, str], spec: Manifest) -> Manifest:
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def changed(made: Manifest, change: Callable[[Manifest], object]) -> Manifest:
    """A copy of a pod whose spec was changed, with limits everywhere."""
    copied = copy.deepcopy(made)
    for container in copied["spec"]["containers"]:
        container["resources"].setdefault("limits", {"cpu": "100m", "memory": "128Mi"})
    change(copied["spec"])
    return copied


def relabelled(manifest: Manifest, component: str) -> Manifest:
    copied = copy.deepcopy(manifest)
    copied["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/component"] = component
    return copied
