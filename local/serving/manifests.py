"""The objects that Serving makes of a Knative Service: Configuration, Route, Revision, pods. Pure."""

import copy
import secrets
from collections.abc import Mapping

from local.apiserver.kinds import CONFIGURATION, KSERVICE, REVISION, ROUTE
from local.node.objects import Json, owner_reference

DOMAIN = "serving.knative.dev"
SERVICE_LABEL = f"{DOMAIN}/service"
CONFIGURATION_LABEL = f"{DOMAIN}/configuration"
GENERATION_LABEL = f"{DOMAIN}/configurationGeneration"
REVISION_LABEL = f"{DOMAIN}/revision"
DEFAULT_TIMEOUT_SECONDS = 300
_DEFAULT_PORT = 8080
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_NAME_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


def _metadata(ksvc: Json) -> Json:
    metadata = ksvc["metadata"]
    annotations = {
        name: text for name, text in (metadata.get("annotations") or {}).items() if name != _LAST_APPLIED
    }
    return {
        "name": metadata["name"],
        "namespace": metadata["namespace"],
        "labels": {
            **(metadata.get("labels") or {}),
            SERVICE_LABEL: metadata["name"],
            f"{DOMAIN}/serviceUID": metadata["uid"],
        },
        "annotations": annotations,
        "ownerReferences": [owner_reference(KSERVICE, ksvc)],
    }


def configuration_of(ksvc: Json) -> Json:
    """Return the Configuration that a Service wants."""
    return {
        "apiVersion": CONFIGURATION.api_version,
        "kind": CONFIGURATION.kind,
        "metadata": _metadata(ksvc),
        "spec": {"template": copy.deepcopy(ksvc["spec"]["template"])},
    }


def route_of(ksvc: Json) -> Json:
    """Return the Route that a Service wants: all traffic to the latest revision, where it says nothing."""
    traffic = copy.deepcopy(ksvc["spec"].get("traffic")) or [{"latestRevision": True, "percent": 100}]
    for target in traffic:
        if not target.get("revisionName"):
            target |= {"latestRevision": True, "configurationName": ksvc["metadata"]["name"]}
    return {
        "apiVersion": ROUTE.api_version,
        "kind": ROUTE.kind,
        "metadata": _metadata(ksvc),
        "spec": {"traffic": traffic},
    }


def revision_name(configuration: Json) -> str:
    """Return the name of the revision of a Configuration's present generation."""
    template = configuration["spec"]["template"].get("metadata") or {}
    metadata = configuration["metadata"]
    return str(template.get("name") or f"{metadata['name']}-{metadata['generation']:05d}")


def revision_of(configuration: Json) -> Json:
    """Return the Revision of a Configuration's present generation."""
    metadata, template = configuration["metadata"], configuration["spec"]["template"]
    own = template.get("metadata") or {}
    return {
        "apiVersion": REVISION.api_version,
        "kind": REVISION.kind,
        "metadata": {
            "name": revision_name(configuration),
            "namespace": metadata["namespace"],
            "labels": {
                **(own.get("labels") or {}),
                SERVICE_LABEL: metadata["labels"][SERVICE_LABEL],
                f"{DOMAIN}/serviceUID": metadata["labels"][f"{DOMAIN}/serviceUID"],
                CONFIGURATION_LABEL: metadata["name"],
                f"{DOMAIN}/configurationUID": metadata["uid"],
                GENERATION_LABEL: str(metadata["generation"]),
            },
            "annotations": own.get("annotations") or {},
            "ownerReferences": [owner_reference(CONFIGURATION, configuration)],
        },
        "spec": _revision_spec(template["spec"]),
    }


def _revision_spec(spec: Json) -> Json:
    result = copy.deepcopy(spec)
    result.setdefault("containerConcurrency", 0)
    result.setdefault("timeoutSeconds", DEFAULT_TIMEOUT_SECONDS)
    result.setdefault("enableServiceLinks", False)
    for index, container in enumerate(result["containers"]):
        container.setdefault(
            "name", "user-container" if len(result["containers"]) == 1 else f"user-container-{index}"
        )
    serving = serving_container(result)
    port = serving_port(result)
    probe = serving.setdefault("readinessProbe", {"tcpSocket": {"port": port}, "successThreshold": 1})
    action = probe.get("httpGet") or probe.get("tcpSocket")
    if action is not None and not action.get("port"):
        action["port"] = port
    return result


def serving_container(spec: Json) -> Json:
    """Return the container that takes the requests: the one with a port, or the only one."""
    containers: list[Json] = spec["containers"]
    return next((container for container in containers if container.get("ports")), containers[0])


def serving_port(spec: Json) -> int:
    """Return the port that requests go to."""
    ports = serving_container(spec).get("ports") or [{}]
    return int(ports[0].get("containerPort") or _DEFAULT_PORT)


def pod_of(revision: Json, digests: Mapping[str, str]) -> Json:
    """Return a new pod of a revision; `digests` are the resolved images by container name."""
    metadata = revision["metadata"]
    labels = metadata["labels"]
    suffix = "".join(secrets.choice(_NAME_ALPHABET) for _ in range(5))
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{metadata['name']}-deployment-{suffix}",
            "namespace": metadata["namespace"],
            "labels": {
                **labels,
                "app": metadata["name"],
                REVISION_LABEL: metadata["name"],
                f"{DOMAIN}/revisionUID": metadata["uid"],
            },
            "annotations": metadata.get("annotations") or {},
            "ownerReferences": [owner_reference(REVISION, revision)],
        },
        "spec": _pod_spec(revision, digests),
    }


def _pod_spec(revision: Json, digests: Mapping[str, str]) -> Json:
    spec = copy.deepcopy(revision["spec"])
    for serving_only in ("containerConcurrency", "responseStartTimeoutSeconds", "idleTimeoutSeconds"):
        spec.pop(serving_only, None)
    timeout = spec.pop("timeoutSeconds", DEFAULT_TIMEOUT_SECONDS)
    spec["terminationGracePeriodSeconds"] = timeout
    spec["restartPolicy"] = "Always"
    port = serving_port(spec)
    serving = serving_container(spec)
    serving["ports"] = [{"name": "user-port", "containerPort": port, "protocol": "TCP"}]
    given = {
        "PORT": str(port),
        "K_REVISION": revision["metadata"]["name"],
        "K_CONFIGURATION": revision["metadata"]["labels"][CONFIGURATION_LABEL],
        "K_SERVICE": revision["metadata"]["labels"][SERVICE_LABEL],
    }
    named = [{"name": name, "value": value} for name, value in given.items()]
    for container in spec["containers"]:
        container.setdefault("terminationMessagePolicy", "FallbackToLogsOnError")
        container["image"] = digests.get(container["name"], container["image"])
        own = [entry for entry in container.get("env", ()) if entry["name"] not in given]
        container["env"] = [*own, *named]
    return dict(spec)
