"""What is told of gates to Prometheus."""

from prometheus_client import CollectorRegistry

from service.gate_metrics import GateMetrics


def test_plans_at_gates_are_counted_by_outcome():
    found = CollectorRegistry()
    found.register(GateMetrics(lambda: {"parked": 2, "expired": 0}))

    def value(outcome):
        return found.get_sample_value("knative_lambda_gated_plans_total", {"outcome": outcome})

    assert (value("parked"), value("expired")) == (2, 0)
