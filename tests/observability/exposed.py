"""What is really exposed: the service and a function are asked, what others export is listed here."""

from collections.abc import Iterable, Mapping

from prometheus_client.parser import text_string_to_metric_families

from service.dead_letters.metrics import Metrics

Series = Mapping[str, frozenset[tuple[tuple[str, str], ...]]]
"""By a sample's name: the labels of each of its series."""


def series(text: str) -> Series:
    """Return the series in Prometheus' text format."""
    found: dict[str, set[tuple[tuple[str, str], ...]]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, set()).add(tuple(sorted(sample.labels.items())))
    return {name: frozenset(labels) for name, labels in found.items()}


def labels(given: Series, metric: str) -> Iterable[dict[str, str]]:
    """Return the labels of each series of a metric."""
    return (dict(pairs) for pairs in given[metric])


KUBE_STATE_METRICS = {
    "kube_job_status_active": {"job_name", "namespace"},
    "kube_job_status_failed": {"job_name", "namespace", "reason"},
    "kube_job_status_start_time": {"job_name", "namespace"},
    "kube_pod_container_resource_limits": {"container", "namespace", "pod", "resource"},
    "kube_pod_container_resource_requests": {"container", "namespace", "pod", "resource"},
    "kube_pod_container_status_restarts_total": {"container", "namespace", "pod"},
    "kube_pod_status_phase": {"namespace", "phase", "pod"},
    "kube_resourcequota": {"namespace", "resource", "resourcequota", "type"},
}
"""kubernetes/kube-state-metrics at c92fe0c5: docs/metrics/{workload,policy}/*.md, all of them STABLE."""

CADVISOR = {
    "container_cpu_usage_seconds_total": {"container", "namespace", "pod"},
    "container_memory_working_set_bytes": {"container", "namespace", "pod"},
}
"""The kubelet's /metrics/cadvisor: google/cadvisor, docs/storage/prometheus.md."""

RABBITMQ = {
    "rabbitmq_detailed_queue_messages": {"namespace", "queue"},
    "rabbitmq_detailed_queue_consumers": {"namespace", "queue"},
    "rabbitmq_alarms_memory_used_watermark": {"namespace"},
    "rabbitmq_alarms_free_disk_space_watermark": {"namespace"},
}
"""rabbitmq/rabbitmq-server at 5b09e556da, deps/rabbitmq_prometheus: metrics.md, and the families
queue_coarse_metrics and queue_consumer_count in src/collectors; `namespace` is the target's."""

PROMETHEUS = {
    "up": {"job", "namespace"},
    "ALERTS": {"alertname", "alertstate", "environment", "platform", "severity"},
}
"""Prometheus' own: prometheus.io/docs/concepts/jobs_instances and .../configuration/alerting_rules."""

DEAD_LETTERS = {
    name: {"job", "namespace", *(label for pairs in labelled for label, _ in pairs)}
    for name, labelled in series(Metrics().render("")[0].decode()).items()
    if name.startswith(("dlq_replay_", "dlq_messages_by_cause"))
    and name.endswith("_total")
    and name != "dlq_replay_total"
}
"""What the handler of dead letters exposes, as far as it is asked for, and what its target adds."""

FOREIGN = {**DEAD_LETTERS, **KUBE_STATE_METRICS, **CADVISOR, **RABBITMQ, **PROMETHEUS}
"""Metrics of others, by name: the labels that they have."""

TARGET_LABELS = {"job", "namespace", "pod", "instance", "function"}
"""What Prometheus adds to a scraped series; `function` is the monitor's relabelling."""
