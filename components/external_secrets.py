"""ExternalSecrets: Secrets from a store in the place of Secrets that pass through the stack."""

from dataclasses import dataclass

import pulumi

from components.declare import custom
from components.manifests.external_secrets import STORES, Stored, external_secret


@dataclass(frozen=True, kw_only=True)
class ExternalSecretsArgs:
    """Which store, and what of it."""

    namespace: pulumi.Input[str]
    """Namespace of the Secrets."""
    store: str
    """Name of the store."""
    store_kind: str = STORES[0]
    """ClusterSecretStore, or SecretStore for one in the namespace."""
    secrets: tuple[Stored, ...]
    """The Secrets."""


class ExternalSecrets(pulumi.ComponentResource):
    """One ExternalSecret for each Secret: its values are read by the operator, every hour, never by us."""

    names: pulumi.Output[list[str]]
    """Names of the Secrets, in order."""

    def __init__(
        self, name: str, args: ExternalSecretsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("knative-lambda:components:ExternalSecrets", name, None, opts)
        for stored in args.secrets:
            planned = external_secret(stored, args.namespace, store=args.store, store_kind=args.store_kind)
            custom(f"{name}-{stored.name}", planned, pulumi.ResourceOptions(parent=self))
        self.names = pulumi.Output.from_input([stored.name for stored in args.secrets])
        self.register_outputs({"names": self.names})
