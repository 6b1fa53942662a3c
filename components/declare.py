"""From a planned manifest to a Pulumi resource: the one place that knows the SDK's spelling."""

import functools
import importlib.metadata
from typing import Any, Final

import pulumi

from components.manifests.metadata import Manifest

_SECRET_FIELDS: Final = ("data", "stringData")
"""Of a Secret, each secret as a whole."""


class KubernetesObject(pulumi.CustomResource):
    """One object of Kubernetes, of whatever kind, declared by its manifest.

    The SDK's classes register the same types and inputs. But they cost half a second to import, for `core/v1`
    alone, and translate every value on the way: 2 ms for a Job, which is on the path of every build.start.
    """

    metadata: pulumi.Output[Any]
    """The object's metadata, known once it exists."""

    def __init__(self, name: str, manifest: Manifest, opts: pulumi.ResourceOptions) -> None:
        kind = (manifest["apiVersion"], manifest["kind"])
        hidden = _SECRET_FIELDS if kind == ("v1", "Secret") else ()
        props = {
            key: pulumi.Output.secret(value) if key in hidden else value for key, value in manifest.items()
        }
        own = pulumi.ResourceOptions(version=_sdk_version(), additional_secret_outputs=[*hidden] or None)
        super().__init__(_token(*kind), name, props, pulumi.ResourceOptions.merge(opts, own))


def custom(name: str, manifest: Manifest, opts: pulumi.ResourceOptions) -> KubernetesObject:
    """Declare an object of any kind, built-in or custom."""
    return KubernetesObject(name, manifest, opts)


def within(component: pulumi.Resource, opts: pulumi.ResourceOptions | None) -> pulumi.ResourceOptions:
    """Return options of a component's child, which waits for what its component waits for.

    A component's `depends_on` makes the component wait, which makes nothing: its children do not inherit it.
    """
    waits: Any = opts.depends_on if opts and opts.depends_on else []
    return pulumi.ResourceOptions(parent=component, depends_on=waits)


def _token(api_version: str, kind: str) -> str:
    """Return the type by which the SDK registers a kind: of group `core` where there is none."""
    return f"kubernetes:{api_version if '/' in api_version else f'core/{api_version}'}:{kind}"


@functools.cache
def _sdk_version() -> str:
    """Return the version of the plugin that is asked for: the SDK's own, as its classes do."""
    return importlib.metadata.version("pulumi_kubernetes")
