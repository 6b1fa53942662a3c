"""What the gateway counts."""

from dataclasses import dataclass


@dataclass
class GatewayMetrics:
    """Counters since the start of the gateway; times in milliseconds."""

    requests: int = 0
    cold_starts: int = 0
    """Requests that found no ready pod."""
    last_cold_start_ms: float = 0.0
    """From the arrival of the last such request to the head of its response."""
    retries: int = 0
    """Connections that a pod refused, so that another one was tried."""
    timeouts: int = 0
    rejected: int = 0
    """Requests that were not served because too many waited or no pod could start."""
