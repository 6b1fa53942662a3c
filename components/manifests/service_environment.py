"""The automation service's environment variables: what `service/settings.py` reads, from the stack's values.

Values that the service derives by itself are left out, so that there is one home for each default.
"""

from typing import TYPE_CHECKING, Any, Final

from components.manifests import kaniko
from components.manifests.metadata import Manifest

if TYPE_CHECKING:
    from components.service import ServiceArgs

STATE_SECRET: Final = "knative-lambda-state"  # noqa: S105 - an object's name
PASSPHRASE: Final = "passphrase"  # noqa: S105 - a key's name
TOKENS: Final = "tokens"
TOKENS_FOLDER: Final = "/etc/knative-lambda/api"
TLS_FOLDER: Final = "/etc/knative-lambda/tls"
KEYS: Final = "keys"
KEYS_FOLDER: Final = "/etc/knative-lambda/signatures"
ATTESTATION_KEY: Final = "attestation-key"
ATTESTATION_FOLDER: Final = "/etc/knative-lambda/attestation"


def environment(args: "ServiceArgs") -> list[Manifest]:
    """Return the container's variables, sorted within plain values and secrets."""
    plain = {name: value for name, value in _values(args).items() if value}
    secret = {**_storage_keys(args), **_passphrase(args)}
    return [
        *({"name": name, "value": _literal(plain[name])} for name in sorted(plain)),
        {
            "name": "NAMESPACE",
            "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}},
        },
        *({"name": name, "valueFrom": {"secretKeyRef": secret[name]}} for name in sorted(secret)),
        *args.telemetry,
    ]


def _values(args: "ServiceArgs") -> dict[str, Any]:
    """Return what is plain; an empty text is left to the service's own default."""
    return {
        "ENVIRONMENT": args.environment,
        "LOG_LEVEL": args.log_level,
        "BROKER_NAME": args.broker_name,
        "BROKER_URL": args.broker_url,
        "EMIT_EVENTS": ",".join(args.emits),
        "K_SINK": args.sink_uri,
        "SCHEDULER_URL": args.scheduler_uri,
        "DEAD_LETTER_SINK_URI": args.dead_letter_uri,
        "PULUMI_ENGINE": args.engine,
        "PULUMI_BACKEND_URL": args.state_url,
        "ECR_REGISTRY": args.registry,
        "ECR_REPOSITORY": args.repository,
        "ECR_CACHE_REPOSITORY": args.cache_repository,
        "REGISTRY_PULL_SECRET": args.pull_secret,
        "REGISTRY_PUSH_SECRET": args.push_secret,
        "REGISTRY_INSECURE": "true" if args.insecure_registry else "",
        "MONITOR_IMAGE": args.image,
        "MAX_CONCURRENT_JOBS": str(args.capacity.builds),
        "AWS_REGION": args.region,
        "S3_SOURCE_BUCKET": args.source_bucket,
        "S3_TMP_BUCKET": args.context_bucket,
        "S3_ENDPOINT": args.storage_endpoint,
        "STORAGE_USE_IAM": "" if args.static_keys else "true",
        "API_TOKENS_FILE": f"{TOKENS_FOLDER}/{TOKENS}" if args.api_tokens is not None else "",
        "TLS_CERT_FILE": f"{TLS_FOLDER}/tls.crt" if args.tls else "",
        "TLS_KEY_FILE": f"{TLS_FOLDER}/tls.key" if args.tls else "",
        **args.variables,
        "SIGNATURE_KEYS_FILE": f"{KEYS_FOLDER}/{KEYS}" if args.signature_keys is not None else "",
        "ATTESTATION_KEY_FILE": f"{ATTESTATION_FOLDER}/{ATTESTATION_KEY}"
        if args.attestation_key is not None
        else "",
        "SIGNED_PATHS": ",".join(args.signed_paths),
        "SOURCE_RATE": str(args.source_rate or ""),
        "SOURCE_BURST": str(args.source_burst or ""),
    }


def _storage_keys(args: "ServiceArgs") -> dict[str, Manifest]:
    """Return the static key under both names: the storage's, and the one that the state's client reads."""
    if not args.static_keys:
        return {}
    id_, secret = (
        _ref(kaniko.STORAGE_SECRET, key) for key in (kaniko.ACCESS_KEY_ID, kaniko.SECRET_ACCESS_KEY)
    )
    return {
        "STORAGE_ACCESS_KEY_ID": id_,
        "AWS_ACCESS_KEY_ID": id_,
        "STORAGE_SECRET_ACCESS_KEY": secret,
        "AWS_SECRET_ACCESS_KEY": secret,
    }


def _passphrase(args: "ServiceArgs") -> dict[str, Manifest]:
    is_there = args.passphrase is not None or args.passphrase_stored
    return {"PULUMI_CONFIG_PASSPHRASE": _ref(STATE_SECRET, PASSPHRASE)} if is_there else {}


def _ref(secret: str, key: str) -> Manifest:
    return {"name": secret, "key": key}


def _literal(value: Any) -> Any:
    """Return a value that the kubelet takes as it is; `$(NAME)` would be a reference to another variable."""
    return value.replace("$", "$$") if isinstance(value, str) else value
