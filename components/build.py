"""BuildComponent: one build of a function's image."""

from dataclasses import dataclass

import pulumi

from components.declare import custom
from components.manifests import kaniko
from components.manifests.scan import ScanArgs


@dataclass(frozen=True, kw_only=True)
class BuildArgs:
    """What to build, and with what. Quantities are Kubernetes quantities in pairs of (cpu, memory)."""

    job_name: str
    """Name of the Job, unique for each build, see `naming.job_name`."""
    namespace: str
    """Namespace of the Job; the service account `kaniko-builder` must exist in it."""
    third_party_id: str
    """Owner of the parser."""
    parser_id: str
    """Id of the parser."""
    build_id: str
    """Id of the build; a label value."""
    content_hash: str
    """SHA-256 of the build context, 64 hex digits."""
    context_bucket: str
    """Bucket that holds the build context."""
    context_key: str
    """Key of the build context, a gzip tar with a Dockerfile at its top."""
    image: str
    """Destination: repository and tag."""
    cache_repository: str
    """Repository for cached layers."""
    executor_image: str
    """Kaniko executor, or what takes its place."""
    monitor_image: str
    """Image with our `monitor` package."""
    broker_url: str
    """URL of the Broker's ingress, where the monitor reports."""
    region: str
    """AWS region of bucket and registry."""
    correlation_id: str
    """Carried from the event that asked for the build to the one that reports it."""
    traceparent: str = ""
    """W3C trace context of the event that asked for the build; empty: none."""
    s3_endpoint: str = ""
    """URL of S3-compatible storage; empty: AWS."""
    static_keys: bool = False
    """Read access keys from the Secret `knative-lambda-storage`; False: the service account's IAM role."""
    push_secret: str = ""
    """Secret with Docker's config.json that the executor pushes with; empty: none."""
    insecure_registry: bool = False
    """The registry speaks plain HTTP."""
    deadline_seconds: int = 1800
    """Longest run of the Job."""
    ttl_seconds: int = 3600
    """How long a finished Job and its logs are kept."""
    finished: bool = False
    """The Job has ended, and stays as it is whatever else has changed: another one would build again."""
    suspended: bool = False
    """The Job waits for its turn: it is there, and has no pod."""
    priority: str = "normal"
    """low, normal, high or urgent: what orders builds that wait."""
    queued_at: str = ""
    """Since when it waits, RFC 3339; empty: it does not."""
    scan: ScanArgs | None = None
    """What scans the image before the monitor reports it; None: nothing does."""
    executor_requests: tuple[str, str] = ("500m", "1Gi")
    """Guaranteed cpu and memory of the executor."""
    executor_limits: tuple[str, str] = ("2000m", "4Gi")
    """Most cpu and memory of the executor."""


class BuildComponent(pulumi.ComponentResource):
    """A Kaniko Job with its monitor. A newer build replaces an older one, whose Job is deleted first."""

    job_name: pulumi.Output[str]
    """Name of the Job, known once it exists."""

    def __init__(self, name: str, args: BuildArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("knative-lambda:components:BuildComponent", name, None, opts)
        options = pulumi.ResourceOptions(
            parent=self,
            delete_before_replace=True,
            ignore_changes=["metadata", "spec"] if args.finished else None,
        )
        job = custom(f"{name}-job", kaniko.job(args), options)
        self.job_name = job.id.apply(lambda _: args.job_name)
        self.register_outputs({"job_name": self.job_name})
