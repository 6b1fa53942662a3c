"""An alert: when a person is called, how urgently, and where the runbook says what to do."""

from dataclasses import dataclass
from typing import Final

from components.manifests.metadata import Manifest
from components.manifests.observability.scope import Scope

CRITICAL: Final = "critical"
"""Users are affected now: somebody is woken up."""

WARNING: Final = "warning"
"""Will affect users, or affects few: somebody looks in working hours."""


@dataclass(frozen=True, kw_only=True)
class Alert:
    """One alert of an environment. Its name is the heading of its runbook."""

    name: str
    when: str
    """PromQL that has a result while something is wrong."""
    lasts: str
    """How long it has to be wrong, as a Prometheus duration."""
    severity: str = WARNING
    summary: str
    """A sentence for a person, with Prometheus' templates."""

    def rule(self, scope: Scope) -> Manifest:
        """Return the rule as prometheus-operator takes it."""
        return {
            "alert": self.name,
            "expr": self.when,
            "for": self.lasts,
            "labels": {
                "severity": self.severity,
                "platform": "knative-lambda",
                "environment": scope.environment,
            },
            "annotations": {
                "summary": self.summary,
                "runbook_url": f"{scope.runbook}#{self.name.lower()}",
            },
        }
