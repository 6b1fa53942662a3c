"""Roles that were made elsewhere."""

from dataclasses import dataclass

from components.settings import values
from components.settings.fields import Group, setting


@dataclass(frozen=True, kw_only=True)
class AccessSettings(Group):
    """IAM roles that accounts take on."""

    build_role_arn: str = setting(values.role_arn, "")
    """IAM role of build pods; empty: none."""
    service_role_arn: str = setting(values.role_arn, "")
    """IAM role of the automation service; empty: none."""
