"""Which RabbitMQ is behind the Broker."""

from dataclasses import dataclass
from typing import ClassVar

from components.settings import values
from components.settings.fields import Group, setting


@dataclass(frozen=True, kw_only=True)
class RabbitmqSettings(Group):
    """The RabbitmqCluster."""

    PREFIX: ClassVar[str] = "rabbitmq"

    cluster: str = setting(values.label, derived=lambda environment, _: f"rabbitmq-cluster-{environment}")
    """Its name."""
    namespace: str = setting(values.label, derived=lambda environment, _: f"rabbitmq-{environment}")
    """Its namespace."""
    managed: bool = setting(values.flag, derived=lambda environment, _: environment != "local")
    """Whether it is made here, namespace included."""
    storage_class: str = setting(values.label, "")
    """StorageClass of its nodes' volumes; empty: the cluster's default."""
    operator_namespace: str = setting(values.label, "rabbitmq-system")
    """Namespace of RabbitMQ's operators."""
