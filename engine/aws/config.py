"""The configuration of an AWS provider resource (`aws:*` in the stack's configuration); pure.

Names are pulumi-aws 7's (sdk/python/pulumi_aws/provider.py). Values that are not strings come as JSON texts,
as Pulumi passes the configuration of providers, or as they are.
"""

import difflib
import json
from dataclasses import dataclass, field
from typing import Any, Final

from engine.goals import seconds
from engine.provider import CheckFailure, DiffKind, DiffResult, Properties, PropertyDiff
from engine.values import Secret, contains_unknown, unwrap

_STRINGS: Final = {
    "region": "region",
    "profile": "profile",
    "accessKey": "access_key",
    "secretKey": "secret_key",
    "token": "token",
    "customCaBundle": "custom_ca_bundle",
    "retryMode": "retry_mode",
    "stsRegion": "sts_region",
}
_FLAGS: Final = {
    "insecure": "insecure",
    "s3UsePathStyle": "s3_use_path_style",
    "useFipsEndpoint": "use_fips_endpoint",
    "useDualstackEndpoint": "use_dualstack_endpoint",
}
_LISTS: Final = {
    "allowedAccountIds": "allowed_account_ids",
    "forbiddenAccountIds": "forbidden_account_ids",
    "sharedConfigFiles": "shared_config_files",
    "sharedCredentialsFiles": "shared_credentials_files",
}
_OBJECTS: Final = (
    "assumeRoles",
    "assumeRoleWithWebIdentity",
    "defaultTags",
    "endpoints",
    "ignoreTags",
    "maxRetries",
)
_WITHOUT_EFFECT: Final = (
    "skipCredentialsValidation",
    "skipRegionValidation",
    "skipRequestingAccountId",
    "skipMetadataApiCheck",
    "userAgents",
)
"""Accepted: what they skip or add is not done here anyway."""
_UNSUPPORTED: Final = (
    "ec2MetadataServiceEndpoint",
    "ec2MetadataServiceEndpointMode",
    "httpProxy",
    "httpsProxy",
    "noProxy",
    "s3UsEast1RegionalEndpoint",
    "tagPolicyCompliance",
    "tokenBucketRateLimiterCapacity",
)
_SECRET: Final = ("accessKey", "secretKey", "token")
_KNOWN: Final = (*_STRINGS, *_FLAGS, *_LISTS, *_OBJECTS, *_WITHOUT_EFFECT)
SERVICES: Final = {
    "s3": "s3",
    "s3api": "s3",
    "ecr": "ecr",
    "iam": "iam",
    "kms": "kms",
    "sqs": "sqs",
    "sts": "sts",
    "secretsmanager": "secretsmanager",
}
"""Services that have an endpoint setting here: pulumi-aws's name to botocore's."""


@dataclass(frozen=True, kw_only=True)
class AssumedRole:
    """A role to assume, with the session's name, external id and duration (seconds)."""

    role_arn: str
    session_name: str = "pulumi"
    external_id: str = ""
    policy: str = ""
    policy_arns: tuple[str, ...] = ()
    duration: int = 3600
    web_identity_token: str = field(default="", repr=False)
    web_identity_token_file: str = ""

    @property
    def by_token(self) -> bool:
        """Whether a web identity's token stands in for credentials."""
        return bool(self.web_identity_token or self.web_identity_token_file)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """A configured provider, as typed values; equal settings share connections."""

    region: str = ""
    profile: str = ""
    access_key: str = field(default="", repr=False)
    secret_key: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    custom_ca_bundle: str = ""
    retry_mode: str = ""
    sts_region: str = ""
    max_retries: int = 0
    """Tries of one request, the first included; 0 for the default."""
    insecure: bool = False
    s3_use_path_style: bool = False
    use_fips_endpoint: bool = False
    use_dualstack_endpoint: bool = False
    allowed_account_ids: tuple[str, ...] = ()
    forbidden_account_ids: tuple[str, ...] = ()
    shared_config_files: tuple[str, ...] = ()
    shared_credentials_files: tuple[str, ...] = ()
    roles: tuple[AssumedRole, ...] = ()
    """Assumed one after the other."""
    endpoints: tuple[tuple[str, str], ...] = ()
    default_tags: tuple[tuple[str, str], ...] = ()
    ignored_tags: tuple[str, ...] = ()
    ignored_prefixes: tuple[str, ...] = ()

    def endpoint(self, service: str) -> str | None:
        """Return the configured endpoint of a service, by botocore's name."""
        return dict(self.endpoints).get(service)

    def ignores(self, tag: str) -> bool:
        """Say whether a tag is somebody else's: neither recorded nor removed."""
        return tag in self.ignored_tags or tag.startswith(self.ignored_prefixes)


def check_settings(news: Properties) -> tuple[CheckFailure, ...]:
    """Return what is wrong with provider inputs, or not supported."""
    given = {name: value for name, value in unwrap(news).items() if value not in (None, "")}
    failures = [_refusal(name) for name in given if name not in _KNOWN]
    for name, value in given.items():
        if name in _KNOWN and not contains_unknown(value):
            failures += [CheckFailure(name, reason) for reason in _problems(name, value)]
    return tuple(failures)


def checked_settings(news: Properties) -> Properties:
    """Return provider inputs with pulumi-aws's defaults, and the credentials secret."""
    defaults = {"skipCredentialsValidation": "false", "skipRegionValidation": "true"}
    inputs = {**defaults, **{name: value for name, value in news.items() if value is not None}}
    return {
        name: Secret(value) if name in _SECRET and not isinstance(value, Secret) else value
        for name, value in inputs.items()
    }


def diff_settings(olds: Properties, news: Properties) -> DiffResult:
    """Find what differs; nothing of it replaces resources.

    Since pulumi-aws 7 each regional resource has a `region` of its own, which its own diff compares.
    """
    old, new = unwrap(olds), unwrap(news)
    names = tuple(
        sorted(
            name
            for name in old.keys() | new.keys()
            if _value(name, old.get(name)) != _value(name, new.get(name))
        )
    )
    detailed = {name: PropertyDiff(DiffKind.between(old, new, name), input_diff=True) for name in names}
    return DiffResult(changes=bool(names), diffs=names, detailed=detailed)


def settings_of(inputs: Properties) -> Settings:
    """Return the settings of checked provider inputs."""
    plain = {name: _value(name, value) for name, value in unwrap(inputs).items() if value not in (None, "")}
    values: dict[str, Any] = {
        _STRINGS[name]: _string(value) for name, value in plain.items() if name in _STRINGS
    }
    values |= {_FLAGS[name]: bool(value) for name, value in plain.items() if name in _FLAGS}
    values |= {_LISTS[name]: tuple(map(_string, value)) for name, value in plain.items() if name in _LISTS}
    ignored = plain.get("ignoreTags") or {}
    return Settings(
        **values,
        max_retries=int(plain.get("maxRetries") or 0),
        roles=_roles(plain),
        endpoints=_endpoints(plain.get("endpoints") or []),
        default_tags=tuple(sorted(((plain.get("defaultTags") or {}).get("tags") or {}).items())),
        ignored_tags=tuple(ignored.get("keys") or ()),
        ignored_prefixes=tuple(ignored.get("keyPrefixes") or ()),
    )


def _refusal(name: str) -> CheckFailure:
    if name in _UNSUPPORTED:
        return CheckFailure(name, f"aws:{name} is not supported by the embedded engine; leave it out")
    near = difflib.get_close_matches(name, _KNOWN, 1)
    hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(_KNOWN))}"
    return CheckFailure(name, f"aws:{name} is no configuration of the AWS provider; {hint}")


def _problems(name: str, value: Any) -> list[str]:
    """Return what is wrong with one known value."""
    parsed = _parsed(value)
    if name in _STRINGS:
        return [] if isinstance(value, str | int) else [f"aws:{name} has to be a string"]
    if name in _FLAGS or name in _WITHOUT_EFFECT[:-1]:
        return [] if isinstance(parsed, bool) else [f"aws:{name} is {value!r}; it has to be true or false"]
    if name in _LISTS:
        return [] if isinstance(parsed, list) else [f"aws:{name} has to be a list, as JSON"]
    return _object_problems(name, parsed)


def _object_problems(name: str, parsed: Any) -> list[str]:
    if name == "maxRetries":
        whole = isinstance(parsed, int) and not isinstance(parsed, bool) and parsed >= 0
        return [] if whole else ["aws:maxRetries has to be a whole number, 0 or more"]
    if name == "endpoints":
        return _endpoint_problems(parsed)
    if name == "assumeRoles":
        return _role_problems(name, parsed if isinstance(parsed, list) else [None])
    if name == "assumeRoleWithWebIdentity":
        return _role_problems(name, [parsed])
    if name in ("defaultTags", "ignoreTags") and not isinstance(parsed, dict):
        return [f"aws:{name} has to be an object, as JSON"]
    return []


def _endpoint_problems(parsed: Any) -> list[str]:
    if not isinstance(parsed, list) or not all(isinstance(item, dict) for item in parsed):
        return ['aws:endpoints has to be a list of objects, as JSON: [{"s3": "https://..."}]']
    unknown = sorted({name for item in parsed for name in item if name not in SERVICES})
    known = ", ".join(SERVICES)
    return [f"aws:endpoints has {', '.join(unknown)}; the services here are {known}"] if unknown else []


def _role_problems(name: str, roles: list[Any]) -> list[str]:
    allowed = {
        "roleArn",
        "sessionName",
        "externalId",
        "policy",
        "policyArns",
        "duration",
        "webIdentityToken",
        "webIdentityTokenFile",
    }
    problems = []
    for role in roles:
        if not isinstance(role, dict) or not role.get("roleArn"):
            problems.append(f'aws:{name} has to name a role, as JSON: {{"roleArn": "arn:aws:iam::..."}}')
        elif unknown := sorted(role.keys() - allowed):
            problems.append(
                f"aws:{name} has {', '.join(unknown)}; supported are {', '.join(sorted(allowed))}"
            )
    return problems


def _roles(plain: dict[str, Any]) -> tuple[AssumedRole, ...]:
    given = [plain.get("assumeRoleWithWebIdentity"), *(plain.get("assumeRoles") or [])]
    return tuple(_role(role) for role in given if role)


def _role(role: dict[str, Any]) -> AssumedRole:
    return AssumedRole(
        role_arn=role["roleArn"],
        session_name=role.get("sessionName") or "pulumi",
        external_id=role.get("externalId") or "",
        policy=role.get("policy") or "",
        policy_arns=tuple(role.get("policyArns") or ()),
        duration=int(seconds(role.get("duration") or "1h")),
        web_identity_token=role.get("webIdentityToken") or "",
        web_identity_token_file=role.get("webIdentityTokenFile") or "",
    )


def _endpoints(given: list[dict[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple(
        sorted(
            (SERVICES[name], url) for item in given for name, url in item.items() if url and name in SERVICES
        )
    )


def _value(name: str, value: Any) -> Any:
    return value if name in _STRINGS else _parsed(value)


def _parsed(value: Any) -> Any:
    """Return a value that may be a JSON text; other texts as they are."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def _string(value: Any) -> str:
    return value if isinstance(value, str) else str(value)
