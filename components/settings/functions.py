"""How functions are rolled out that do not say it themselves, and whose images they may be."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from components.settings import values
from components.settings.fields import Group, setting


@dataclass(frozen=True, kw_only=True)
class FunctionSettings(Group):
    """What specifications of functions leave to the environment; None and empty: the service's default."""

    PREFIX: ClassVar[str] = "function"

    rollout_steps: tuple[int, ...] = setting(values.percents, ())
    """Shares of the traffic that a new revision gets one after the other."""
    rollout_pause_seconds: int | None = setting(values.within(0, 86_400), None)
    """How long each share is kept; 0: until it is promoted."""
    rollout_ready_seconds: int | None = setting(values.within(10, 3600), None)
    """How long a new revision may take to become ready, before the one before it runs again."""
    prometheus_uri: str = setting(values.url, "")
    """Prometheus, which new revisions' calls are asked of; empty: they are not judged by them."""
    rollout_failure_percent: int | None = setting(values.within(1, 99), None)
    """How many calls of a new revision may fail before the one before it runs again; None: all."""
    rollout_min_calls: int | None = setting(values.within(1, 100_000), None)
    """From how many calls on that is judged."""
    rollout_watch_seconds: int | None = setting(values.within(0, 3600), None)
    """How long a revision is still judged once it has all of the traffic."""
    image_sources: tuple[str, ...] = setting(values.registries, ())
    """Where images may come from that specifications name, beside the registry of the platform."""

    def problems(self, environment: str) -> list[str]:
        """Return that a pause has no share which it could be kept for."""
        if self.rollout_pause_seconds and not self.rollout_steps:
            return [
                f"functionRolloutPauseSeconds is '{self.rollout_pause_seconds}', but there are no steps: "
                "set functionRolloutSteps, or leave it out"
            ]
        if self.rollout_failure_percent and not self.prometheus_uri:
            return [
                f"functionRolloutFailurePercent is '{self.rollout_failure_percent}', but nobody counts "
                "calls: set functionPrometheusUri, or leave it out"
            ]
        return []

    def variables(self) -> Mapping[str, str]:
        """Return what the service is told of them, by environment variable."""
        return {
            "ROLLOUT_STEPS": ",".join(map(str, self.rollout_steps)),
            "ROLLOUT_PAUSE_SECONDS": _number(self.rollout_pause_seconds),
            "ROLLOUT_READY_SECONDS": _number(self.rollout_ready_seconds),
            "PROMETHEUS_URL": self.prometheus_uri,
            "ROLLOUT_FAILURE_PERCENT": _number(self.rollout_failure_percent),
            "ROLLOUT_MIN_CALLS": _number(self.rollout_min_calls),
            "ROLLOUT_WATCH_SECONDS": _number(self.rollout_watch_seconds),
            "FUNCTION_IMAGE_SOURCES": ",".join(self.image_sources),
        }


def _number(value: int | None) -> str:
    """Return what says a number, 0 too; nothing for none."""
    return "" if value is None else str(value)
