"""The programs that the benchmarks deploy."""

from collections.abc import Callable

import pulumi
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.core.v1 import ConfigMap
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs


class Function(pulumi.ComponentResource):
    """What the objects of one function are grouped under."""

    def __init__(self, name: str, namespace: str, value: int) -> None:
        super().__init__("bench:index:Function", name)
        options = pulumi.ResourceOptions(parent=self)
        metadata = {"name": name, "namespace": namespace, "labels": {"bench": "engine"}}
        config = ConfigMap(
            f"{name}-config", metadata=ObjectMetaArgs(**metadata), data={"value": str(value)}, opts=options
        )
        service = CustomResource(
            f"{name}-service",
            api_version="serving.knative.dev/v1",
            kind="Service",
            metadata=metadata,
            spec={"template": {"spec": {"containers": [_container(name, value)]}}},
            opts=pulumi.ResourceOptions(parent=self, depends_on=[config]),
        )
        CustomResource(
            f"{name}-trigger",
            api_version="eventing.knative.dev/v1",
            kind="Trigger",
            metadata=metadata,
            spec=_trigger(name),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[service]),
        )
        self.register_outputs({"name": name})


def function(namespace: str, name: str, value: int) -> Callable[[], None]:
    """Return the program of one function: a component, a ConfigMap, a Knative Service and a Trigger."""

    def program() -> None:
        Function(name, namespace, value)
        pulumi.export("name", name)

    return program


def configmaps(namespace: str, count: int) -> Callable[[], None]:
    """Return a program of so many independent ConfigMaps."""

    def program() -> None:
        for number in range(count):
            name = f"big-{number}"
            ConfigMap(
                name, metadata=ObjectMetaArgs(name=name, namespace=namespace), data={"number": str(number)}
            )

    return program


def _container(name: str, value: int) -> dict[str, object]:
    return {
        "image": f"registry.example/parsers:{name}",
        "env": [{"name": "VALUE", "value": str(value)}],
        "resources": {"limits": {"cpu": "500m", "memory": "512Mi"}},
    }


def _trigger(name: str) -> dict[str, object]:
    return {
        "broker": "default",
        "filter": {"attributes": {"type": "network.notifi.lambda.parser.start", "subject": name}},
        "subscriber": {"ref": {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "name": name}},
    }
