"""Where the cluster keeps what the environment talks to."""

from dataclasses import dataclass

from components.settings import values
from components.settings.fields import Group, setting

_SERVING = "knative-serving"


@dataclass(frozen=True, kw_only=True)
class NeighbourSettings(Group):
    """Namespaces and addresses that network policies open."""

    serving_namespace: str = setting(values.label, _SERVING)
    """Namespace of Knative's activator and autoscaler."""
    ingress_namespace: str = setting(
        values.label, derived=lambda _, given: given.get("serving_namespace", _SERVING)
    )
    """Namespace of the gateway in front of Knative Services."""
    monitoring_namespace: str = setting(values.label, "monitoring")
    """Namespace of Prometheus."""
    notifi_namespace: str = setting(values.label, "notifi")
    """Namespace of Notifi's services."""
    api_server_cidr: str = setting(values.cidr, "")
    """Addresses of the API server; empty: any."""
