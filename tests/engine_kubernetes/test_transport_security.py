"""TLS and proxies: whom the client believes, whom it shows itself to, and the way it takes."""

import base64
import json

import pytest

from engine.kubernetes.config import Source, connect
from engine.kubernetes.rest import Client, Unreachable

from .certificates import Certificate
from .tinyserver import Answer, TinyServer


def encoded(data):
    return base64.b64encode(data).decode()


def reached(server, *, cluster=None, user=None):
    """Return the answer of one request made with the server's kubeconfig and these additions."""
    config = json.loads(server.kubeconfig())
    config["clusters"][0]["cluster"] |= cluster or {}
    config["users"][0]["user"] |= user or {}
    client = Client(lambda: connect(Source(kubeconfig=json.dumps(config))))
    try:
        return client.get("/version")
    finally:
        client.close()


def test_a_server_with_a_certificate_of_the_clusters_authority_is_believed(localhost):
    with TinyServer(localhost.server()) as server:
        server.handler = lambda request: Answer(200, {"ok": True})

        assert reached(server, cluster={"certificate-authority-data": encoded(localhost.pem)}) == {"ok": True}
        assert reached(server, cluster={"certificate-authority": str(localhost.file)}) == {"ok": True}


def test_a_server_of_another_authority_gets_no_request(localhost, tmp_path):
    other = Certificate(tmp_path, "other")
    with TinyServer(localhost.server()) as server:
        with pytest.raises(Unreachable, match=r"(?i)certificate"):
            reached(server, cluster={"certificate-authority-data": encoded(other.pem)})
        assert server.requests == []


def test_a_server_by_another_name_is_believed_only_if_the_kubeconfig_says_so(tmp_path):
    elsewhere = Certificate(tmp_path, "elsewhere")
    authority = {"certificate-authority-data": encoded(elsewhere.pem)}
    with TinyServer(elsewhere.server()) as server:
        server.handler = lambda request: Answer(200, {"ok": True})
        with pytest.raises(Unreachable, match=r"(?i)certificate"):
            reached(server, cluster=authority)

        assert reached(server, cluster=authority | {"tls-server-name": "elsewhere"}) == {"ok": True}


def test_checks_are_left_out_silently_if_the_kubeconfig_says_so(localhost):
    """The suite turns warnings into errors."""
    with TinyServer(localhost.server()) as server:
        server.handler = lambda request: Answer(200, {"ok": True})

        assert reached(server, cluster={"insecure-skip-tls-verify": True}) == {"ok": True}


def test_a_client_certificate_is_shown(localhost):
    authority = {"certificate-authority-data": encoded(localhost.pem)}
    certificate = {
        "client-certificate-data": encoded(localhost.pem),
        "client-key-data": encoded(localhost.key),
    }
    with TinyServer(localhost.server(ask=True)) as server:
        server.handler = lambda request: Answer(200, {"ok": True})
        with pytest.raises(Unreachable):
            reached(server, cluster=authority)

        assert reached(server, cluster=authority, user=certificate) == {"ok": True}


def test_requests_go_through_the_proxy_of_the_kubeconfig(server):
    server.handler = lambda request: Answer(200, {"ok": True})

    assert reached(server, cluster={"server": "http://cluster.invalid/base", "proxy-url": server.url}) == {
        "ok": True
    }
    assert server.requests[0].path == "/base/version"
    assert server.requests[0].headers["Host"] == "cluster.invalid"
