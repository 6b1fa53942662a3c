"""What an environment may tell of itself: words of the stack's configuration and of the service's."""

from typing import Final

LIFECYCLE: Final = "lifecycle"
ALERTS: Final = "alerts"
AUDIT: Final = "audit"
CDEVENTS: Final = "cdevents"

EMITTED: Final = (LIFECYCLE, ALERTS, AUDIT, CDEVENTS)
