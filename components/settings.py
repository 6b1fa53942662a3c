"""The platform's stack configuration, typed: read once, with every mistake reported at once.

Keys are the fields in camelCase, under the project's name: `knative-lambda:rabbitmqCluster`. Each is
described for users in stacks/README.md.
"""

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import pulumi
from pulumi.runtime.config import CONFIG

from components.engines import EMBEDDED, ENGINES

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

_ROLE_ARN: Final = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/.+")


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
        known = {_KEYS[key]: text for key, text in values.items() if key in _KEYS and key != _SECRET_KEY}
        problems = [*_unknown_keys(values), *_problems(known, has_secret)]
        if problems:
            raise SettingsError(tuple(problems))
        fields: dict[str, Any] = {**known, **_defaults(known)}
        return cls(**fields)


def _camel(name: str) -> str:
    return re.sub(r"_([a-z])", lambda found: found[1].upper(), name)


_KEYS: Final = {_camel(field.name): field.name for field in dataclasses.fields(PlatformSettings)}
_SECRET_KEY: Final = "storageSecretAccessKey"  # noqa: S105 - a key's name


def _defaults(known: Mapping[str, str]) -> dict[str, str]:
    environment = known["environment"]
    return {
        "rabbitmq_cluster": known.get("rabbitmq_cluster") or f"rabbitmq-cluster-{environment}",
        "rabbitmq_namespace": known.get("rabbitmq_namespace") or f"rabbitmq-{environment}",
    }


def _unknown_keys(values: Mapping[str, str]) -> list[str]:
    allowed = ", ".join(sorted(_KEYS))
    return [
        f"{key} is no key of this project: one of {allowed}" for key in sorted(values) if key not in _KEYS
    ]


def _problems(known: Mapping[str, str], has_secret: bool) -> list[str]:
    return [
        *_environment_problems(known.get("environment", "")),
        *_engine_problems(known.get("engine", EMBEDDED)),
        *(
            problem
            for name in ("subscriber_uri", "dead_letter_uri")
            for problem in _uri_problems(name, known)
        ),
        *(
            problem
            for name in ("build_role_arn", "service_role_arn")
            for problem in _arn_problems(name, known)
        ),
        *_key_problems(bool(known.get("storage_access_key_id")), has_secret),
    ]


def _environment_problems(value: str) -> list[str]:
    if value in ENVIRONMENTS:
        return []
    return [f"environment is {value!r}: set it to one of {', '.join(ENVIRONMENTS)}"]


def _engine_problems(value: str) -> list[str]:
    return [] if value in ENGINES else [f"engine is {value!r}: set it to one of {', '.join(ENGINES)}"]


def _uri_problems(name: str, known: Mapping[str, str]) -> list[str]:
    value = known.get(name, "")
    parts = urlsplit(value)
    if not value or (parts.scheme in {"http", "https"} and parts.hostname):
        return []
    return [f"{_camel(name)} is {value!r}: give an absolute http or https URL, or leave it out"]


def _arn_problems(name: str, known: Mapping[str, str]) -> list[str]:
    value = known.get(name, "")
    if not value or _ROLE_ARN.fullmatch(value):
        return []
    return [f"{_camel(name)} is {value!r}: give an IAM role such as arn:aws:iam::123456789012:role/name"]


def _key_problems(has_id: bool, has_secret: bool) -> list[str]:
    if has_id == has_secret:
        return []
    return [f"storageAccessKeyId and {_SECRET_KEY} belong together: set both, or neither to use IAM roles"]
