"""What has become of plans at gates, read when metrics are scraped."""

from collections.abc import Callable, Iterable, Mapping

from prometheus_client.core import CounterMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector


class GateMetrics(Collector):
    """Metrics of a process that has gates; `counts` tells how many plans had which outcome."""

    def __init__(self, counts: Callable[[], Mapping[str, int]]) -> None:
        self._counts = counts

    def collect(self) -> Iterable[Metric]:
        """Return the metrics of this moment; every series exists from the start."""
        found = CounterMetricFamily(
            "knative_lambda_gated_plans",
            "Plans that tripped a gate, by outcome: parked, approved, expired.",
            labels=("outcome",),
        )
        for outcome, count in self._counts().items():
            found.add_metric((outcome,), count)
        yield found
