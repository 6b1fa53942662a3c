"""What Flux is told, and what it may do: Receivers, Triggers, image scans, alerts, its account's rights."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from components.manifests.flux import CDEVENTS, GENERIC, HMAC, KINDS, FluxResource
from components.manifests.metadata import Manifest, object_meta, platform_labels
from components.manifests.trigger import Delivery, trigger
from components.naming import MAX_LABEL, cleaned, digest

if TYPE_CHECKING:
    from components.gitops import GitopsArgs

LIFECYCLE: Final = "lambda-lifecycle"
BUILD: Final = "build-complete"
SECURITY: Final = "security-alert"
RECEIVERS: Final = (LIFECYCLE, BUILD, SECURITY)

EVENTS: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    GENERIC: {
        LIFECYCLE: (
            "network.notifi.lambda.build.complete.reply",
            "network.notifi.lambda.service.delete.reply",
            "io.knative.lambda.command.service.delete.reply",
            "io.knative.lambda.lifecycle.function.ready",
        ),
        BUILD: ("network.notifi.lambda.build.complete", "io.knative.lambda.lifecycle.build.completed"),
        SECURITY: ("io.knative.lambda.notification.alert.critical",),
    },
    CDEVENTS: {
        LIFECYCLE: ("dev.cdevents.service.deployed.0.2.0", "dev.cdevents.service.removed.0.2.0"),
        BUILD: ("dev.cdevents.artifact.published.0.2.0",),
        SECURITY: ("dev.cdevents.incident.detected.0.2.0",),
    },
    HMAC: {LIFECYCLE: (), BUILD: (), SECURITY: ()},
}
"""Types that each Receiver gets from the Broker, by the Receiver's type.

A function is ready, or gone, when the service has answered; CDEvents are those of the specification 0.4
(cdevents/sdk-go, pkg/api/v04).
"""

IMAGE_TAGS: Final = r"^.+-[0-9a-f]{8}$"
"""Tags of functions' images: the function, and the digest of its content."""

_ECR: Final = re.compile(r"\d{12}\.dkr\.ecr\.")
_NOTIFICATION: Final = "notification.toolkit.fluxcd.io"
_IMAGE: Final = "image.toolkit.fluxcd.io/v1"
_SCAN_INTERVAL: Final = "10m"
_APPLY: Final = ["get", "list", "watch", "create", "patch", "delete"]
"""What Flux's kustomize-controller does as the account that it is told to be."""


def receiver_name(receiver: str, environment: str) -> str:
    """Return the name of a Receiver: environments of one cluster share Flux's namespace."""
    return f"{receiver}-{environment}"


def token_secret(args: "GitopsArgs") -> str:
    """Return the name of the Secret with the Receivers' token, under `token`."""
    return args.token_secret or f"knative-lambda-webhooks-{args.environment}"


def alert_secret(environment: str) -> str:
    """Return the name of the Secret with the address of alerts, under `address`."""
    return f"knative-lambda-alerts-{environment}"


def images_name(environment: str) -> str:
    """Return the name of the ImageRepository and the ImagePolicy of functions' images."""
    return f"lambda-images-{environment}"


def account_name(environment: str) -> str:
    """Return the name of the account that Flux is to apply functions' manifests as."""
    return f"knative-lambda-gitops-{environment}"


def receivers(args: "GitopsArgs") -> dict[str, Manifest]:
    """Return the Receivers by what they are about."""
    return {receiver: _receiver(args, receiver) for receiver in RECEIVERS}


def _receiver(args: "GitopsArgs", receiver: str) -> Manifest:
    events = EVENTS[args.receiver][receiver] if args.receiver == CDEVENTS else ()
    return {
        "apiVersion": f"{_NOTIFICATION}/v1",
        "kind": "Receiver",
        "metadata": _meta(receiver_name(receiver, args.environment), args),
        "spec": {
            "type": args.receiver,
            **({"events": list(events)} if events else {}),
            "secretRef": {"name": token_secret(args)},
            "resources": [_reference(found, args) for found in _resources(args)[receiver]],
            **({"resourceFilter": _critical(args.receiver)} if receiver == SECURITY else {}),
        },
    }


def _resources(args: "GitopsArgs") -> dict[str, tuple[FluxResource, ...]]:
    images = FluxResource(kind="ImageRepository", name=images_name(args.environment))
    return {LIFECYCLE: args.lifecycle_resources, BUILD: (images,), SECURITY: args.security_resources}


def _reference(found: FluxResource, args: "GitopsArgs") -> Manifest:
    place = {"name": found.name, "namespace": found.namespace or args.flux_namespace}
    return {"apiVersion": KINDS[found.kind], "kind": found.kind, **place}


def _critical(receiver: str) -> str:
    """Return the condition under which an alert's body asks for a remediation, in CEL."""
    data = "req.customData" if receiver == CDEVENTS else "req"
    within = f"has({data}) && " if receiver == CDEVENTS else ""
    return f"{within}has({data}.severity) && {data}.severity == 'critical'"


def triggers(args: "GitopsArgs", urls: dict[str, Any]) -> dict[tuple[str, str], Manifest]:
    """Return the Triggers by Receiver and event type; `urls` are the Receivers' addresses."""
    return {
        (receiver, event_type): trigger(
            name=trigger_name(receiver, event_type),
            namespace=args.namespace,
            labels=platform_labels("trigger"),
            broker=args.broker_name,
            attributes={"type": event_type},
            subscriber={"uri": urls[receiver]},
            delivery=Delivery(dead_letter_uri=args.dead_letter_uri),
            parallelism=1,
        )
        for receiver, event_types in EVENTS[args.receiver].items()
        for event_type in event_types
    }


def trigger_count(receiver: str) -> int:
    """Return how many Triggers Receivers of a type have."""
    return sum(len(event_types) for event_types in EVENTS[receiver].values())


def trigger_name(receiver: str, event_type: str) -> str:
    """Return the name of the Trigger that brings one event type to one Receiver."""
    suffix = re.sub(r"^(network\.notifi|io\.knative|dev\.cdevents)\.(lambda\.)?", "", event_type)
    name = cleaned(f"flux-{receiver}-{suffix}", len(suffix) + MAX_LABEL)
    return name if len(name) <= MAX_LABEL else f"{name[: MAX_LABEL - 9]}-{digest(receiver, event_type)}"


def images(args: "GitopsArgs") -> dict[str, Manifest]:
    """Return the ImageRepository that is scanned when a build is done, and the ImagePolicy over it.

    Content has no order: the policy tells which tags are functions', and its latest one is the last by name.
    """
    name = images_name(args.environment)
    repository = {
        "image": args.image,
        "interval": _SCAN_INTERVAL,
        "provider": "aws" if _ECR.match(args.image) else "generic",
        **({"secretRef": {"name": args.image_secret}} if args.image_secret else {}),
    }
    policy = {
        "imageRepositoryRef": {"name": name},
        "filterTags": {"pattern": IMAGE_TAGS},
        "policy": {"alphabetical": {"order": "asc"}},
    }
    return {
        "images": _object(_IMAGE, "ImageRepository", name, args, repository),
        "tags": _object(_IMAGE, "ImagePolicy", name, args, policy),
    }


def alerts(args: "GitopsArgs") -> dict[str, Manifest]:
    """Return the Provider and the Alert that tell of errors in what the Receivers set off."""
    name = f"knative-lambda-{args.environment}"
    version = f"{_NOTIFICATION}/v1beta3"
    sources = {
        (found.kind, found.name, found.namespace or args.flux_namespace)
        for listed in _resources(args).values()
        for found in listed
    }
    provider = {"type": args.alert_type, "secretRef": {"name": alert_secret(args.environment)}}
    alert = {
        "providerRef": {"name": name},
        "eventSeverity": "error",
        "eventSources": [
            {"kind": kind, "name": source, "namespace": namespace}
            for kind, source, namespace in sorted(sources)
        ],
        "eventMetadata": {"environment": args.environment},
    }
    return {
        "provider": _object(version, "Provider", name, args, provider),
        "alert": _object(version, "Alert", name, args, alert),
    }


def rules() -> list[Manifest]:
    """Return what Flux may do in the environment's namespace: apply what a function's manifests hold."""
    return [
        {"apiGroups": [group], "resources": resources, "verbs": list(_APPLY)}
        for group, resources in (
            ("", ["configmaps", "serviceaccounts"]),
            ("serving.knative.dev", ["services"]),
            ("eventing.knative.dev", ["triggers"]),
        )
    ]


def _object(version: str, kind: str, name: str, args: "GitopsArgs", spec: Manifest) -> Manifest:
    return {"apiVersion": version, "kind": kind, "metadata": _meta(name, args), "spec": spec}


def _meta(name: str, args: "GitopsArgs") -> Manifest:
    return object_meta(name, args.flux_namespace, platform_labels("gitops"))
