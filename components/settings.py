"""The platform's stack configuration, typed: read once, with every mistake reported at once.

Keys are the fields in camelCase, under the project's name: `knative-lambda:rabbitmqCluster`. Each is
described for users in stacks/README.md.
"""

import dataclasses
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import pulumi
from pulumi.runtime.config import CONFIG

from components import setting_values as values_of
from components.capacity import CAPACITIES, Capacity
from components.engines import EMBEDDED

ENVIRONMENTS: Final = ("local", "dev", "stg", "prd")

EVENT_TYPES: Final = (
    "network.notifi.lambda.build.start",
    "network.notifi.lambda.build.complete",
    "network.notifi.lambda.build.failed",
    "network.notifi.lambda.job.start",
    "network.notifi.lambda.parser.start",
    "network.notifi.lambda.parser.complete",
    "network.notifi.lambda.service.delete",
    "io.knative.lambda.command.build.start",
    "io.knative.lambda.command.build.retry",
    "io.knative.lambda.command.service.delete",
    "io.knative.lambda.lifecycle.build.completed",
    "io.knative.lambda.lifecycle.build.failed",
    "io.knative.lambda.lifecycle.build.timeout",
)
"""What the automation service is subscribed to."""

REGISTRIES: Final = (
    "339954290315.dkr.ecr.us-west-2.amazonaws.com",
    "gcr.io/kaniko-project",
    "gcr.io/knative-releases",
)
"""Where images may come from: the contract's registry, Kaniko's executor, Knative's queue-proxy."""


class SettingsError(ValueError):
    """The configuration has mistakes; the text lists all of them, `problems` holds them one by one."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("stack configuration:\n" + "\n".join(f"- {problem}" for problem in problems))
        self.problems = problems


@dataclass(frozen=True, kw_only=True)
class PlatformSettings:
    """One environment's configuration."""

    environment: str
    """local, dev, stg or prd; names the namespace, the broker and the buckets."""
    engine: str = EMBEDDED
    """What carries out the updates of functions, one of ENGINES."""
    rabbitmq_cluster: str = ""
    """Name of the RabbitmqCluster; empty: `rabbitmq-cluster-{environment}`."""
    rabbitmq_namespace: str = ""
    """Namespace of the RabbitmqCluster; empty: `rabbitmq-{environment}`."""
    subscriber_uri: str = ""
    """Where the automation service takes events; empty: the Service `knative-lambda-builder`."""
    dead_letter_uri: str = ""
    """Where undeliverable events go; empty: the Service `knative-lambda-dlq-handler`."""
    build_role_arn: str = ""
    """IAM role of build pods; empty: none."""
    service_role_arn: str = ""
    """IAM role of the automation service; empty: none."""
    storage_access_key_id: str = ""
    """Static key of S3-compatible storage; empty: access by IAM role."""
    storage_secret_access_key: pulumi.Output[str] | None = None
    """The secret of that key; set it with `--secret`."""
    storage_endpoint: str = ""
    """URL of S3-compatible storage; empty: AWS. Builds and the automation service may reach its port."""
    allowed_registries: tuple[str, ...] = REGISTRIES
    """Registries that images of functions and builds may come from."""
    serving_namespace: str = "knative-serving"
    """Namespace of Knative's activator and autoscaler."""
    ingress_namespace: str = ""
    """Namespace of the gateway in front of Knative Services; empty: `serving_namespace`."""
    monitoring_namespace: str = "monitoring"
    """Namespace of Prometheus."""
    notifi_namespace: str = "notifi"
    """Namespace of Notifi's services."""
    api_server_cidr: str = ""
    """Addresses of the API server; empty: any."""
    quota_requests_cores: int | None = None
    """CPUs guaranteed to all functions together; None, as below: the environment's row in `capacity`."""
    quota_requests_gib: int | None = None
    """GiB of memory guaranteed to all functions together."""
    quota_limits_cores: int | None = None
    """CPUs that all functions' limits together may reach."""
    quota_limits_gib: int | None = None
    """GiB of memory that all functions' limits together may reach."""
    quota_pods: int | None = None
    """Pods of all functions together."""
    quota_functions: int | None = None
    """Functions."""
    quota_builds: int | None = None
    """Builds at the same time that the quota has room for."""
    quota_volume_claims: int | None = None
    """PersistentVolumeClaims."""

    @property
    def capacity(self) -> Capacity | None:
        """What the environment may use; None in `local`, where nothing enforces it."""
        row = CAPACITIES.get(self.environment)
        given = {name: getattr(self, f"quota_{name}") for name in _QUOTAS}
        set_here = {name: value for name, value in given.items() if value is not None}
        return dataclasses.replace(row, **set_here) if row else None

    @classmethod
    def from_config(cls, config: pulumi.Config) -> "PlatformSettings":
        """Read the running program's stack configuration. Raises SettingsError."""
        prefix = f"{config.name}:"
        keys = {key.removeprefix(prefix) for key in CONFIG.get() if key.startswith(prefix)}
        plain = {key: config.get(key) or "" for key in {*keys, *_KEYS} - {_SECRET_KEY}}
        secret = config.get_secret(_SECRET_KEY)
        settings = cls.parse(
            {key: text for key, text in plain.items() if text or key in keys}, secret is not None
        )
        return dataclasses.replace(settings, storage_secret_access_key=secret)

    @classmethod
    def parse(cls, values: Mapping[str, str], has_secret: bool = False) -> "PlatformSettings":
        """Build settings from plain values by key; the secret itself is left out. Raises SettingsError."""
        plain = {key: text for key, text in values.items() if text and key in _KEYS and key != _SECRET_KEY}
        known, wrong = _read(plain)
        problems = [*_unknown_keys(values), *_environment_problems(values), *wrong]
        problems += [*_key_problems("storageAccessKeyId" in plain, has_secret), *_quota_problems(known)]
        if problems:
            raise SettingsError(tuple(problems))
        return cls(**{**known, **_defaults(known)})


def _camel(name: str) -> str:
    return re.sub(r"_([a-z])", lambda found: found[1].upper(), name)


_KEYS: Final = {_camel(field.name): field.name for field in dataclasses.fields(PlatformSettings)}
_SECRET_KEY: Final = "storageSecretAccessKey"  # noqa: S105 - a key's name


_QUOTAS: Final = (
    "requests_cores",
    "requests_gib",
    "limits_cores",
    "limits_gib",
    "pods",
    "functions",
    "builds",
    "volume_claims",
)
_READERS: Final[Mapping[str, Callable[[str], Any]]] = {
    "engine": values_of.engine,
    "rabbitmq_cluster": values_of.label,
    "rabbitmq_namespace": values_of.label,
    "subscriber_uri": values_of.url,
    "dead_letter_uri": values_of.url,
    "build_role_arn": values_of.role_arn,
    "service_role_arn": values_of.role_arn,
    "storage_endpoint": values_of.url,
    "allowed_registries": values_of.registries,
    "serving_namespace": values_of.label,
    "ingress_namespace": values_of.label,
    "monitoring_namespace": values_of.label,
    "notifi_namespace": values_of.label,
    "api_server_cidr": values_of.cidr,
    **{f"quota_{name}": values_of.count for name in _QUOTAS},
}
"""By field; any other field takes any text."""


def _read(plain: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """Return the values by field, and what is wrong with the others."""
    known: dict[str, Any] = {}
    problems = []
    for key, text in plain.items():
        try:
            known[_KEYS[key]] = _READERS.get(_KEYS[key], values_of.text)(text)
        except ValueError as error:
            problems.append(f"{key} is {text!r}: {error}")
    return known, problems


def _defaults(known: Mapping[str, Any]) -> dict[str, str]:
    environment = known["environment"]
    return {
        "rabbitmq_cluster": known.get("rabbitmq_cluster") or f"rabbitmq-cluster-{environment}",
        "rabbitmq_namespace": known.get("rabbitmq_namespace") or f"rabbitmq-{environment}",
        "ingress_namespace": known.get("ingress_namespace")
        or known.get("serving_namespace", PlatformSettings.serving_namespace),
    }


def _unknown_keys(values: Mapping[str, str]) -> list[str]:
    allowed = ", ".join(sorted(_KEYS))
    return [
        f"{key} is no key of this project: one of {allowed}" for key in sorted(values) if key not in _KEYS
    ]


def _environment_problems(values: Mapping[str, str]) -> list[str]:
    value = values.get("environment", "")
    if value in ENVIRONMENTS:
        return []
    return [f"environment is {value!r}: set it to one of {', '.join(ENVIRONMENTS)}"]


def _key_problems(has_id: bool, has_secret: bool) -> list[str]:
    if has_id == has_secret:
        return []
    return [f"storageAccessKeyId and {_SECRET_KEY} belong together: set both, or neither to use IAM roles"]


def _quota_problems(known: Mapping[str, Any]) -> list[str]:
    """Return where more is guaranteed than the limits allow, the environment's own numbers included."""
    row = CAPACITIES.get(known.get("environment", ""))
    problems = []
    for unit, title in (("cores", "Cores"), ("gib", "Gib")):
        least, most = (
            known.get(f"quota_{kind}_{unit}", getattr(row, f"{kind}_{unit}", None))
            for kind in ("requests", "limits")
        )
        if least is not None and most is not None and least > most:
            problems.append(
                f"quotaRequests{title} is {least} and quotaLimits{title} is {most}:"
                " requests cannot exceed limits; raise the limits or lower the requests"
            )
    return problems
