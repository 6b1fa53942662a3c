"""The automation's settings, typed. Who reads them from where is the service's business."""

from dataclasses import dataclass, field
from pathlib import Path

from automation import languages
from automation.build_queue import Limits as BuildLimits
from automation.code import Limits as SourceLimits
from automation.configuration import AT_ONCE, RolloutPolicy
from automation.dockerfiles import Toolchain
from automation.errors import InvalidEvent
from automation.languages import Language
from automation.outbox.emission import Kind
from automation.scans import OPEN, ScanPolicy
from components import naming
from components.engines import EMBEDDED
from components.gate_rules import Rule
from components.manifests.scan import ScanArgs


@dataclass(frozen=True, kw_only=True)
class AutomationSettings:
    """How functions are built and run in one environment. Images have no default: no registry is built in."""

    environment: str
    """local, dev, stg or prd; names the namespace, the broker and the buckets unless they are given."""
    backend_url: str
    """Where stacks keep their state: `file://` and a folder, or `s3://bucket/prefix?region=…`."""
    passphrase: str = field(default="", repr=False)
    """Opens secrets in the state; functions' stacks hold none."""
    engine: str = EMBEDDED
    """Which engine carries out updates, one of ENGINES."""
    project: str = "knative-lambda-functions"
    """Pulumi project of all functions' stacks."""
    kubeconfig: str = ""
    """Path of a kubeconfig; empty: `$KUBECONFIG`, `~/.kube/config`, the pod's own account."""
    namespace: str = ""
    """Namespace of functions and builds; empty: the environment's."""
    registry: str
    """Registry that images are pushed to, without a repository."""
    repository: str = "knative-lambdas"
    """Repository of all functions' images."""
    cache_repository: str = "kaniko-cache"
    """Repository of layers that builds use again."""
    pull_secret: str = ""
    """Secret that functions' images are pulled with; empty: none."""
    push_secret: str = ""
    """Secret that builds push images with; empty: none."""
    insecure_registry: bool = False
    """The registry speaks plain HTTP."""
    registry_immutable: bool = True
    """A repository that is made in ECR refuses to give a tag of a function to another image."""
    registry_retention_days: int = 0
    """When ECR deletes functions' images of a repository made here, in days after their push; 0: never."""
    registry_cache_days: int = 3
    """When ECR deletes cached layers, likewise."""
    registry_kms_key_arn: str = ""
    """Key that ECR encrypts layers with; empty: one that it keeps."""
    executor_image: str
    """Kaniko executor, or what takes its place."""
    monitor_image: str
    """Image with the `monitor` package."""
    python_base_image: str = "python:3.11-slim"
    """Base of Python functions; a runtime that the event names takes the place of the tag's version."""
    nodejs_base_image: str = "node:22-slim"
    """Base of Node.js functions; likewise."""
    go_base_image: str = "golang:1.25-alpine"
    """What Go functions are compiled in; likewise."""
    go_run_image: str = "alpine:3.22"
    """What compiled Go functions run in; of it they use the certificate authorities."""
    python_index_url: str = ""
    """pip's index for builds, a URL without credentials; empty: the base image's."""
    npm_registry_url: str = ""
    """npm's registry for builds, likewise."""
    go_proxy: str = ""
    """GOPROXY for builds, likewise."""
    attestation_key_file: Path | None = None
    """PEM file of the Ed25519 key that attestations of builds are signed with; None: they are not."""
    scan: ScanArgs | None = None
    """What built images are scanned with; None: they are not."""
    scan_policy: ScanPolicy = OPEN
    """Which images are kept from being rolled out for what a scan found."""
    build_deadline_seconds: int = 1800
    """Longest run of a build."""
    build_limit: int = 0
    """Builds at one time; further ones wait. 0: no limit."""
    third_party_build_limit: int = 0
    """Of them, builds of one third party; 0: no limit."""
    waiting_build_limit: int = 100
    """Builds that wait, of one third party half as many; further ones are refused with Saturated."""
    region: str = "us-west-2"
    """AWS region of buckets and registry."""
    s3_endpoint: str = ""
    """URL of S3-compatible storage; empty: AWS."""
    access_key_id: str = ""
    """Static storage key, which builds read from the Secret `knative-lambda-storage`; empty: IAM."""
    secret_access_key: str = field(default="", repr=False)
    """The secret of that key."""
    source_bucket: str = ""
    """Bucket of parsers' code; empty: the environment's."""
    context_bucket: str = ""
    """Bucket of build contexts; empty: the environment's."""
    source_max_files: int = SourceLimits.files
    """How many files a parser may have."""
    source_max_file_bytes: int = SourceLimits.file_bytes
    """Biggest file of a parser; an archive of all its files is one."""
    source_max_total_bytes: int = SourceLimits.total_bytes
    """Most bytes of a parser's files in all."""
    broker_name: str = ""
    """Name of the Broker that functions' Triggers hang on; empty: the environment's."""
    broker_url: str = ""
    """URL of the Broker's ingress as pods reach it; empty: the RabbitMQ broker's own Service."""
    emits: frozenset[Kind] = frozenset()
    """What the platform tells of itself, of LIFECYCLE, ALERTS, AUDIT and CDEVENTS; empty: nothing."""
    sink_url: str = ""
    """Where that is sent; empty: the Broker's ingress."""
    scheduler_url: str = ""
    """Notifi's scheduler, which is told how builds with a context id ended; empty: nobody is."""
    triggers: bool = True
    """Whether functions have Triggers; else our consumer brings them their events."""
    dead_letter_uri: str = ""
    """Where undeliverable events go; empty: the Service `knative-lambda-dlq-handler`."""
    function_url: str = "http://{name}.{namespace}.svc.cluster.local"
    """How a function is reached, for the answers; `{name}` and `{namespace}` are filled in."""
    function_timeout_seconds: int = 60
    """Longest run of one call of a function."""
    function_log_level: str = "info"
    """Log level of functions: debug, info, warning or error."""
    metrics_url: str = ""
    """Prometheus, which functions' calls are asked of while a rollout is young; empty: they are not."""
    rollout: RolloutPolicy = AT_ONCE
    """How new revisions come to their traffic, for functions that do not say it themselves."""
    image_sources: tuple[str, ...] = ()
    """Prefixes of images that deploy events may name, beside those of the registry."""
    gate_rules: tuple[Rule, ...] = ()
    """Which plans wait for approval; none: no event is planned before it is carried out."""
    gate_expiry_seconds: int = 24 * 3600
    """How long they wait."""
    drift_checks_per_minute: int = 0
    """Stacks that all replicas together look at in a minute for what others have changed; 0: none."""
    drift_heals: tuple[str, ...] = ()
    """Kinds of objects that are put back then, or `all`; empty: drift is recorded and told."""
    runtimes_folder: Path = Path(__file__).parent.parent / "runtimes"
    """Folder with the runtime wrappers."""
    workers: int = 8
    """Events worked on at one time."""
    queue_limit: int = 100
    """Events that may be waiting or under way at one time; further ones are refused with Saturated."""

    def __post_init__(self) -> None:
        """Fill in what follows from the environment's name."""
        derived = {
            "namespace": self.namespace or naming.namespace(self.environment),
            "source_bucket": self.source_bucket or naming.source_bucket(self.environment),
            "context_bucket": self.context_bucket or naming.context_bucket(self.environment),
            "broker_name": self.broker_name or naming.broker_name(self.environment),
        }
        ingress = f"{derived['broker_name']}-broker-ingress.{derived['namespace']}"
        derived["broker_url"] = self.broker_url or f"http://{ingress}.svc.cluster.local"
        derived["sink_url"] = self.sink_url or derived["broker_url"]
        for name, value in derived.items():
            object.__setattr__(self, name, value)

    @property
    def told(self) -> frozenset[Kind]:
        """Everything that is derived and sent; empty: there is no outbox."""
        return self.emits | ({Kind.CALLBACKS} if self.scheduler_url else frozenset())

    def url_of(self, name: str) -> str:
        """Return the URL of a function by its name."""
        return self.function_url.format(name=name, namespace=self.namespace)

    def toolchain(self, language: Language, runtime: str | None) -> Toolchain:
        """Return what a language is built with; the version of a runtime takes that of the base image's tag.

        Raises InvalidEvent for a runtime when the base image's tag names no version.
        """
        image, run_image, mirror = {
            languages.PYTHON.name: (self.python_base_image, "", self.python_index_url),
            languages.NODEJS.name: (self.nodejs_base_image, "", self.npm_registry_url),
            languages.GO.name: (self.go_base_image, self.go_run_image, self.go_proxy),
        }[language.name]
        chosen = languages.with_version(image, language.version_of(runtime))
        if chosen is None:
            raise InvalidEvent(
                f"runtime {runtime} cannot be chosen: this platform builds {language.name} on {image}, "
                "whose tag names no version; leave `runtime` out"
            )
        return Toolchain(base_image=chosen, run_image=run_image, mirror=mirror)

    @property
    def build_limits(self) -> BuildLimits:
        """How many builds there may be."""
        return BuildLimits(
            running=self.build_limit,
            third_party=self.third_party_build_limit,
            waiting=self.waiting_build_limit,
        )

    @property
    def source_limits(self) -> SourceLimits:
        """What a parser may consist of."""
        return SourceLimits(
            files=self.source_max_files,
            file_bytes=self.source_max_file_bytes,
            total_bytes=self.source_max_total_bytes,
        )

    @property
    def image_repository(self) -> str:
        """Repository of all functions' images, with its registry."""
        return naming.image_repository(self.registry, self.repository)
