"""What is told of the outbox to Prometheus."""

import datetime

from prometheus_client import CollectorRegistry

from automation.outbox.outbox import Numbers
from service.outbox_metrics import OutboxMetrics

NOW = datetime.datetime(2026, 1, 31, 12, tzinfo=datetime.UTC)


def registry(numbers):
    registry = CollectorRegistry()
    registry.register(OutboxMetrics(lambda: numbers, lambda: NOW))
    return registry


def test_tries_are_counted_by_kind_and_outcome_and_every_series_is_there():
    found = registry(Numbers({("lifecycle", "sent"): 3}, 0, None))

    def value(kind, outcome):
        labels = {"kind": kind, "outcome": outcome}
        return found.get_sample_value("knative_lambda_outbox_events_total", labels)

    assert (value("lifecycle", "sent"), value("audit", "refused")) == (3, 0)
    assert found.get_sample_value("knative_lambda_outbox_age_seconds") == 0


def test_what_waits_is_told_with_its_age():
    found = registry(Numbers({}, 2, NOW - datetime.timedelta(seconds=90)))

    assert found.get_sample_value("knative_lambda_outbox_functions") == 2
    assert found.get_sample_value("knative_lambda_outbox_age_seconds") == 90
