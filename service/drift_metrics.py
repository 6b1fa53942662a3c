"""What looks for drift have come to, read when metrics are scraped."""

from collections.abc import Callable, Iterable, Mapping

from prometheus_client.core import CounterMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector


class DriftMetrics(Collector):
    """Metrics of a process that looks for drift; `counts` tells how many looks had which outcome."""

    def __init__(self, counts: Callable[[], Mapping[str, int]]) -> None:
        self._counts = counts

    def collect(self) -> Iterable[Metric]:
        """Return the metrics of this moment; every series exists from the start."""
        found = CounterMetricFamily(
            "knative_lambda_drift_checks",
            "Looks at functions for drift, by outcome: clean, drifted, healed (after drifted), failed.",
            labels=("outcome",),
        )
        for outcome, count in self._counts().items():
            found.add_metric((outcome,), count)
        yield found
