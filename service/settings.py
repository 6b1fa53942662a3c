"""Everything that the service process can be told, read once from environment variables.

`read` is pure: it takes any mapping, so that only the composition root touches `os.environ`. All mistakes are
reported at once. An empty variable counts as not set; variables that are not named here belong to others.
Automation's defaults are its own: what is not set here is not passed on.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from automation.configuration import AT_ONCE, FailureLimit, RolloutPolicy
from automation.event_fields import BUCKET, IMAGE
from automation.outbox.emission import Kind
from automation.scans import ALLOW, REFUSE, SEVERITIES, ScanPolicy
from automation.settings import AutomationSettings
from components import drift
from components.capacity import CAPACITIES
from components.emitted import EMITTED
from components.engines import ENGINES
from components.gate_rules import InvalidRules, Rule
from components.gate_rules import parse as parse_rules
from components.manifests.scan import ScanArgs
from service import variables as syntax
from service.rate_limits import UNLIMITED, Rate
from service.signatures import UNSIGNED, SignatureSettings
from service.tls import TlsSettings
from service.variables import Variables

ENVIRONMENTS: Final = ("local", "dev", "stg", "prd")
EVENT_PATHS: Final = ("/", "/events", "/cloud-events", "/cloudevents", "/build")
"""Where events are taken: the contract's two paths, and the aliases that older senders use."""

LOG_LEVELS: Final = ("debug", "info", "warn", "error")

LOCAL_BUILDS: Final = 5
"""Builds at one time on a developer's machine; the other environments' numbers are in CAPACITIES."""

_MAX_SOURCE_BYTES: Final = 1024**3
"""What the volume of the service's pods has room for, with some events under way at once."""

GRPC: Final = "grpc"
HTTP: Final = "http/protobuf"

DEFAULT_MAX_BODY_BYTES: Final = 2 * 1024 * 1024 + 64 * 1024
"""2 MiB of data, and room for the envelope of a structured event around it."""


class SettingsError(Exception):
    """Settings are wrong; `problems` lists everything that has to change."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("the settings are wrong:\n" + "\n".join(f"- {problem}" for problem in problems))
        self.problems = problems


@dataclass(frozen=True, kw_only=True)
class HttpSettings:
    """How the service listens and how long it waits."""

    host: str
    """HOST: address to listen on; by default loopback for local, else every address."""
    port: int
    """PORT; 0 takes any free one."""
    max_body_bytes: int
    """MAX_BODY_BYTES: a limit against exhausting memory."""
    body_timeout_seconds: float
    """BODY_TIMEOUT_SECONDS: how long a request's body may take to arrive."""
    request_timeout_seconds: float
    """REQUEST_TIMEOUT_SECONDS: how long a request waits for its work; the work itself goes on."""
    api_tokens_file: Path | None
    """API_TOKENS_FILE: tokens of those who may read over REST, one a line; None: nobody may."""
    signatures: SignatureSettings = UNSIGNED
    """SIGNATURE_KEYS_FILE and SIGNED_PATHS: who may send events, and where."""
    build_rate: Rate
    """BUILD_RATE and BUILD_BURST: builds that may be asked for in a second and at once, of each process."""
    third_party_build_rate: Rate
    """THIRD_PARTY_BUILD_RATE and _BURST: the same, by each third party."""
    source_rate: Rate = UNLIMITED
    """SOURCE_RATE and SOURCE_BURST: events of each `source` in a second and at once, of each process."""
    read_rate: Rate
    """READ_RATE and READ_BURST: requests over REST that are answered, of all readers together."""
    shutdown_grace_seconds: float
    """SHUTDOWN_GRACE_SECONDS: from SIGTERM to the end; below the pod's termination grace period."""
    tls: TlsSettings | None = None
    """HTTPS as well; None: HTTP only."""
    drain_delay_seconds: float
    """DRAIN_DELAY_SECONDS: how long to go on listening after SIGTERM, unready, until routes have changed."""


@dataclass(frozen=True, kw_only=True)
class TracingSettings:
    """Where spans go. What else OpenTelemetry's SDK can be told, it reads itself."""

    endpoint: str
    """OTEL_EXPORTER_OTLP_ENDPOINT: the collector."""
    protocol: str = HTTP
    """OTEL_EXPORTER_OTLP_PROTOCOL: GRPC or HTTP."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of the process."""

    log_level: str
    """LOG_LEVEL: debug, info, warn or error."""
    http: HttpSettings
    automation: AutomationSettings
    refused_events_url: str = ""
    """REFUSED_EVENTS_URL: dead letter sink for what the Broker brings and is refused; empty: none."""
    tracing: TracingSettings | None = None
    """None: nothing is traced."""

    @property
    def source(self) -> str:
        """The `source` attribute of the service's own events."""
        return f"io.knative.lambda/builder/{self.automation.namespace}"


def read(environ: Mapping[str, str]) -> Settings:
    """Return the settings that these variables say, or raise SettingsError with every mistake."""
    variables = Variables(environ)
    environment = variables.choice("ENVIRONMENT", ENVIRONMENTS, aliases={"staging": "stg"}) or "dev"
    log_level = variables.choice("LOG_LEVEL", LOG_LEVELS, aliases={"warning": "warn"}) or "info"
    http = read_http(variables, local=environment == "local")
    tracing = _tracing(variables)
    refused = variables.text("REFUSED_EVENTS_URL", syntax.WEB_URL) or ""
    values = {
        **_platform(variables),
        **_builds(variables),
        **_build_limits(variables, environment),
        **_scans(variables),
        **_storage(variables),
        **_functions(variables),
        "gate_rules": _gate_rules(variables),
        "drift_checks_per_minute": variables.integer("DRIFT_CHECKS_PER_MINUTE", 0, minimum=0, maximum=6000),
        "drift_heals": variables.words("DRIFT_HEAL", (drift.ALL, *drift.KINDS)),
        "gate_expiry_seconds": variables.count("GATE_EXPIRY_SECONDS", maximum=30 * 24 * 3600),
    }
    if variables.problems:
        raise SettingsError(tuple(variables.problems))
    automation = AutomationSettings(
        environment=environment, **{name: value for name, value in values.items() if value is not None}
    )
    return Settings(
        log_level=log_level, http=http, automation=automation, refused_events_url=refused, tracing=tracing
    )


def read_http(
    variables: Variables, *, local: bool, max_body_bytes: int = DEFAULT_MAX_BODY_BYTES
) -> HttpSettings:
    """Return how a server of ours listens; mistakes are noted in `variables`."""
    tokens = variables.text("API_TOKENS_FILE", syntax.PATH)
    everywhere = "0.0.0.0"  # noqa: S104 in a pod the network policy decides who gets here
    return HttpSettings(
        host=variables.text("HOST", syntax.HOST) or ("127.0.0.1" if local else everywhere),
        port=variables.integer("PORT", 8080, minimum=0, maximum=65535),
        max_body_bytes=variables.integer(
            "MAX_BODY_BYTES", max_body_bytes, minimum=1024, maximum=64 * 1024 * 1024
        ),
        body_timeout_seconds=variables.seconds("BODY_TIMEOUT_SECONDS", 30),
        request_timeout_seconds=variables.seconds("REQUEST_TIMEOUT_SECONDS", 30),
        api_tokens_file=None if tokens is None else Path(tokens),
        signatures=_signatures(variables),
        build_rate=_rate(variables, "BUILD", Rate(50, 100)),
        third_party_build_rate=_rate(variables, "THIRD_PARTY_BUILD", Rate(10, 20)),
        source_rate=_rate(variables, "SOURCE", Rate(0, 100)),
        read_rate=_rate(variables, "READ", Rate(50, 100)),
        shutdown_grace_seconds=variables.seconds("SHUTDOWN_GRACE_SECONDS", 30),
        drain_delay_seconds=variables.seconds("DRAIN_DELAY_SECONDS", 0 if local else 3, minimum=0),
        tls=_tls(variables),
    )


def _tracing(variables: Variables) -> TracingSettings | None:
    endpoint = variables.text("OTEL_EXPORTER_OTLP_ENDPOINT", syntax.WEB_URL)
    protocol = variables.choice("OTEL_EXPORTER_OTLP_PROTOCOL", (GRPC, HTTP)) or HTTP
    disabled = variables.flag("OTEL_SDK_DISABLED")
    return TracingSettings(endpoint=endpoint, protocol=protocol) if endpoint and not disabled else None


def _tls(variables: Variables) -> TlsSettings | None:
    files = {name: variables.text(name, syntax.PATH) for name in ("TLS_CERT_FILE", "TLS_KEY_FILE")}
    port = variables.integer("TLS_PORT", 8443, minimum=0, maximum=65535)
    certificate, key = files.values()
    if certificate and key:
        return TlsSettings(port=port, certificate=Path(certificate), key=Path(key))
    if certificate or key:
        variables.note("TLS_CERT_FILE and TLS_KEY_FILE: one is set; set both or none")
    return None


def _signatures(variables: Variables) -> SignatureSettings:
    keys = variables.text("SIGNATURE_KEYS_FILE", syntax.PATH)
    # Triggers deliver to "/", and a broker signs nothing.
    paths = variables.words("SIGNED_PATHS", EVENT_PATHS) or EVENT_PATHS[1:]
    return SignatureSettings(keys_file=None if keys is None else Path(keys), paths=paths)


def _rate(variables: Variables, name: str, default: Rate) -> Rate:
    return Rate(
        variables.rate(f"{name}_RATE", default.per_second),
        variables.integer(f"{name}_BURST", default.burst, minimum=1, maximum=100_000),
    )


def _platform(variables: Variables) -> dict[str, Any]:
    return {
        "namespace": variables.text("NAMESPACE", syntax.LABEL),
        "kubeconfig": variables.text("KUBECONFIG", syntax.PATH),
        "broker_name": variables.text("BROKER_NAME", syntax.LABEL),
        "broker_url": variables.text("BROKER_URL", syntax.WEB_URL),
        "emits": frozenset(map(Kind, variables.words("EMIT_EVENTS", EMITTED))),
        "sink_url": variables.text("K_SINK", syntax.WEB_URL),
        "scheduler_url": variables.text("SCHEDULER_URL", syntax.WEB_URL),
        "triggers": variables.flag("FUNCTION_TRIGGERS"),
        "dead_letter_uri": variables.text("DEAD_LETTER_SINK_URI", syntax.WEB_URL),
        "engine": variables.choice("PULUMI_ENGINE", ENGINES),
        "backend_url": variables.required("PULUMI_BACKEND_URL", syntax.BACKEND_URL),
        "passphrase": variables.secret("PULUMI_CONFIG_PASSPHRASE"),
        "project": variables.text("FUNCTIONS_PROJECT", syntax.LABEL),
        "workers": variables.count("WORKERS", maximum=256),
        "queue_limit": variables.count("QUEUE_LIMIT", maximum=100_000),
    }


def _builds(variables: Variables) -> dict[str, Any]:
    return {
        "registry": variables.required("ECR_REGISTRY", syntax.REGISTRY),
        "repository": variables.text("ECR_REPOSITORY", syntax.REPOSITORY),
        "cache_repository": variables.text("ECR_CACHE_REPOSITORY", syntax.REPOSITORY),
        "registry_immutable": variables.flag("ECR_TAGS_IMMUTABLE"),
        "registry_retention_days": variables.count("ECR_RETENTION_DAYS", maximum=3650),
        "registry_cache_days": variables.count("ECR_CACHE_DAYS", maximum=3650),
        "registry_kms_key_arn": variables.text("ECR_KMS_KEY_ARN", syntax.KMS_KEY),
        "pull_secret": variables.text("REGISTRY_PULL_SECRET", syntax.LABEL),
        "push_secret": variables.text("REGISTRY_PUSH_SECRET", syntax.LABEL),
        "insecure_registry": variables.flag("REGISTRY_INSECURE"),
        "executor_image": variables.required("KANIKO_IMAGE", IMAGE),
        "monitor_image": variables.required("MONITOR_IMAGE", IMAGE),
        "python_base_image": variables.text("PYTHON_BASE_IMAGE", IMAGE),
        "nodejs_base_image": variables.text("NODE_BASE_IMAGE", IMAGE),
        "go_base_image": variables.text("GO_BASE_IMAGE", IMAGE),
        "go_run_image": variables.text("GO_RUN_IMAGE", IMAGE),
        "python_index_url": variables.text("PYTHON_INDEX_URL", syntax.MIRROR),
        "npm_registry_url": variables.text("NPM_REGISTRY_URL", syntax.MIRROR),
        "go_proxy": variables.text("GO_PROXY", syntax.GO_PROXY),
        "attestation_key_file": _path(variables, "ATTESTATION_KEY_FILE"),
        "build_deadline_seconds": variables.count("BUILD_DEADLINE_SECONDS", maximum=24 * 3600),
    }


_SEVERITIES: Final = tuple(map(str.lower, SEVERITIES))


def _scans(variables: Variables) -> dict[str, Any]:
    """Return what images are scanned with, and which of them are rolled out."""
    image, database = variables.text("SCAN_IMAGE", IMAGE), variables.text("SCAN_DATABASE", IMAGE)
    default = ScanArgs.timeout_seconds
    seconds = variables.integer("SCAN_TIMEOUT_SECONDS", default, minimum=1, maximum=3600)
    args = ScanArgs(image=image, database=database or "", timeout_seconds=seconds) if image else None
    policy = ScanPolicy(
        severity=(variables.choice("SCAN_SEVERITY", _SEVERITIES) or "").upper(),
        ignore_unfixed=bool(variables.flag("SCAN_IGNORE_UNFIXED")),
        missing=variables.choice("SCAN_MISSING", (REFUSE, ALLOW)) or REFUSE,
    )
    return {"scan": args, "scan_policy": policy}


def _path(variables: Variables, name: str) -> Path | None:
    text = variables.text(name, syntax.PATH)
    return None if text is None else Path(text)


def _build_limits(variables: Variables, environment: str) -> dict[str, Any]:
    """Return how many builds there may be, by the environment's own number unless another one is set.

    One third party gets half of them: whoever comes next finds a place without waiting for a whole build.
    On a developer's machine there is nobody else.
    """
    most = 10_000
    row = CAPACITIES.get(environment)
    total = variables.integer(
        "MAX_CONCURRENT_JOBS", row.builds if row else LOCAL_BUILDS, minimum=0, maximum=most
    )
    own = (total + 1) // 2 if row else total
    return {
        "build_limit": total,
        "third_party_build_limit": variables.integer(
            "THIRD_PARTY_MAX_CONCURRENT_JOBS", own, minimum=0, maximum=most
        ),
        "waiting_build_limit": variables.integer("MAX_WAITING_JOBS", 100, minimum=0, maximum=most),
    }


def _storage(variables: Variables) -> dict[str, Any]:
    key = variables.secret("STORAGE_ACCESS_KEY_ID")
    secret = variables.secret("STORAGE_SECRET_ACCESS_KEY")
    if bool(key) != bool(secret):
        variables.note("STORAGE_ACCESS_KEY_ID and STORAGE_SECRET_ACCESS_KEY: one is set; set both or none")
    uses_iam = variables.flag("STORAGE_USE_IAM")
    if uses_iam is not None and uses_iam == bool(key):
        variables.note("STORAGE_USE_IAM: true excludes storage keys, false needs them; correct or unset one")
    return {
        "source_bucket": variables.text("S3_SOURCE_BUCKET", BUCKET),
        "context_bucket": variables.text("S3_TMP_BUCKET", BUCKET),
        "region": variables.text("AWS_REGION", syntax.REGION),
        "source_max_files": variables.count("SOURCE_MAX_FILES", maximum=100_000),
        "source_max_file_bytes": variables.count("SOURCE_MAX_FILE_BYTES", maximum=_MAX_SOURCE_BYTES),
        "source_max_total_bytes": variables.count("SOURCE_MAX_TOTAL_BYTES", maximum=_MAX_SOURCE_BYTES),
        "s3_endpoint": variables.text("S3_ENDPOINT", syntax.WEB_URL),
        "access_key_id": key,
        "secret_access_key": secret,
    }


def _gate_rules(variables: Variables) -> tuple[Rule, ...] | None:
    text = variables.text("GATE_RULES", syntax.ANYTHING)
    try:
        return None if text is None else parse_rules(text)
    except InvalidRules as error:
        for problem in error.problems:
            variables.note(f"GATE_RULES: {problem}")
        return None


def _functions(variables: Variables) -> dict[str, Any]:
    folder = variables.text("RUNTIMES_FOLDER", syntax.PATH)
    sources = variables.text("FUNCTION_IMAGE_SOURCES", syntax.IMAGE_SOURCES)
    return {
        "metrics_url": variables.text("PROMETHEUS_URL", syntax.WEB_URL),
        "rollout": _rollout(variables),
        "image_sources": None if sources is None else tuple(sources.split(",")),
        "function_url": variables.text("FUNCTION_URL", syntax.FUNCTION_URL),
        "function_timeout_seconds": variables.count("PARSER_TIMEOUT_SECONDS", maximum=300),
        "function_log_level": variables.choice("FUNCTION_LOG_LEVEL", ("debug", "info", "warning", "error")),
        "runtimes_folder": None if folder is None else Path(folder),
    }


def _rollout(variables: Variables) -> RolloutPolicy:
    """Return how revisions are rolled out of functions that do not say it themselves."""
    text = variables.text("ROLLOUT_STEPS", syntax.STEPS)
    steps = tuple(int(step) for step in text.split(",")) if text else ()
    if list(steps) != sorted(set(steps)):
        variables.note(
            f"ROLLOUT_STEPS: {text!r} is not allowed; allowed: {syntax.STEPS.allowed}; correct or unset it"
        )
    default = AT_ONCE.ready_within_seconds
    return RolloutPolicy(
        steps=steps,
        pause_seconds=variables.integer("ROLLOUT_PAUSE_SECONDS", 0, minimum=0, maximum=86_400),
        ready_within_seconds=variables.integer("ROLLOUT_READY_SECONDS", default, minimum=10, maximum=3600),
        failures=_failures(variables),
    )


def _failures(variables: Variables) -> FailureLimit | None:
    """Return when revisions are given up for their calls; None: never."""
    percent = variables.integer("ROLLOUT_FAILURE_PERCENT", 0, minimum=0, maximum=99)
    limit = FailureLimit(
        percent=percent,
        min_calls=variables.integer("ROLLOUT_MIN_CALLS", 20, minimum=1, maximum=100_000),
        watch_seconds=variables.integer("ROLLOUT_WATCH_SECONDS", 600, minimum=0, maximum=3600),
    )
    return limit if percent else None
