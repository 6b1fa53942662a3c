"""Where code and build contexts are kept."""

from dataclasses import dataclass
from typing import ClassVar

import pulumi

from components.settings import values
from components.settings.fields import SECRET, Group, setting


@dataclass(frozen=True, kw_only=True)
class StorageSettings(Group):
    """Object storage and the way into it."""

    PREFIX: ClassVar[str] = "storage"

    endpoint: str = setting(values.url, "")
    """URL of S3-compatible storage; empty: AWS. Builds and the automation service may reach its port."""
    access_key_id: str = setting(values.text, "")
    """Static key of S3-compatible storage; empty: access by IAM role."""
    secret_access_key: pulumi.Output[str] | None = setting(SECRET, None)
    """The secret of that key."""

    def problems(self, environment: str) -> list[str]:
        """Return whether one half of the static key is missing."""
        if bool(self.access_key_id) == (self.secret_access_key is not None):
            return []
        return [
            "storageAccessKeyId and storageSecretAccessKey belong together:"
            " set both, or neither to use IAM roles"
        ]
