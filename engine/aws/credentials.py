"""Where credentials come from: the configuration, a profile, the environment, then roles assumed in turn.

The order is botocore's (environment, shared files, web identity of the pod, container, instance); what the
provider's configuration says goes first. Assumed credentials are renewed by botocore before they expire.
"""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.aws.config import AssumedRole, Settings


def core_session(settings: Settings) -> Any:
    """Return a botocore session with the settings' credentials."""
    from botocore.credentials import CredentialResolver

    core = _configured_session(settings)
    if settings.access_key:
        core.set_credentials(settings.access_key, settings.secret_key, settings.token or None)
    for role in settings.roles:
        fetch = functools.partial(_assume, settings, core, role)
        core = _configured_session(settings)
        core.register_component("credential_provider", CredentialResolver([_assumed_provider(fetch)]))
    return core


def _configured_session(settings: Settings) -> Any:
    from botocore.session import Session

    core = Session(profile=settings.profile or None)
    for variable, files in (
        ("config_file", settings.shared_config_files),
        ("credentials_file", settings.shared_credentials_files),
    ):
        if files:
            core.set_config_variable(variable, files[0])
    return core


def _assumed_provider(fetch: Callable[[], dict[str, Any]]) -> Any:
    """Return a provider of botocore's that fetches on first use, and anew before they expire."""
    from botocore.credentials import CredentialProvider, DeferredRefreshableCredentials

    class Assumed(CredentialProvider):  # type: ignore[misc]  # botocore has no types
        METHOD = "assume-role"

        def load(self) -> Any:
            return DeferredRefreshableCredentials(fetch, self.METHOD)

    return Assumed()


def _assume(settings: Settings, core: Any, role: AssumedRole) -> dict[str, Any]:
    """Assume a role with the credentials of `core`, in the form that botocore refreshes from."""
    region = settings.sts_region or settings.region or core.get_config_variable("region")
    options: dict[str, Any] = {"region_name": region, "endpoint_url": settings.endpoint("sts")}
    request: dict[str, Any] = {
        "RoleArn": role.role_arn,
        "RoleSessionName": role.session_name,
        "DurationSeconds": role.duration,
    }
    if role.policy:
        request["Policy"] = role.policy
    if role.policy_arns:
        request["PolicyArns"] = [{"arn": arn} for arn in role.policy_arns]
    if role.by_token:
        answer = _assume_with_token(core, options, {**request, "WebIdentityToken": _token(role)})
    else:
        external = {"ExternalId": role.external_id} if role.external_id else {}
        answer = core.create_client("sts", **options).assume_role(**request, **external)
    found = answer["Credentials"]
    return {
        "access_key": found["AccessKeyId"],
        "secret_key": found["SecretAccessKey"],
        "token": found["SessionToken"],
        "expiry_time": found["Expiration"].isoformat(),
    }


def _assume_with_token(core: Any, options: dict[str, Any], request: dict[str, Any]) -> Any:
    from botocore import UNSIGNED
    from botocore.config import Config

    client = core.create_client("sts", config=Config(signature_version=UNSIGNED), **options)
    return client.assume_role_with_web_identity(**request)


def _token(role: AssumedRole) -> str:
    return role.web_identity_token or Path(role.web_identity_token_file).read_text().strip()
