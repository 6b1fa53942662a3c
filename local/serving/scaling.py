"""How many pods a revision should have: Knative's pod autoscaler in small. Pure; the clock is passed in.

As in Knative the wanted number follows from the mean concurrency and the utilised target. Growing is
decided on the last tick alone, shrinking on the highest number wanted during the whole idle time.
"""

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_PREFIX = "autoscaling.knative.dev/"
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DEFAULT_TARGET = 100.0
_DEFAULT_UTILIZATION = 70.0


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """The bounds and the aim of one revision's scale."""

    min_scale: int = 0
    max_scale: int = 0
    """0: no limit."""
    initial_scale: int = 1
    """Pods that a new revision has to bring up before it is ready."""
    activation_scale: int = 1
    """Pods to start when there are none and a request comes."""
    target: float = _DEFAULT_TARGET * _DEFAULT_UTILIZATION / 100
    """Concurrent requests that one pod should have."""
    concurrency_limit: int = 0
    """Concurrent requests that one pod may have; 0: any number."""
    idle_seconds: float = 30.0
    """How long fewer pods must have been enough before there are fewer."""

    @classmethod
    def of(cls, revision: Mapping[str, Any], *, idle_seconds: float) -> "Scaling":
        """Read a revision; `idle_seconds` is the default. Bad values count as absent."""
        notes = _Annotations(revision["metadata"].get("annotations") or {})
        limit = int(revision["spec"].get("containerConcurrency") or 0)
        target = notes.number("target", _DEFAULT_TARGET)
        target = min(target, limit) if limit else target
        used = notes.number("target-utilization-percentage", _DEFAULT_UTILIZATION) / 100
        delay = notes.duration("scale-down-delay", notes.duration("window", idle_seconds))
        retention = notes.duration("scale-to-zero-pod-retention-period", 0.0)
        min_scale = int(notes.number("min-scale", notes.number("minScale", 0)))
        return cls(
            min_scale=min_scale,
            max_scale=int(notes.number("max-scale", notes.number("maxScale", 0))),
            initial_scale=max(1, int(notes.number("initial-scale", 1)), min_scale),
            activation_scale=max(1, int(notes.number("activation-scale", 1))),
            target=max(target * used, 0.01),
            concurrency_limit=limit,
            idle_seconds=max(delay, retention),
        )

    def bounded(self, pods: int) -> int:
        """Return the number within the bounds."""
        return max(self.min_scale, min(pods, self.max_scale) if self.max_scale else pods)


class _Annotations:
    def __init__(self, annotations: Mapping[str, str]) -> None:
        self._annotations = annotations

    def number(self, name: str, default: float) -> float:
        try:
            value = float(self._annotations[_PREFIX + name])
        except (KeyError, ValueError):
            return default
        return value if math.isfinite(value) and value >= 0 else default

    def duration(self, name: str, default: float) -> float:
        text = self._annotations.get(_PREFIX + name, "")
        try:
            return parse_duration(text) if text else default
        except ValueError:
            return default


def parse_duration(text: str) -> float:
    """Return the seconds of a Go duration such as `1m30s`; raises ValueError."""
    total, number = 0.0, ""
    rest = text
    while rest:
        digits = len(rest) - len(rest.lstrip("0123456789."))
        number, rest = rest[:digits], rest[digits:]
        unit = next((unit for unit in ("ms", "s", "m", "h") if rest.startswith(unit)), None)
        if not number or unit is None:
            raise ValueError(f"{text!r} is no duration; expected numbers with ms, s, m or h, such as 1m30s")
        total += float(number) * _UNITS[unit]
        rest = rest[len(unit) :]
    return total


class Autoscaler:
    """Turns the concurrency of one revision, tick by tick, into the number of pods that it should have."""

    def __init__(self, scaling: Scaling) -> None:
        self.scaling = scaling
        self._wanted: deque[tuple[float, int]] = deque()

    def observe(self, now: float, concurrency: float) -> int:
        """Take the mean concurrency since the last call and return the pods wanted; `now` is in seconds."""
        # Rounded, or a request that ended a microsecond ago would ask for one more pod.
        self.want(now, math.ceil(round(concurrency / self.scaling.target, 3)))
        return self.scaling.bounded(max(pods for _, pods in self._wanted))

    def want(self, now: float, pods: int) -> None:
        """Note that so many pods are wanted at this moment, and forget what lies behind the idle time."""
        while self._wanted and self._wanted[-1][1] <= pods:
            self._wanted.pop()
        self._wanted.append((now, pods))
        # The last note before the window still holds at its beginning.
        while len(self._wanted) > 1 and self._wanted[0][0] < now - self.scaling.idle_seconds:
            self._wanted.popleft()
