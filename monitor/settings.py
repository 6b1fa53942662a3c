"""The monitor's settings, read once from the environment."""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from monitor.verdict import Rules

_SECONDS = {
    "BUILD_DEADLINE_SECONDS": 1800.0,
    "IMAGE_PULL_GRACE_SECONDS": 120.0,
    "START_GRACE_SECONDS": 300.0,
    "SCAN_TIMEOUT_SECONDS": 300.0,
}


class InvalidSettings(Exception):
    """The environment does not say what to watch or whom to tell; the text lists every problem."""


@dataclass(frozen=True, kw_only=True)
class Build:
    """Which build this is: what the event says of it, whatever its end."""

    third_party_id: str
    parser_id: str
    job_name: str
    image_uri: str
    build_id: str = ""
    content_hash: str = ""
    correlation_id: str = ""
    traceparent: str = ""


@dataclass(frozen=True, kw_only=True)
class ScanSettings:
    """Where the scanner is, and how long one scan may take."""

    folder: Path
    container: str
    timeout: datetime.timedelta


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What to watch, and whom to tell."""

    build: Build
    rules: Rules
    pod_name: str
    pod_namespace: str
    api_url: str
    """The Kubernetes API server, without a path."""
    token_file: str
    """Read again for every request, as the kubelet renews it; empty: no token is sent."""
    ca_file: str
    """Certificates to trust for an https API server; empty: the system's."""
    broker_url: str
    scan: ScanSettings | None = None
    """None: nothing is scanned."""


def settings_from(environ: Mapping[str, str]) -> Settings:
    """Read the settings. Raises InvalidSettings with every problem found."""
    reader = _Reader(environ)
    deadline, pull_grace, start_grace, scan_timeout = (reader.seconds(name) for name in _SECONDS)
    folder, scanner = environ.get("SCAN_FOLDER", ""), environ.get("SCAN_CONTAINER") or "scanner"
    scan = ScanSettings(folder=Path(folder), container=scanner, timeout=scan_timeout)
    settings = Settings(
        build=_build(reader),
        rules=Rules(
            container=environ.get("BUILD_CONTAINER") or "kaniko",
            deadline=deadline,
            pull_grace=pull_grace,
            start_grace=start_grace,
        ),
        pod_name=reader.required("POD_NAME"),
        pod_namespace=reader.required("POD_NAMESPACE"),
        api_url=reader.url("KUBERNETES_API_URL", _service_url(environ)),
        token_file=environ.get("KUBE_TOKEN_FILE", ""),
        ca_file=environ.get("KUBE_CA_FILE", ""),
        broker_url=reader.url("BROKER_URL", ""),
        scan=scan if folder else None,
    )
    reader.finish()
    return settings


def build_from(environ: Mapping[str, str]) -> Build:
    """Read which build it is, and nothing else. Raises InvalidSettings with every problem found."""
    reader = _Reader(environ)
    build = _build(reader)
    reader.finish()
    return build


def _build(reader: "_Reader") -> Build:
    optional = reader.environ.get
    return Build(
        third_party_id=reader.required("THIRD_PARTY_ID"),
        parser_id=reader.required("PARSER_ID"),
        job_name=reader.required("BUILD_JOB_NAME"),
        image_uri=reader.required("IMAGE_URI"),
        build_id=optional("BUILD_ID", ""),
        content_hash=optional("CONTENT_HASH", ""),
        correlation_id=optional("CORRELATION_ID", ""),
        traceparent=optional("TRACEPARENT", ""),
    )


def _service_url(environ: Mapping[str, str]) -> str:
    """Return the API server's address as the kubelet tells every container; empty when it did not."""
    host, port = environ.get("KUBERNETES_SERVICE_HOST", ""), environ.get("KUBERNETES_SERVICE_PORT", "443")
    if not host:
        return ""
    return f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"


class _Reader:
    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.problems: list[str] = []

    def finish(self) -> None:
        if self.problems:
            raise InvalidSettings("; ".join(self.problems))

    def required(self, name: str) -> str:
        value = self.environ.get(name, "")
        if not value:
            self.problems.append(f"{name} is not set; the build's Job has to set it")
        return value

    def url(self, name: str, default: str) -> str:
        value = (self.environ.get(name) or default).rstrip("/")
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            self.problems.append(f"{name} is {value!r}; an http or https URL is needed")
        return value

    def seconds(self, name: str) -> datetime.timedelta:
        text = self.environ.get(name, "")
        try:
            value = float(text) if text else _SECONDS[name]
        except ValueError:
            value = 0.0
        if not 0 < value <= 86_400:
            self.problems.append(f"{name} is {text!r}; seconds from 0 to 86400 are allowed, without 0")
            value = 1.0
        return datetime.timedelta(seconds=value)
