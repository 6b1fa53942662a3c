"""Access: the accounts of the namespace, each with the rights that it needs and no more."""

from dataclasses import dataclass

import pulumi

from components.declare import custom
from components.engines import EMBEDDED
from components.manifests import access as manifests
from components.manifests import kaniko
from components.manifests.metadata import Manifest, object_meta, platform_labels


@dataclass(frozen=True, kw_only=True)
class AccessArgs:
    """Whose rights, and how builds get at the storage."""

    namespace: pulumi.Input[str]
    """Namespace that everything is in."""
    engine: str = EMBEDDED
    """What the automation service applies objects with, one of ENGINES."""
    build_role_arn: pulumi.Input[str] = ""
    """IAM role of build pods (read contexts, push images); empty: none."""
    service_role_arn: pulumi.Input[str] = ""
    """IAM role of the automation service; empty: none."""
    pull_secret: str = ""
    """Secret that the pods' images are pulled with; empty: none."""
    access_key_id: str = ""
    """Static key for S3-compatible storage; empty: IAM, and no Secret is made."""
    secret_access_key: pulumi.Input[str] | None = None
    """The secret that belongs to `access_key_id`."""


class Access(pulumi.ComponentResource):
    """The accounts of builds and of the automation service with their Roles; the Secret of static keys."""

    build_account: pulumi.Output[str]
    """Name of the account that build pods run as."""
    service_account: pulumi.Output[str]
    """Name of the account that the automation service runs as."""

    def __init__(self, name: str, args: AccessArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("knative-lambda:components:Access", name, None, opts)
        build, service = manifests.BUILD_ACCOUNT, manifests.SERVICE_ACCOUNT
        self._account(f"{name}-build", build, args, args.build_role_arn, manifests.build_rules())
        rules = manifests.service_rules(args.engine)
        self._account(f"{name}-service", service, args, args.service_role_arn, rules)
        if args.access_key_id:
            self._storage_secret(f"{name}-storage", args)
        self.build_account = pulumi.Output.from_input(build)
        self.service_account = pulumi.Output.from_input(service)
        self.register_outputs({"build_account": self.build_account, "service_account": self.service_account})

    def _account(
        self, name: str, account: str, args: AccessArgs, role_arn: pulumi.Input[str], rules: list[Manifest]
    ) -> None:
        """Declare an account with one Role of the same name bound to it."""
        opts, namespace = pulumi.ResourceOptions(parent=self), args.namespace
        part = "service" if account == manifests.SERVICE_ACCOUNT else "build"
        identity = manifests.service_account(
            account,
            namespace,
            role_arn=role_arn,
            component=part,
            automount=part == "service",
            pull_secret=args.pull_secret,
        )
        custom(f"{name}-identity", identity, opts)
        custom(f"{name}-role", manifests.role(account, namespace, rules, component=part), opts)
        binding = manifests.role_binding(account, namespace, component=part)
        custom(f"{name}-binding", binding, opts)

    def _storage_secret(self, name: str, args: AccessArgs) -> None:
        manifest = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": object_meta(kaniko.STORAGE_SECRET, args.namespace, platform_labels("storage")),
            "stringData": {
                kaniko.ACCESS_KEY_ID: args.access_key_id,
                kaniko.SECRET_ACCESS_KEY: pulumi.Output.secret(args.secret_access_key),
            },
        }
        custom(name, manifest, pulumi.ResourceOptions(parent=self))
