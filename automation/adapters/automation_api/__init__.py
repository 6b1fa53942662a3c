"""Pulumi's own engine, through the Automation API: nobody else knows `pulumi.automation` and its CLI."""

from automation.adapters.automation_api.cli import CliMissing
from automation.adapters.automation_api.engine import AutomationApiEngine

__all__ = ["AutomationApiEngine", "CliMissing"]
