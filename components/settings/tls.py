"""Which connections are encrypted, and by whose authority."""

from dataclasses import dataclass
from typing import ClassVar

from components.settings import values
from components.settings.fields import Group, setting


@dataclass(frozen=True, kw_only=True)
class TlsSettings(Group):
    """Certificates by cert-manager."""

    PREFIX: ClassVar[str] = "tls"

    enabled: bool = setting(values.flag, derived=lambda environment, _: environment != "local")
    """Whether RabbitMQ is spoken to over TLS, and certificates are made."""
    only: bool = setting(values.flag, False)
    """Whether RabbitMQ's ports without TLS are closed, to its operator as well."""
    issuer: str = setting(values.label, "")
    """An existing ClusterIssuer that gives `ca.crt`; empty: an authority of the environment's own."""
    authority_namespace: str = setting(values.label, "cert-manager")
    """Where cert-manager looks for the Secrets of ClusterIssuers; there has to be this namespace."""

    def problems(self, environment: str) -> list[str]:
        """Return whether there would be no way in at all."""
        if self.enabled or not self.only:
            return []
        return ["tlsOnly is true and tlsEnabled is false: enable TLS, or leave RabbitMQ's other ports open"]
