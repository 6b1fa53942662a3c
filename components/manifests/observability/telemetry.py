"""The variables that an OpenTelemetry SDK reads: where traces go, who sends them, how many are kept.

Names and values are the OpenTelemetry specification's (configuration/sdk-environment-variables.md and
protocol/exporter.md); resource attributes are those of the platform contract, section 6. Metrics are
scraped and logs are read from standard output, so their exporters are off.
"""

from typing import Final
from urllib.parse import quote

from components.manifests.metadata import Manifest

GRPC_PORT: Final = 4317

_POD_NAME: Final = "OTEL_POD_NAME"


def environment(
    *, service: str, environment: str, namespace: str, endpoint: str, trace_ratio: float
) -> list[Manifest]:
    """Return a container's variables; none where there is no endpoint to send to.

    `endpoint` is an OTLP collector's URL, whose port tells its protocol: 4317 gRPC, 4318 HTTP. `trace_ratio`
    is the share of traces to keep, 0 to 1, where no caller has decided.
    """
    if not endpoint:
        return []
    values = {
        "OTEL_SERVICE_NAME": service,
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc" if endpoint.endswith(f":{GRPC_PORT}") else "http/protobuf",
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_PROPAGATORS": "tracecontext,baggage",
        "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": f"{trace_ratio:g}",
        "OTEL_RESOURCE_ATTRIBUTES": _attributes(environment, namespace),
    }
    pod = {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}
    # The kubelet fills `$(…)` in from variables that come earlier in the list.
    return [
        {"name": _POD_NAME, "valueFrom": pod},
        *({"name": name, "value": value} for name, value in values.items()),
    ]


def _attributes(environment: str, namespace: str) -> str:
    """Return the resource's attributes, percent-encoded but for the reference to the pod's name."""
    known = {
        "service.namespace": "knative-lambda",
        "deployment.environment": environment,
        "k8s.namespace.name": namespace,
    }
    pairs = [f"{name}={quote(value, safe='')}" for name, value in known.items()]
    return ",".join([*pairs, f"k8s.pod.name=$({_POD_NAME})"])
