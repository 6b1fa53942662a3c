"""The resources of package `testbed`, as a program declares them."""

from typing import Any

import pulumi

from tests.contract.provider import PACKAGE


class Thing(pulumi.CustomResource):
    """A resource with free inputs."""

    answer: pulumi.Output[str]
    name: pulumi.Output[str]

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None, **props: Any) -> None:
        super().__init__(f"{PACKAGE}:index:Thing", name, {"answer": None, "name": None, **props}, opts)

    @staticmethod
    def get(name: str, id: str) -> "Thing":
        """Read one that exists."""
        return Thing(name, pulumi.ResourceOptions(id=id))


class Group(pulumi.ComponentResource):
    """A component with free outputs."""

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None, **outputs: Any) -> None:
        super().__init__(f"{PACKAGE}:index:Group", name, None, opts)
        self.register_outputs(outputs)


class Cloud(pulumi.ProviderResource):
    """An explicit provider of the package."""

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None, **props: Any) -> None:
        super().__init__(PACKAGE, name, props, opts)
