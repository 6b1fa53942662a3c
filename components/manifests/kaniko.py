"""The Kaniko Job of one build: the executor, and the monitor that reports how it ended.

What the executor may do, and why it cannot do with less, is in docs/decisions/0004-kaniko-keeps-root.md.
"""

from typing import TYPE_CHECKING, Final

from components.manifests import scan
from components.manifests.metadata import Manifest, function_labels, object_meta, resources, restricted
from components.naming import MAX_LABEL

if TYPE_CHECKING:
    from components.build import BuildArgs

EXECUTOR: Final = "kaniko"
MONITOR: Final = "cloudevents-sidecar"
SERVICE_ACCOUNT: Final = "kaniko-builder"
STORAGE_SECRET: Final = "knative-lambda-storage"  # noqa: S105 - an object's name
ACCESS_KEY_ID: Final = "access-key-id"
SECRET_ACCESS_KEY: Final = "secret-access-key"  # noqa: S105 - a key's name

BUILD_ID: Final = "build.notifi.network/build-id"
PRIORITY: Final = "build.notifi.network/priority"
QUEUED_AT: Final = "build.notifi.network/queued-at"

_API_VOLUME: Final = "api-access"
_API_PATH: Final = "/var/run/secrets/knative-lambda/api"
_TOKEN_SECONDS: Final = 3600
_MONITOR_USER: Final = 1000
_DOCKER_CONFIG: Final = {"name": "docker-config", "mountPath": "/kaniko/.docker", "readOnly": True}
"""Where the executor looks for a registry's login (Kaniko, README, "Pushing to Docker Hub")."""
EXECUTOR_CAPABILITIES: Final = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "SETGID", "SETUID"]


def job(args: "BuildArgs") -> Manifest:
    """Return the Job of one build."""
    labels = _labels(args)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": object_meta(
            args.job_name,
            args.namespace,
            labels,
            _annotations(args),
        ),
        "spec": {
            "suspend": args.suspended,
            "backoffLimit": 0,
            "activeDeadlineSeconds": args.deadline_seconds,
            "ttlSecondsAfterFinished": args.ttl_seconds,
            "template": {
                # EKS would give the account's IAM role to every container of the pod.
                "metadata": {"labels": labels, "annotations": {"eks.amazonaws.com/skip-containers": MONITOR}},
                "spec": _pod(args),
            },
        },
    }


def executor_arguments(args: "BuildArgs") -> list[str]:
    """Return the executor's command line, one string an option.

    The digest file is the container's termination message: so the monitor learns the image's digest.
    """
    options = [
        f"--context=s3://{args.context_bucket}/{args.context_key}",
        "--dockerfile=Dockerfile",
        f"--destination={args.image}",
        "--cache=true",
        "--cache-ttl=24h",
        f"--cache-repo={args.cache_repository}",
        "--compressed-caching=false",
        "--snapshot-mode=redo",
        "--use-new-run",
        "--digest-file=/dev/termination-log",
    ]
    return [*options, "--insecure", "--insecure-pull"] if args.insecure_registry else options


def _annotations(args: "BuildArgs") -> dict[str, str]:
    return {
        # An update never waits for a build, and a replaced build's pod must go with its Job.
        "pulumi.com/skipAwait": "true",
        "pulumi.com/deletionPropagationPolicy": "background",
        **({PRIORITY: args.priority, QUEUED_AT: args.queued_at} if args.queued_at else {}),
    }


def _labels(args: "BuildArgs") -> dict[str, str]:
    return {
        **function_labels(args.third_party_id, args.parser_id, "build"),
        BUILD_ID: args.build_id,
        "build.notifi.network/content-hash": args.content_hash[:MAX_LABEL],
    }


def _pod(args: "BuildArgs") -> Manifest:
    return {
        "restartPolicy": "Never",
        "serviceAccountName": SERVICE_ACCOUNT,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        # The projected token is readable for this group only; without it only root could read it.
        "securityContext": {"fsGroup": _MONITOR_USER, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [_executor(args), _monitor(args), *_scanner(args)],
        "volumes": [
            _api_volume(),
            {"name": "tmp", "emptyDir": {}},
            *_docker_config(args),
            *([scan.volume()] if args.scan else []),
        ],
    }


def _executor(args: "BuildArgs") -> Manifest:
    return {
        "name": EXECUTOR,
        "image": args.executor_image,
        "args": executor_arguments(args),
        "env": _storage_environment(args),
        **({"volumeMounts": [_DOCKER_CONFIG]} if args.push_secret else {}),
        "resources": resources(args.executor_requests, args.executor_limits),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"], "add": EXECUTOR_CAPABILITIES},
            "privileged": False,
            "runAsUser": 0,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }


def _scanner(args: "BuildArgs") -> list[Manifest]:
    """Return the scanner where there is one; to a registry in AWS it goes by the pod's role."""
    if not args.scan:
        return []
    login = _DOCKER_CONFIG["name"] if args.push_secret else ""
    region = [_value("AWS_REGION", args.region)]
    return [scan.container(args.scan, insecure=args.insecure_registry, login=str(login), region=region)]


def _storage_environment(args: "BuildArgs") -> list[Manifest]:
    """Return what the executor needs to read its context; with an IAM role that is the region alone."""
    env = [_value("AWS_REGION", args.region)]
    if args.s3_endpoint:
        env += [_value("S3_ENDPOINT", args.s3_endpoint), _value("S3_FORCE_PATH_STYLE", "true")]
    if args.static_keys:
        env += [
            _secret("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID),
            _secret("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY),
        ]
    return env


def _monitor(args: "BuildArgs") -> Manifest:
    return {
        "name": MONITOR,
        "image": args.monitor_image,
        "command": ["python", "-m", "monitor"],
        "env": _monitor_environment(args),
        "resources": resources(("100m", "128Mi"), ("100m", "128Mi")),
        "securityContext": restricted(_MONITOR_USER),
        "volumeMounts": [
            {"name": _API_VOLUME, "mountPath": _API_PATH, "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - inside the container
            *([scan.mount()] if args.scan else []),
        ],
    }


def _monitor_environment(args: "BuildArgs") -> list[Manifest]:
    values = {
        "BUILD_JOB_NAME": args.job_name,
        "THIRD_PARTY_ID": args.third_party_id,
        "PARSER_ID": args.parser_id,
        "IMAGE_URI": args.image,
        "BUILD_ID": args.build_id,
        "CONTENT_HASH": args.content_hash,
        "CORRELATION_ID": args.correlation_id,
        **({"TRACEPARENT": args.traceparent} if args.traceparent else {}),
        "BROKER_URL": args.broker_url,
        "BUILD_CONTAINER": EXECUTOR,
        "BUILD_DEADLINE_SECONDS": str(args.deadline_seconds),
        "KUBE_TOKEN_FILE": f"{_API_PATH}/token",
        "KUBE_CA_FILE": f"{_API_PATH}/ca.crt",
        **(scan.monitor_variables(args.scan) if args.scan else {}),
    }
    return [
        *(_value(name, value) for name, value in values.items()),
        _field("POD_NAME", "metadata.name"),
        _field("POD_NAMESPACE", "metadata.namespace"),
    ]


def _docker_config(args: "BuildArgs") -> list[Manifest]:
    """Return the volume of what the executor logs in with, none where IAM or nothing is needed."""
    if not args.push_secret:
        return []
    files = [{"key": ".dockerconfigjson", "path": "config.json"}]
    secret = {"secretName": args.push_secret, "items": files, "defaultMode": 0o440}
    return [{"name": _DOCKER_CONFIG["name"], "secret": secret}]


def _api_volume() -> Manifest:
    """Return the monitor's access to the API: a token that ends by itself, the authority, the namespace."""
    namespace = [{"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]
    return {
        "name": _API_VOLUME,
        "projected": {
            "defaultMode": 0o440,
            "sources": [
                {"serviceAccountToken": {"path": "token", "expirationSeconds": _TOKEN_SECONDS}},
                {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                {"downwardAPI": {"items": namespace}},
            ],
        },
    }


def _value(name: str, value: str) -> Manifest:
    """Return a variable; the kubelet takes `$(NAME)` for a reference to another, which none of ours is."""
    return {"name": name, "value": value.replace("$", "$$")}


def _secret(name: str, key: str) -> Manifest:
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": STORAGE_SECRET, "key": key}}}


def _field(name: str, path: str) -> Manifest:
    return {"name": name, "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": path}}}
