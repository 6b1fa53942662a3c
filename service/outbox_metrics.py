"""What the outbox has done and has to do, read when metrics are scraped."""

import datetime
from collections.abc import Callable, Iterable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from automation.outbox.emission import Kind
from automation.outbox.outbox import Numbers
from automation.outbox.sinks import OUTCOMES


class OutboxMetrics(Collector):
    """Metrics of a process that emits events; `clock` tells the time with a time zone."""

    def __init__(self, numbers: Callable[[], Numbers], clock: Callable[[], datetime.datetime]) -> None:
        self._numbers = numbers
        self._clock = clock

    def collect(self) -> Iterable[Metric]:
        """Return the metrics of this moment; every series of the counter exists from the start."""
        numbers = self._numbers()
        sent = CounterMetricFamily(
            "knative_lambda_outbox_events",
            "Tries to send an event, by outcome: sent, failed (to be repeated), refused (given up).",
            labels=("kind", "outcome"),
        )
        for kind in Kind:
            for outcome in OUTCOMES:
                sent.add_metric((kind.value, outcome), numbers.counts.get((kind.value, outcome), 0))
        age = (self._clock() - numbers.oldest).total_seconds() if numbers.oldest else 0.0
        yield sent
        yield GaugeMetricFamily(
            "knative_lambda_outbox_functions",
            "Functions with events that could not be sent yet.",
            value=numbers.waiting,
        )
        yield GaugeMetricFamily(
            "knative_lambda_outbox_age_seconds", "Age of the oldest event among them.", value=max(0.0, age)
        )
