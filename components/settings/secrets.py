"""Where Secrets come from: the stack's own configuration, or a store."""

from dataclasses import dataclass
from typing import ClassVar

from components.manifests.external_secrets import KINDS, RABBITMQ, STORES
from components.settings import values
from components.settings.fields import Group, setting


@dataclass(frozen=True, kw_only=True)
class SecretsSettings(Group):
    """A store of the External Secrets operator."""

    PREFIX: ClassVar[str] = "secrets"

    store: str = setting(values.label, "")
    """Its name; empty: none."""
    store_kind: str = setting(values.choice(*STORES), STORES[0])
    """ClusterSecretStore, or SecretStore for one in the platform's namespace."""
    prefix: str = setting(values.text, derived=lambda environment, _: f"knative-lambda/{environment}")
    """What the names of its entries begin with."""
    stored: tuple[str, ...] = setting(values.choices(*KINDS), (RABBITMQ,))
    """Which Secrets come from it; without a store, none."""

    def holds(self, kind: str) -> bool:
        """Say whether a kind of Secret comes from a store, so that nothing here makes it."""
        return bool(self.store) and kind in self.stored
