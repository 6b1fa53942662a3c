"""From a planned manifest to a Pulumi resource: the one place that knows the SDK's spelling."""

import re
from typing import Any

import pulumi
from pulumi_kubernetes.apiextensions import CustomResource

from components.manifests.metadata import Manifest


def arguments(manifest: Manifest) -> dict[str, Any]:
    """Return arguments for a built-in kind's SDK class: top-level fields in snake_case, without the kind."""
    return {_snake(key): value for key, value in manifest.items() if key not in {"apiVersion", "kind"}}


def custom(name: str, manifest: Manifest, opts: pulumi.ResourceOptions) -> CustomResource:
    """Declare an object that is metadata and spec, such as a Knative Service.

    The SDK's classes of built-in kinds register the same type and inputs, but translate every value on
    the way: 2 ms for a Job, which is on the path of every build.start.
    """
    return CustomResource(
        name,
        api_version=manifest["apiVersion"],
        kind=manifest["kind"],
        metadata=manifest["metadata"],
        spec=manifest["spec"],
        opts=opts,
    )


def _snake(key: str) -> str:
    return re.sub(r"(?<=[a-z])[A-Z]", lambda found: "_" + found[0].lower(), key)
