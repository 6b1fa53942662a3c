"""Calls to AWS: boto3's clients, shared by all threads, with errors in the engine's terms.

boto3 is imported when the first call is made, never with this module: a process that deploys nothing to AWS
does not pay for it. Throttling and passing faults are retried by botocore (`standard` mode, or `adaptive`).
"""

import contextlib
import threading
import time
from collections.abc import Callable, Collection, Iterator
from typing import Any, Final

from engine.aws.config import Settings
from engine.aws.credentials import core_session
from engine.provider import OutcomeUnknown, ProviderError

Json = dict[str, Any]

PROPAGATION_SECONDS: Final = 30.0
"""How long a write waits for what it refers to, which may just have been made and not be seen yet.

terraform waits 2 minutes; IAM takes some seconds, and what is simply missing should be said soon.
"""
_ATTEMPTS: Final = 10
"""Tries of one request where `maxRetries` is not set; pulumi-aws's 25 can hold an update for an hour."""
_CONNECT_SECONDS, _READ_SECONDS = 10, 60
_CONNECTIONS: Final = 32
_DENIED = frozenset(("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403"))
_IDENTITY = frozenset(
    (
        "InvalidClientTokenId",
        "UnrecognizedClientException",
        "InvalidAccessKeyId",
        "ExpiredToken",
        "ExpiredTokenException",
        "SignatureDoesNotMatch",
    )
)


class ServiceError(ProviderError):
    """A service refused a request. `code` is the service's, `message` its own words, `status` HTTP's."""

    def __init__(self, service: str, operation: str, code: str, message: str, status: int) -> None:
        super().__init__(
            f"{service}:{operation} failed with {code} (HTTP {status}): {message}{_remedy(code)}"
        )
        self.code = code
        self.message = message
        self.status = status


class Session:
    """One account as one identity sees it: clients by service and region. Thread-safe."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._lock = threading.RLock()
        self._core: Any = None
        self._boto: Any = None
        self._clients: dict[tuple[str, str], Any] = {}
        self._identity: Json | None = None

    @property
    def region(self) -> str:
        """The provider's region; ProviderError if there is none."""
        region = self.settings.region or self._session().region_name
        if not region:
            raise ProviderError(
                "no AWS region is configured; set aws:region in the stack's configuration, or AWS_REGION"
            )
        return str(region)

    def client(self, service: str, region: str) -> Any:
        """Return the client of a service in a region, the same one each time."""
        with self._lock:
            if (service, region) not in self._clients:
                self._clients[service, region] = self._new_client(service, region)
            return self._clients[service, region]

    def identity(self) -> Json:
        """Return the caller's `Account`, `Arn` and `UserId`, asked for once."""
        with self._lock:
            if self._identity is None:
                region = self.settings.sts_region or self.region
                with _translated("sts", "get_caller_identity"):
                    self._identity = dict(self.client("sts", region).get_caller_identity())
            return self._identity

    def partition(self, region: str) -> Any:
        """Return botocore's data of the region's partition: `partition`, `dnsSuffix`, `regions`."""
        name = self._session().get_partition_for_region(region)
        partitions = self._core.get_data("endpoints")["partitions"]
        return next(item for item in partitions if item["partition"] == name)

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            clients, self._clients = list(self._clients.values()), {}
        for client in clients:
            client.close()

    def _session(self) -> Any:
        with self._lock:
            if self._boto is None:
                import boto3

                with _translated("credentials", "load"):
                    self._core = core_session(self.settings)
                    region = self.settings.region or None
                    self._boto = boto3.Session(botocore_session=self._core, region_name=region)
            return self._boto

    def _new_client(self, service: str, region: str) -> Any:
        settings = self.settings
        return self._session().client(
            service,
            region_name=region,
            endpoint_url=settings.endpoint(service),
            verify=False if settings.insecure else settings.custom_ca_bundle or None,
            config=client_config(settings),
        )


def client_config(settings: Settings) -> Any:
    """Return botocore's configuration for clients of these settings."""
    from botocore.config import Config

    style = {"addressing_style": "path"} if settings.s3_use_path_style else {}
    return Config(
        retries={
            "mode": settings.retry_mode or "standard",
            "total_max_attempts": settings.max_retries or _ATTEMPTS,
        },
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        max_pool_connections=_CONNECTIONS,
        use_fips_endpoint=settings.use_fips_endpoint or None,
        use_dualstack_endpoint=settings.use_dualstack_endpoint or None,
        s3=style,
    )


class Aws:
    """What a resource's functions call: services in one region, until a deadline (`time.monotonic`)."""

    def __init__(self, session: Session, region: str, deadline: float) -> None:
        self.session = session
        self.region = region
        self._deadline = deadline

    @property
    def partition(self) -> str:
        """The region's partition: `aws`, `aws-cn`, `aws-us-gov`."""
        return str(self.session.partition(self.region)["partition"])

    @property
    def dns_suffix(self) -> str:
        """The region's DNS suffix, `amazonaws.com` in most."""
        return str(self.session.partition(self.region)["dnsSuffix"])

    def call(self, service: str, operation: str, **parameters: Any) -> Json:
        """Make a request and return the answer. Raises ServiceError, OutcomeUnknown without an answer."""
        with _translated(service, operation):
            client = self.session.client(service, self.region)
            return dict(getattr(client, operation)(**parameters))

    def find(self, service: str, operation: str, gone: Collection[str], **parameters: Any) -> Json | None:
        """Make a request; None if it is refused with one of the codes of `gone`."""
        try:
            return self.call(service, operation, **parameters)
        except ServiceError as error:
            if error.code in gone:
                return None
            raise

    def pages(self, service: str, operation: str, key: str, **parameters: Any) -> Iterator[Any]:
        """Yield the items under `key` of all pages."""
        with _translated(service, operation):
            client = self.session.client(service, self.region)
            for page in client.get_paginator(operation).paginate(**parameters):
                yield from page.get(key, ())

    def patiently(
        self,
        action: Callable[[], Any],
        passing: Callable[[ServiceError], bool],
        seconds: float = PROPAGATION_SECONDS,
    ) -> Any:
        """Carry out again and again while it fails with what passes: what was just made is not seen yet."""
        deadline, pauses = self._until(seconds), _pauses()
        while True:
            pause = next(pauses)
            try:
                return action()
            except ServiceError as error:
                if not passing(error) or time.monotonic() + pause > deadline:
                    raise
            time.sleep(pause)

    def wait(self, condition: Callable[[], Any], seconds: float) -> Any:
        """Return the condition's first true value, or its last one when the time is over."""
        deadline, pauses = self._until(seconds), _pauses()
        while not (result := condition()) and time.monotonic() + (pause := next(pauses)) <= deadline:
            time.sleep(pause)
        return result

    def _until(self, seconds: float) -> float:
        return min(self._deadline, time.monotonic() + seconds)


def _pauses() -> Iterator[float]:
    pause = 0.1
    while True:
        yield pause
        pause = min(pause * 2, 5.0)


@contextlib.contextmanager
def _translated(service: str, operation: str) -> Iterator[None]:
    """Raise botocore's errors as ours: a refusal, an outcome that nobody knows, or a broken configuration."""
    from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
    from botocore.parsers import ResponseParserError

    try:
        yield
    except ClientError as error:
        raise _service_error(service, operation, error) from error
    except (HTTPClientError, ResponseParserError) as error:
        # The request may have been carried out.
        raise OutcomeUnknown(f"{service}:{operation} got no answer that can be read: {error}") from error
    except BotoCoreError as error:
        raise ProviderError(
            f"{service}:{operation} was not sent: {error}{_credentials_remedy(error)}"
        ) from error


def _service_error(service: str, operation: str, error: Any) -> ServiceError:
    answer = error.response
    details = answer.get("Error", {})
    status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    code = str(details.get("Code") or "Unknown").removeprefix("AWS.SimpleQueueService.")
    return ServiceError(service, operation, code, str(details.get("Message") or ""), status)


def _remedy(code: str) -> str:
    if code in _DENIED:
        return "; allow this action to the identity that the provider uses (aws:profile, aws:accessKey, ...)"
    if code in _IDENTITY:
        return "; the credentials are wrong or have expired: renew them, or set aws:profile or aws:accessKey"
    return ""


def _credentials_remedy(error: Exception) -> str:
    from botocore.exceptions import NoCredentialsError, PartialCredentialsError

    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return (
            "; set aws:profile, or aws:accessKey and aws:secretKey, or AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY"
        )
    return ""
