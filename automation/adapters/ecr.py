"""Amazon ECR as a destination: its repositories do not come into being by a push.

What a repository is made like is what the stack makes it like; one that is there already is left as it is.
"""

import json
import logging
import re
import threading
import time
from collections.abc import Callable
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from automation.destination import OPEN, Destination
from automation.errors import DependencyUnavailable
from automation.settings import AutomationSettings
from components.manifests import repository as manifests

REMEMBERED_SECONDS: Final = 600.0
"""How long a repository that was seen is taken to be there."""

UNTAGGED_DAYS: Final = 1
_HOST: Final = re.compile(r"(\d{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?")
_DENIED: Final = frozenset({"AccessDeniedException", "AccessDenied"})
_TEXT_CHARACTERS: Final = 256
_LOG: Final = logging.getLogger(__name__)


def create(settings: AutomationSettings) -> Destination:
    """Return the destination that the settings' registry is."""
    host = _HOST.fullmatch(settings.registry)
    return Ecr(settings, account=host[1], region=host[2]) if host else OPEN


class Ecr:
    """The functions' repository and that of cached layers, in one account and region."""

    def __init__(self, settings: AutomationSettings, *, account: str, region: str) -> None:
        self._settings = settings
        self._account = account
        self._region = region
        self._made: Any = None
        self._lock = threading.Lock()
        self._seen: dict[str, float] = {}
        """Repositories, and until when they are taken to be there."""

    def is_taken(self, image: str) -> bool:
        """See Destination. Without the right to look, builds go on, and the push tells."""
        if not self._settings.registry_immutable:
            return False
        tag = image.rpartition(":")[2]
        repository = self._settings.repository
        found = self._ask(
            f"{repository}:{tag}",
            lambda: self._client.describe_images(
                registryId=self._account, repositoryName=repository, imageIds=[{"imageTag": tag}]
            ),
            {"ImageNotFoundException", "RepositoryNotFoundException"},
        )
        return found is not None

    def make_ready(self) -> None:
        """See Destination."""
        settings = self._settings
        self._make(settings.repository, settings.registry_immutable, settings.registry_retention_days)
        self._make(settings.cache_repository, immutable=False, expire_days=settings.registry_cache_days)

    def close(self) -> None:
        """See Destination."""
        if self._made is not None:
            self._made.close()

    def _make(self, name: str, immutable: bool, expire_days: int) -> None:
        if time.monotonic() < self._seen.get(name, 0.0):
            return
        owner = {"registryId": self._account}
        there = self._ask(
            name,
            lambda: self._client.describe_repositories(**owner, repositoryNames=[name]),
            {"RepositoryNotFoundException"},
            otherwise={"denied": True},
        )
        if there is None:
            wanted = self._wanted(name, immutable)
            self._must(
                name, "ecr:CreateRepository", lambda: self._client.create_repository(**owner, **wanted)
            )
            policy = json.dumps(manifests.expiry(expire_days, UNTAGGED_DAYS))
            place = {**owner, "repositoryName": name}
            self._must(
                name,
                "ecr:PutLifecyclePolicy",
                lambda: self._client.put_lifecycle_policy(**place, lifecyclePolicyText=policy),
            )
            _LOG.info("repository made", extra={"kl_repository": name})
        self._seen[name] = time.monotonic() + REMEMBERED_SECONDS

    def _wanted(self, name: str, immutable: bool) -> dict[str, Any]:
        key = self._settings.registry_kms_key_arn
        encryption = {"encryptionType": "KMS", "kmsKey": key} if key else {"encryptionType": "AES256"}
        return {
            "repositoryName": name,
            "imageTagMutability": "IMMUTABLE" if immutable else "MUTABLE",
            "imageScanningConfiguration": {"scanOnPush": True},
            "encryptionConfiguration": encryption,
        }

    def _ask(
        self, place: str, call: Callable[[], Any], absent: set[str], otherwise: Any = None
    ) -> dict[str, Any] | None:
        """Return the answer; None where there is nothing, `otherwise` where asking is not allowed."""
        try:
            return dict(call())
        except ClientError as error:
            code = _code(error)
            if code in absent:
                return None
            if code in _DENIED:
                _LOG.warning("registry not looked at", extra={"kl_repository": place, "kl_error": code})
                return dict(otherwise) if otherwise else None
            raise _unavailable(place, error) from error
        except BotoCoreError as error:
            raise _unavailable(place, error) from error

    def _must(self, place: str, right: str, call: Callable[[], Any]) -> None:
        try:
            call()
        except ClientError as error:
            if _code(error) == "RepositoryAlreadyExistsException":
                return  # another replica was faster
            if _code(error) in _DENIED:
                raise DependencyUnavailable(
                    f"the repository {place} is missing and cannot be made: give the service's role {right}, "
                    "or make the repository"
                ) from error
            raise _unavailable(place, error) from error
        except BotoCoreError as error:
            raise _unavailable(place, error) from error

    @property
    def _client(self) -> Any:
        """The client, made when it is first needed: that takes time, and most replicas only answer."""
        with self._lock:
            if self._made is None:
                config = Config(
                    connect_timeout=2, read_timeout=10, retries={"mode": "standard", "max_attempts": 3}
                )
                self._made = boto3.client("ecr", region_name=self._region, config=config)
            return self._made


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _unavailable(place: str, error: Exception) -> DependencyUnavailable:
    return DependencyUnavailable(f"ECR did not answer for {place}: {str(error)[:_TEXT_CHARACTERS]}")
