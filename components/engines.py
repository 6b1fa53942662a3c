"""What can carry out the updates of functions."""

from typing import Final

EMBEDDED: Final = "embedded"
"""The engine in the service's own process."""
AUTOMATION_API: Final = "automation-api"
"""Pulumi's own, by its CLI; it keeps the same states."""
ENGINES: Final = (EMBEDDED, AUTOMATION_API)
"""All of them, the default first."""
