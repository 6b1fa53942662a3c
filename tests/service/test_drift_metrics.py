"""What is told of looks for drift to Prometheus."""

from prometheus_client import CollectorRegistry

from service.drift_metrics import DriftMetrics


def test_looks_for_drift_are_counted_by_outcome():
    found = CollectorRegistry()
    found.register(DriftMetrics(lambda: {"drifted": 2, "healed": 0}))

    def value(outcome):
        return found.get_sample_value("knative_lambda_drift_checks_total", {"outcome": outcome})

    assert (value("drifted"), value("healed")) == (2, 0)
