"""Where the API server is and who we are to it.

Kubeconfig files and contents, contexts, in-cluster accounts.

The `kubernetes` package does what needs care (KUBECONFIG lists, exec plugins, OIDC, certificates in temporary
files); it is imported on first use, since it costs 0.2 s and 20 MB. What leaves this module is a
`Connection`: plain values, a TLS context, and a function for the Authorization header that follows rotating
tokens.
"""

import hashlib
import json
import os
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from engine.provider import ProviderError

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where a pod finds its token, its namespace and the cluster's certificate authority."""

TOKEN_LIFE_SECONDS = 60.0
"""How long a token is used before it is asked for again, from its file or from the `kubernetes` package.

Both have a new one minutes before the old one expires.
"""


class ConfigError(ProviderError):
    """The configuration names no usable cluster; the text says why."""


@dataclass(frozen=True)
class Source:
    """What the provider was told about the cluster: kubeconfig as path or text, and what to choose in it."""

    kubeconfig: str = ""
    context: str = ""
    cluster: str = ""
    timeout_seconds: float | None = None
    """How long one request may take; None: the transport's default."""

    def read(self) -> str:
        """Return the kubeconfig's text; empty if there is none (then the in-cluster account is used)."""
        if is_content(self.kubeconfig):
            return self.kubeconfig
        documents = [path.read_text() for path in self.paths() if path.is_file()]
        if self.kubeconfig and not documents:
            raise ConfigError(
                f"kubeconfig {self.kubeconfig!r} is neither a file nor a kubeconfig; give a path or a text"
            )
        return "\n---\n".join(documents)

    def paths(self) -> list[Path]:
        """Return the kubeconfig files to merge.

        The given one, else $KUBECONFIG's list, else ~/.kube/config.
        """
        listed = self.kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config"
        names = [listed] if self.kubeconfig else listed.split(os.pathsep)
        return [Path(name).expanduser() for name in names if name]

    def key(self) -> str:
        """Return what tells connections apart: a digest of the kubeconfig's text and of the choice in it."""
        parts = json.dumps([self.read(), self.context, self.cluster, self.timeout_seconds])
        return hashlib.sha256(parts.encode()).hexdigest()


@dataclass(kw_only=True)
class Connection:
    """How to reach one API server.

    `authorization` returns the header's value, or None; it may run a plugin.
    """

    url: str
    namespace: str
    tls: ssl.SSLContext | None = None
    server_hostname: str | None = None
    proxy: str | None = None
    timeout_seconds: float | None = None
    authorization: Callable[[], str | None] = field(default=lambda: None)


def is_content(kubeconfig: str) -> bool:
    """Say whether the value is the text of a kubeconfig (YAML or JSON) and not a path."""
    return "\n" in kubeconfig or kubeconfig.lstrip().startswith("{") or "apiVersion:" in kubeconfig


def connect(source: Source) -> Connection:
    """Return the connection that the source describes.

    Raises ConfigError when nothing usable is configured. Reads files, and runs the exec plugin if there is
    one.
    """
    if source.read():
        return replace(_from_kubeconfig(source), timeout_seconds=source.timeout_seconds)
    if "KUBERNETES_SERVICE_HOST" in os.environ:
        return replace(_in_cluster(), timeout_seconds=source.timeout_seconds)
    raise ConfigError(
        "no Kubernetes cluster is configured: there is no kubeconfig in the provider's configuration, in "
        "$KUBECONFIG or in ~/.kube/config, and this is no pod; set kubernetes:kubeconfig"
    )


def active_cluster(source: Source) -> dict[str, Any] | None:
    """Return the `cluster` entry that is in force (server, certificate authority, ...).

    None if there is none.
    """
    text = source.read()
    if not text:
        return None
    merged = _merge(text)
    context = _named(merged, "contexts", source.context or merged.get("current-context")) or {}
    return _named(merged, "clusters", source.cluster or context.get("context", {}).get("cluster"))


def _merge(text: str) -> dict[str, Any]:
    """Return one kubeconfig of several YAML documents: lists are joined, the first scalar wins."""
    merged: dict[str, Any] = {}
    for document in _documents(text):
        for key, value in (document or {}).items():
            if isinstance(value, list):
                merged[key] = merged.get(key, []) + value
            elif value:
                merged.setdefault(key, value)
    return merged


def _documents(text: str) -> list[dict[str, Any] | None]:
    """Parse kubeconfig text; JSON, which is quick, before YAML, which is not."""
    import yaml

    try:
        return [json.loads(text)]
    except ValueError:
        pass
    try:
        return list(yaml.safe_load_all(text))
    except yaml.YAMLError as error:
        raise ConfigError(f"the kubeconfig is neither YAML nor JSON: {error}") from error


def _named(config: dict[str, Any], section: str, name: str | None) -> dict[str, Any] | None:
    """Return the entry of a section by name: whole for contexts, its `cluster` for clusters."""
    for entry in config.get(section, []):
        if entry.get("name") == name:
            return entry["cluster"] if section == "clusters" else entry  # type: ignore[no-any-return]
    return None


def _from_kubeconfig(source: Source) -> Connection:
    from kubernetes.client import Configuration
    from kubernetes.config import ConfigException, kube_config

    package: Any = kube_config
    try:
        if is_content(source.kubeconfig):
            text = _merge(source.read())
            loader = package.KubeConfigLoader(text, source.context or None, config_base_path=os.getcwd())
        else:
            files = package.KubeConfigMerger(os.pathsep.join(map(str, source.paths())))
            loader = package.KubeConfigLoader(files.config, source.context or None)
        namespace = loader.current_context["context"].get("namespace") or "default"
        if source.cluster:
            # The package has a parameter for the context only.
            loader._cluster = loader._config["clusters"].get_with_name(source.cluster)["cluster"]
        configuration = Configuration()
        loader.load_and_set(configuration)
    except ConfigException as error:
        raise ConfigError(f"the kubeconfig cannot be used: {error}") from error
    return _connection(configuration, namespace)


def _connection(configuration: Any, namespace: str) -> Connection:
    """Turn the package's Configuration into ours; its hook renews tokens, five minutes before they expire."""
    # Not asked for each request: the package goes through all of the environment every time, which is a
    # sixth of what a request costs.
    header = RotatingHeader(lambda: configuration.get_api_key_with_prefix("BearerToken"))
    return Connection(
        url=configuration.host,
        namespace=namespace,
        tls=_tls(configuration) if configuration.host.startswith("https") else None,
        server_hostname=getattr(configuration, "tls_server_name", None),
        proxy=configuration.proxy,
        authorization=header,
    )


def _tls(configuration: Any) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
    if not configuration.verify_ssl:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, configuration.key_file)
    return context


def _in_cluster(folder: Path | None = None) -> Connection:
    """Return the connection of a pod's service account."""
    folder = folder or SERVICE_ACCOUNT
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    try:
        tls = ssl.create_default_context(cafile=folder / "ca.crt")
        namespace = (folder / "namespace").read_text().strip()
    except OSError as error:
        raise ConfigError(
            f"this pod has no service account files ({error}); see automountServiceAccountToken"
        ) from error
    return Connection(
        url=f"https://{f'[{host}]' if ':' in host else host}:{port}",
        namespace=namespace,
        tls=tls,
        authorization=RotatingHeader(lambda: f"Bearer {(folder / 'token').read_text().strip()}"),
    )


class RotatingHeader:
    """An Authorization header that changes from time to time.

    `ask` returns it as it is now, or None if there is none; it is called by one thread at a time.
    """

    def __init__(self, ask: Callable[[], str | None], life_seconds: float = TOKEN_LIFE_SECONDS) -> None:
        self._ask = ask
        self._life = life_seconds
        self._lock = threading.Lock()
        self._value: str | None = None
        self._asked_at = float("-inf")

    def __call__(self) -> str | None:
        """Return the header, asked for again when the last answer is older than its life."""
        with self._lock:
            if time.monotonic() - self._asked_at > self._life:
                self._value, self._asked_at = self._ask(), time.monotonic()
            return self._value
