"""Finding the cluster: kubeconfig by path and by text, contexts, in-cluster accounts, plugins."""

import base64
import json
import ssl
import stat
import sys
import time
from pathlib import Path

import pytest

from engine.kubernetes import KubernetesProviders
from engine.kubernetes.config import ConfigError, Source, active_cluster, connect, is_content
from engine.kubernetes.rest import Client

from .tinyserver import Answer, TinyServer

CONFIG = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "one",
    "clusters": [
        {"name": "one", "cluster": {"server": "http://127.0.0.1:1001"}},
        {"name": "two", "cluster": {"server": "https://127.0.0.1:1002", "insecure-skip-tls-verify": True}},
    ],
    "users": [
        {"name": "admin", "user": {"token": "t-admin"}},
        {"name": "basic", "user": {"username": "u", "password": "p"}},
    ],
    "contexts": [
        {"name": "one", "context": {"cluster": "one", "user": "admin", "namespace": "space"}},
        {"name": "two", "context": {"cluster": "two", "user": "basic"}},
    ],
}
TEXT = json.dumps(CONFIG)


@pytest.fixture(autouse=True)
def no_surroundings(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"):
        monkeypatch.delenv(name, raising=False)


def test_a_kubeconfig_as_text_is_understood():
    connection = connect(Source(kubeconfig=TEXT))

    assert (connection.url, connection.namespace, connection.tls) == ("http://127.0.0.1:1001", "space", None)
    assert connection.authorization() == "Bearer t-admin"


def test_a_kubeconfig_by_path_is_read(tmp_path):
    (tmp_path / "config").write_text(TEXT)

    assert connect(Source(kubeconfig=str(tmp_path / "config"))).url == "http://127.0.0.1:1001"


def test_a_tilde_in_the_path_is_the_home(tmp_path):
    (tmp_path / "config").write_text(TEXT)

    assert connect(Source(kubeconfig="~/config")).url == "http://127.0.0.1:1001"


def test_the_environments_list_of_files_is_merged(monkeypatch, tmp_path):
    users = {key: CONFIG[key] for key in ("apiVersion", "kind", "users")}
    rest = {key: value for key, value in CONFIG.items() if key != "users"}
    (tmp_path / "a").write_text(json.dumps(rest))
    (tmp_path / "b").write_text(json.dumps(users))
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path / 'a'}:{tmp_path / 'b'}:{tmp_path / 'missing'}")

    assert connect(Source()).authorization() == "Bearer t-admin"
    assert active_cluster(Source()) == {"server": "http://127.0.0.1:1001"}


def test_another_context_brings_its_cluster_user_and_namespace():
    connection = connect(Source(kubeconfig=TEXT, context="two"))

    assert (connection.url, connection.namespace) == ("https://127.0.0.1:1002", "default")
    assert connection.authorization() == "Basic dTpw"
    assert connection.tls is not None
    assert connection.tls.verify_mode == ssl.CERT_NONE


def test_another_cluster_can_be_taken_with_the_contexts_user():
    connection = connect(Source(kubeconfig=TEXT, cluster="two"))

    assert (connection.url, connection.authorization()) == ("https://127.0.0.1:1002", "Bearer t-admin")
    assert active_cluster(Source(kubeconfig=TEXT, cluster="two"))["server"] == "https://127.0.0.1:1002"


def test_a_context_that_does_not_exist_is_named():
    with pytest.raises(ConfigError, match="three"):
        connect(Source(kubeconfig=TEXT, context="three"))


def test_a_path_that_does_not_exist_is_named():
    with pytest.raises(ConfigError, match="/nowhere/config"):
        connect(Source(kubeconfig="/nowhere/config"))


def test_text_that_is_neither_yaml_nor_json_is_refused():
    with pytest.raises(ConfigError, match="neither YAML nor JSON"):
        connect(Source(kubeconfig="apiVersion: v1\n\t- broken"))


def test_without_any_configuration_the_error_says_where_it_looked():
    with pytest.raises(ConfigError, match=r"KUBECONFIG.*kubernetes:kubeconfig"):
        connect(Source())


def exec_client(server, tmp_path, **status):
    """Return a client whose credentials a plugin prints: the status with the number of its run in texts."""
    plugin, runs = tmp_path / "plugin", tmp_path / "runs"
    credential = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}
    plugin.write_text(
        f"#!{sys.executable}\n"
        f"runs = open({str(runs)!r}, 'a+')\n"
        "runs.write('x'); runs.seek(0)\n"
        f"print({json.dumps(credential)!r}.replace('RUN', str(len(runs.read()))))\n"
    )
    plugin.chmod(plugin.stat().st_mode | stat.S_IXUSR)
    user = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": str(plugin),
        "interactiveMode": "Never",
    }
    config = json.loads(server.kubeconfig())
    config["users"][0]["user"] = {"exec": user}
    return Client(lambda: connect(Source(kubeconfig=json.dumps(config))))


def test_an_exec_plugin_gives_the_token(server, tmp_path):
    client = exec_client(server, tmp_path, token="from-plugin")
    server.answers = [Answer(200, {})]
    client.get("/version")
    client.close()

    assert server.requests[0].headers["Authorization"] == "Bearer from-plugin"


def test_an_exec_plugin_runs_again_when_its_token_is_refused(server, tmp_path):
    client = exec_client(server, tmp_path, token="token-RUN")
    good = {"Bearer token-1"}
    server.handler = lambda request: (
        Answer(200, {}) if request.headers["Authorization"] in good else Answer(401, {})
    )
    client.get("/version")
    good.add("Bearer token-2")
    good.remove("Bearer token-1")
    client.get("/version")
    client.get("/version")
    client.close()

    assert [request.headers["Authorization"][-1] for request in server.requests] == ["1", "1", "2", "2"]


def unsigned(claims):
    """Return a token as an identity provider makes it; nobody here checks the signature."""

    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return ".".join([part({"alg": "none"}), part(claims), "signature"])


def oidc_client(server, token, **settings):
    config = json.loads(server.kubeconfig())
    provider = {
        "client-id": "me",
        "client-secret": "shh",
        "id-token": token,
        "refresh-token": "again",
        "idp-issuer-url": server.url,
        **settings,
    }
    config["users"][0]["user"] = {"auth-provider": {"name": "oidc", "config": provider}}
    config["clusters"][0]["cluster"]["insecure-skip-tls-verify"] = True
    return Client(lambda: connect(Source(kubeconfig=json.dumps(config))))


def test_a_token_of_an_identity_provider_is_shown(server):
    token = unsigned({"exp": time.time() + 3600})
    client = oidc_client(server, token)
    server.answers = [Answer(200, {})]
    client.get("/version")
    client.close()

    assert server.requests[0].headers["Authorization"] == f"Bearer {token}"


def test_an_expired_token_of_an_identity_provider_is_renewed(localhost):
    fresh = unsigned({"exp": time.time() + 3600})

    def answer(request):
        if request.path == "/.well-known/openid-configuration":
            return Answer(200, {"token_endpoint": f"{server.url}/token"})
        if request.path == "/token":
            tokens = {
                "id_token": fresh,
                "access_token": "a",
                "refresh_token": "again",
                "token_type": "bearer",
            }
            return Answer(200, tokens, {"Content-Type": "application/json"})
        return Answer(200, {})

    with TinyServer(localhost.server()) as server:
        server.handler = answer
        authority = base64.b64encode(localhost.pem).decode()
        client = oidc_client(server, unsigned({"exp": 1}), **{"idp-certificate-authority-data": authority})
        client.get("/version")
        client.close()

    assert "grant_type=refresh_token" in server.requests[1].body
    assert server.requests[-1].headers["Authorization"] == f"Bearer {fresh}"


def test_a_pod_uses_its_service_account(monkeypatch, tmp_path):
    (tmp_path / "token").write_text("pod-token\n")
    (tmp_path / "namespace").write_text("builds")
    (tmp_path / "ca.crt").write_text(Path(ssl.get_default_verify_paths().cafile or _bundle()).read_text())
    monkeypatch.setattr("engine.kubernetes.config.SERVICE_ACCOUNT", tmp_path)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "6443")
    connection = connect(Source())

    assert (connection.url, connection.namespace) == ("https://[fd00::1]:6443", "builds")
    assert connection.authorization() == "Bearer pod-token"


def test_a_pod_without_a_service_account_is_told_so(monkeypatch, tmp_path):
    monkeypatch.setattr("engine.kubernetes.config.SERVICE_ACCOUNT", tmp_path)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")

    with pytest.raises(ConfigError, match="automountServiceAccountToken"):
        connect(Source())


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("~/.kube/config", False, id="path"),
        pytest.param("{}", True, id="json"),
        pytest.param("apiVersion: v1", True, id="yaml"),
    ],
)
def test_paths_and_texts_are_told_apart(value, expected):
    assert is_content(value) is expected


def test_providers_of_one_kubeconfig_share_a_connection(server):
    server.handler = lambda request: Answer(200, {"kind": "ConfigMap", "metadata": {}})
    providers = KubernetesProviders()
    for _ in range(3):
        provider = providers()
        provider.configure({"kubeconfig": server.kubeconfig()})
        provider._addressing.cluster().client.get("/version")
    assert server.connections == 1

    other = providers()
    other.configure({"kubeconfig": server.kubeconfig(token="another")})
    other._addressing.cluster().client.get("/version")
    providers.close()
    assert server.connections == 2


def _bundle() -> str:
    import certifi

    return certifi.where()
