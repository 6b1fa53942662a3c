"""Service: the automation service as a Deployment, and what it takes to be reached and to be kept alive."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi

from components.capacity import Capacity
from components.declare import custom, within
from components.engines import EMBEDDED
from components.manifests import service as manifests
from components.manifests.metadata import Manifest, object_meta, platform_labels
from components.manifests.service_environment import (
    ATTESTATION_KEY,
    KEYS,
    PASSPHRASE,
    STATE_SECRET,
    TOKENS,
)


@dataclass(frozen=True, kw_only=True)
class ServiceArgs:
    """What runs, how often, and what it is told."""

    namespace: pulumi.Input[str]
    """Namespace of the service, of functions and builds; its account must exist in it."""
    environment: str
    """dev, stg or prd."""
    capacity: Capacity
    """How many pods of which size."""
    image: str
    """Image of the service, and of builds' monitors."""
    broker_name: str
    """Name of the Broker that functions' Triggers hang on."""
    registry: pulumi.Input[str]
    """Registry that functions' images are pushed to, without a repository."""
    repository: pulumi.Input[str]
    """Repository of functions' images."""
    cache_repository: pulumi.Input[str]
    """Repository of layers that builds use again."""
    region: str
    """AWS region of buckets and registry."""
    source_bucket: pulumi.Input[str]
    """Bucket of parsers' code."""
    context_bucket: pulumi.Input[str]
    """Bucket of build contexts."""
    state_url: pulumi.Input[str]
    """Where functions' stacks keep their state: object storage, which all pods share."""
    log_level: str = "info"
    """debug, info, warn or error."""
    engine: str = EMBEDDED
    """What carries out the updates of functions, one of ENGINES."""
    broker_url: str = ""
    """The Broker's ingress as pods reach it; empty: the RabbitMQ broker's own Service."""
    emits: tuple[str, ...] = ()
    """What the service tells of functions, of EMITTED; empty: nothing."""
    sink_uri: str = ""
    """Where that goes; empty: the Broker."""
    scheduler_uri: str = ""
    """Notifi's scheduler, told how builds with a context id ended; empty: it is not."""
    dead_letter_uri: str = ""
    """Where undeliverable events go; empty: the Service `knative-lambda-dlq-handler`."""
    pull_secret: pulumi.Input[str] = ""
    """Secret that functions' images are pulled with; empty: none."""
    push_secret: pulumi.Input[str] = ""
    """Secret that builds push with; empty: none."""
    insecure_registry: bool = False
    """The registry speaks plain HTTP."""
    storage_endpoint: str = ""
    """URL of S3-compatible storage; empty: AWS."""
    static_keys: bool = False
    """Read storage keys from the Secret `knative-lambda-storage`; False: the account's IAM role."""
    passphrase: pulumi.Input[str] | None = None
    """Opens secrets in that state; None: there are none."""
    passphrase_stored: bool = False
    """It comes from a store into the Secret `knative-lambda-state`, which is not made here then."""
    tls: bool = False
    """HTTPS is served as well, by the certificate in the Secret `knative-lambda-builder-tls`."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """What it is told beside that, by environment variable; an empty text is left to its own default."""
    telemetry: Sequence[Manifest] = ()
    """Variables of OpenTelemetry."""
    api_tokens: pulumi.Input[str] | None = None
    """Tokens of those who may read over REST, one a line; None: nobody may."""
    signature_keys: pulumi.Input[str] | None = None
    """Keys that events from outside are signed with, one a line; None: they need not be signed."""
    attestation_key: pulumi.Input[str] | None = None
    """PEM text of the Ed25519 key that attestations are signed with; None: they are not."""
    signed_paths: Sequence[str] = ()
    """Paths whose events have to be signed; none: the service's own choice."""
    source_rate: int | None = None
    """Most events of each source in a second, of each pod; None: no limit."""
    source_burst: int | None = None
    """Most events of each source at once, of each pod; None: the service's own choice."""


class Service(pulumi.ComponentResource):
    """Deployment and Service; an autoscaler and a disruption budget where there may be several pods."""

    service_name: pulumi.Output[str]
    """Name of the Service, which the Triggers deliver to."""

    def __init__(self, name: str, args: ServiceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("knative-lambda:components:Service", name, None, opts)
        for role, manifest in {**self._secrets(args), **manifests.workload(args)}.items():
            custom(f"{name}-{role}", manifest, within(self, opts))
        self.service_name = pulumi.Output.from_input(manifests.NAME)
        self.register_outputs({"service_name": self.service_name})

    @staticmethod
    def _secrets(args: ServiceArgs) -> dict[str, Manifest]:
        """Return the Secrets of what was given, by role."""
        given = {
            "state": (STATE_SECRET, PASSPHRASE, None if args.passphrase_stored else args.passphrase),
            "tokens": (manifests.TOKENS_SECRET, TOKENS, args.api_tokens),
            "signature-keys": (manifests.KEYS_SECRET, KEYS, args.signature_keys),
            "attestation-key": (manifests.ATTESTATION_SECRET, ATTESTATION_KEY, args.attestation_key),
        }
        return {
            role: {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": object_meta(secret, args.namespace, platform_labels("service")),
                "stringData": {key: pulumi.Output.secret(value)},
            }
            for role, (secret, key, value) in given.items()
            if value is not None
        }
