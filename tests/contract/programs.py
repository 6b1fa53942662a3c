"""Programs that several tests, or other processes, run."""

import pulumi
from pulumi import CustomTimeouts, ResourceOptions

from tests.contract.resources import Cloud, Group, Thing


def two() -> None:
    """`b` needs `a`."""
    Thing("b", of=Thing("a", value=1).id)


def two_changed() -> None:
    """The same, `a` changed in place."""
    Thing("b", of=Thing("a", value=2).id)


def replaced() -> None:
    """`a` in a first version."""
    Thing("a", forced=1)


def replaced_anew() -> None:
    """`a` in a version that replaces the first."""
    Thing("a", forced=2)


def nothing() -> None:
    """Nothing at all."""


def variety() -> None:
    """As many things that a state can hold as one program can have."""
    token = pulumi.Config().require_secret("token")
    north = Cloud("north", region="north", token=token)
    group = Group("group", size=3, token=token)
    base = Thing(
        "base",
        text="ü",
        number=1.5,
        whole=10**12,
        nothing=None,
        nested={"list": [1, {"deep": token}], "empty": {}, "none": []},
        opts=ResourceOptions(parent=group, protect=False, custom_timeouts=CustomTimeouts(create="10m")),
    )
    Thing(
        "dependent",
        of=base.id,
        autonamed=True,
        made=pulumi.Output.secret({"user": "u"}),
        file=pulumi.StringAsset("content"),
        files=pulumi.AssetArchive({"a/b.txt": pulumi.StringAsset("b"), "c.txt": pulumi.StringAsset("c")}),
        opts=ResourceOptions(
            provider=north,
            depends_on=[group],
            ignore_changes=["autonamed"],
            additional_secret_outputs=["of"],
            replace_on_changes=["text"],
            retain_on_delete=False,
        ),
    )
    Thing("with", opts=ResourceOptions(deleted_with=base))
    Thing("seen", opts=ResourceOptions(id="seen"))
    pulumi.export("id", base.id)
    pulumi.export("token", token)
    pulumi.export("mixed", {"open": 1, "hidden": token})
