"""Whether this environment is the one that installs Knative in its cluster, and how."""

from dataclasses import dataclass
from typing import ClassVar

from components.manifests.knative import INGRESSES
from components.settings import values
from components.settings.fields import Group, setting


@dataclass(frozen=True, kw_only=True)
class KnativeSettings(Group):
    """Knative Serving and Eventing, of which a cluster has one each."""

    PREFIX: ClassVar[str] = "knative"

    managed: bool = setting(values.flag, derived=lambda environment, _: environment != "local")
    """Whether they are made here; of environments that share a cluster, one has it true."""
    ingress: str = setting(values.choice(*INGRESSES), "kourier")
    """What routes requests to functions."""
    eventing_namespace: str = setting(values.label, "knative-eventing")
    """Namespace of Eventing."""
    untagged_registries: tuple[str, ...] = setting(values.registries, ())
    """Registries without HTTPS, whose tags Knative shall not resolve."""
