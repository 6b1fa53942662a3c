"""PlatformSettings: one environment's configuration, whole.

Keys are under the project's name: `knative-lambda:rabbitmqCluster`.
"""

import dataclasses
import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import pulumi
from pulumi.runtime.config import CONFIG, is_config_secret

from components import naming
from components.capacity import Capacity
from components.engines import EMBEDDED, ENGINES
from components.settings import fields, values
from components.settings.access import AccessSettings
from components.settings.aws import AwsSettings
from components.settings.builds import BuildSettings
from components.settings.delivery import DeliverySettings
from components.settings.drift import DriftSettings
from components.settings.fields import Group, SettingsError, setting
from components.settings.functions import FunctionSettings
from components.settings.gates import GateSettings
from components.settings.gitops import GitopsSettings
from components.settings.knative import KnativeSettings
from components.settings.neighbours import NeighbourSettings
from components.settings.observability import ObservabilitySettings
from components.settings.quota import QuotaSettings
from components.settings.rabbitmq import RabbitmqSettings
from components.settings.registry import RegistrySettings
from components.settings.scan import ScanSettings
from components.settings.secrets import SecretsSettings
from components.settings.service import ServiceSettings
from components.settings.storage import StorageSettings
from components.settings.tls import TlsSettings

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
    "io.knative.lambda.command.build.cancel",
    "io.knative.lambda.command.function.deploy",
    "io.knative.lambda.command.function.promote",
    "io.knative.lambda.command.function.rollback",
    "io.knative.lambda.command.service.create",
    "io.knative.lambda.command.service.update",
    "io.knative.lambda.command.service.delete",
    "io.knative.lambda.lifecycle.build.completed",
    "io.knative.lambda.lifecycle.build.failed",
    "io.knative.lambda.lifecycle.build.timeout",
)
"""What the automation service is subscribed to."""

REGISTRIES: Final = ("gcr.io/kaniko-project", "gcr.io/knative-releases")
"""Where images may come from besides our registry: Kaniko's executor, Knative's queue-proxy."""

_OF_PROVIDERS: Final = {"awsRegion": "aws:region"}
"""Keys whose text may be in the configuration of a provider as well, where Pulumi's users put it."""


@dataclass(frozen=True, kw_only=True)
class PlatformSettings(Group):
    """One environment's configuration."""

    environment: str = setting(values.choice(*ENVIRONMENTS))
    """local, dev, stg or prd; names the namespace, the broker and the buckets."""
    namespace: str = setting(values.label, derived=lambda environment, _: naming.namespace(environment))
    """Namespace of everything: a cluster with several environments of a kind needs names of their own."""
    engine: str = setting(values.choice(*ENGINES), EMBEDDED)
    """What carries out the updates of functions, one of ENGINES."""
    allowed_registries: tuple[str, ...] = setting(values.registries, ())
    """Registries that images of functions and builds may come from; not set: ours and REGISTRIES."""
    access: AccessSettings
    """IAM roles that were made elsewhere."""
    aws: AwsSettings
    """The account."""
    builds: BuildSettings
    """What builds are made with."""
    delivery: DeliverySettings
    """Where the platform's own events go."""
    drift: DriftSettings
    """How functions are looked at for what others have changed."""
    gates: GateSettings
    """Which changes of functions wait for approval."""
    functions: FunctionSettings
    """What specifications of functions leave to the environment."""
    gitops: GitopsSettings
    """What Flux hears of."""
    knative: KnativeSettings
    """Who installs Knative, and how."""
    neighbours: NeighbourSettings
    """What the environment talks to."""
    observability: ObservabilitySettings
    """What watches it."""
    quota: QuotaSettings
    """What differs from the environment's capacity."""
    rabbitmq: RabbitmqSettings
    """The cluster behind the Broker."""
    registry: RegistrySettings
    """Where images are."""
    service: ServiceSettings
    """The automation service."""
    scan: ScanSettings
    """What looks at built images."""
    secrets: SecretsSettings
    """Where Secrets come from."""
    storage: StorageSettings
    """Where code, build contexts and functions' stacks are."""
    tls: TlsSettings
    """Which connections are encrypted."""

    def __post_init__(self) -> None:
        """Fill in what follows from several groups."""
        if not self.allowed_registries:
            object.__setattr__(self, "allowed_registries", (self.registry_address, *REGISTRIES))

    @property
    def registry_address(self) -> str:
        """Host and port of our registry."""
        return self.registry.address or self.aws.cloud.registry

    def problems(self, environment: str) -> list[str]:
        """Return which images admission policies would refuse, and who would need Triggers."""
        found = self._without_triggers()
        home = self.registry_address
        elsewhere = "add its registry, or set it to where the image is"
        remedies = {
            f"functions' own images in {home}/{self.registry.repository}": (
                f"add {home}, or set registryAddress and registryRepository to where they are"
            ),
            f"serviceImage {self.service_image}": elsewhere,
            f"buildExecutorImage {self.builds.executor_image}": elsewhere,
            **({f"scanImage {self.scan.image}": elsewhere} if self.scan.image else {}),
            **{f"functionImageSources {source}": "add it" for source in self.functions.image_sources},
        }
        known = tuple(f"{allowed}/" for allowed in self.allowed_registries)
        return found + [
            f"allowedRegistries is {','.join(self.allowed_registries)!r}, which leaves out {image}: {remedy}"
            for image, remedy in remedies.items()
            if self.capacity and not f"{image.rpartition(' ')[2]}/".startswith(known)
        ]

    def _without_triggers(self) -> list[str]:
        if not (self.delivery.over_amqp and self.gitops.enabled):
            return []
        return [
            "gitopsEnabled is 'true', and Flux's Receivers get events by Triggers:"
            " set eventingDelivery to triggers, or gitopsEnabled to false"
        ]

    @property
    def capacity(self) -> Capacity | None:
        """What the environment may use; None in `local`, where nothing enforces it."""
        whole = self.quota.capacity(self.environment)
        return self.service.applied(whole) if whole else None

    @property
    def service_image(self) -> str:
        """The image of the automation service and of the monitor."""
        repository = f"{self.registry_address}/{self.registry.service_repository}"
        return self.service.image or f"{repository}:{self.environment}-latest"

    @classmethod
    def from_config(cls, config: pulumi.Config) -> "PlatformSettings":
        """Read the running program's stack configuration. Raises SettingsError."""
        prefix = f"{config.name}:"
        given = {key.removeprefix(prefix) for key in CONFIG.get() if key.startswith(prefix)}
        secrets = {name: config.get_secret(name) for name, key in KEYS.items() if key.is_secret}
        open_ = [name for name in secrets if config.get(name) and not is_config_secret(prefix + name)]
        texts = {name: config.get(name) or "" for name in sorted({*given, *KEYS} - secrets.keys())}
        texts |= {name: CONFIG.get().get(key, "") for name, key in _OF_PROVIDERS.items() if not texts[name]}
        return cls.parse(
            {name: text for name, text in texts.items() if text or name in given} | dict.fromkeys(open_, ""),
            {name: value for name, value in secrets.items() if value is not None},
        )

    @classmethod
    def parse(
        cls, texts: Mapping[str, str], secrets: Mapping[str, pulumi.Output[str]] | None = None
    ) -> "PlatformSettings":
        """Build settings from texts and secrets by key; a secret's key among the texts is one too many.

        Raises SettingsError.
        """
        read = fields.Values.read(KEYS, texts, secrets or {})
        problems = [*_unknown(texts), *_in_plain_text(texts), *_no_environment(texts), *read.problems]
        own = read.given.get("", {})
        # Without an environment groups have no defaults of its own, but may be wrong in themselves.
        environment = own.get("environment", "")
        groups: dict[str, Any] = {name: read.build(name, kind, environment) for name, kind in GROUPS.items()}
        for name, group in groups.items():
            problems += [] if name in read.broken else group.problems(environment)
        own = read.complete("", cls, environment)
        if environment and not read.broken:
            problems += cls(**own, **groups).problems(environment)
        if problems:
            raise SettingsError(problems)
        return cls(**own, **groups)


GROUPS: Final[Mapping[str, type[Group]]] = {
    field.name: field.type
    for field in dataclasses.fields(PlatformSettings)
    if isinstance(field.type, type) and issubclass(field.type, Group)
}
"""By the name of their field."""

KEYS: Final[Mapping[str, fields.Key]] = {
    **fields.keys("", PlatformSettings),
    **{key: found for name, kind in GROUPS.items() for key, found in fields.keys(name, kind).items()},
}
"""Every key that a stack file may have."""


def _unknown(texts: Mapping[str, str]) -> list[str]:
    return [
        f"{key} is no key of this project{_nearest(key)}: stacks/README.md lists them all"
        for key in sorted(texts)
        if key not in KEYS
    ]


def _in_plain_text(texts: Mapping[str, str]) -> list[str]:
    return [
        f"{key} is in plain text: set it with `pulumi config set --secret {key}`, and change it"
        for key in texts
        if key in KEYS and KEYS[key].is_secret
    ]


def _nearest(key: str) -> str:
    found = difflib.get_close_matches(key, KEYS, n=3)
    return f" (did you mean {' or '.join(found)}?)" if found else ""


def _no_environment(texts: Mapping[str, str]) -> list[str]:
    """Return that the one key without a default is missing; the reader tells of a wrong one."""
    if texts.get("environment"):
        return []
    return [f"environment is '': set it to one of {', '.join(ENVIRONMENTS)}"]
