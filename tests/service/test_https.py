"""HTTPS beside HTTP, by certificates that are really checked."""

import asyncio
import contextlib
import os
import shutil
import ssl
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from service.app import create_app
from service.server import Server
from service.settings import SettingsError, read, read_http
from service.tls import Certificate, CertificateUnusable, TlsSettings
from service.variables import Variables
from tests.rabbitmq.authority import issue

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def issued(tmp_path_factory):
    """Make the files of a new authority and its certificate; return their folder."""

    def make():
        folder = tmp_path_factory.mktemp("tls")
        issue(folder)
        return folder

    return make


def tls(folder, port=0):
    return TlsSettings(port=port, certificate=folder / "tls.crt", key=folder / "tls.key")


@contextlib.asynccontextmanager
async def serving(app, folder):
    files = {"TLS_CERT_FILE": str(folder / "tls.crt"), "TLS_KEY_FILE": str(folder / "tls.key")}
    variables = Variables({"PORT": "0", "TLS_PORT": "0", **files})
    server = Server(app, read_http(variables, local=True), "local")
    assert not variables.problems
    running = asyncio.create_task(server.serve())
    try:
        while len(getattr(server, "servers", ())) != 2:
            assert not running.done()
            await asyncio.sleep(0.01)
        yield server
    finally:
        server.should_exit = True
        await running


async def health(address, folder):
    """Return the status of /health as a client sees it that trusts this authority only."""
    trust = ssl.create_default_context(cafile=folder / "ca.crt")
    async with httpx.AsyncClient(verify=trust, trust_env=False) as client:
        return (await client.get(f"{address}/health")).status_code


async def test_the_same_is_served_over_both(automation, app_settings, issued):
    folder = issued()
    async with serving(create_app(automation, app_settings()), folder) as server:
        plain, secure = server.addresses
        assert (plain.split(":")[0], secure.split(":")[0]) == ("http", "https")
        assert await health(plain, folder) == await health(secure, folder) == 200
    assert automation.closed_with


async def test_clients_do_not_believe_another_authority(automation, app_settings, issued):
    async with serving(create_app(automation, app_settings()), issued()) as server:
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            await health(server.addresses[1], issued())


async def test_a_renewed_certificate_is_served_without_a_restart(automation, app_settings, issued):
    old, new = issued(), issued()
    async with serving(create_app(automation, app_settings()), old) as server:
        secure = server.addresses[1]
        assert await health(secure, old) == 200
        for name in ("tls.crt", "tls.key"):
            shutil.copy(new / name, old / name)
        assert await health(secure, new) == 200
        with pytest.raises(httpx.ConnectError):
            await health(secure, old)


async def test_half_a_renewal_leaves_the_old_certificate_in_use(automation, app_settings, issued):
    old, new = issued(), issued()
    async with serving(create_app(automation, app_settings()), old) as server:
        shutil.copy(new / "tls.key", old / "tls.key")
        assert await health(server.addresses[1], old) == 200
        (old / "tls.crt").unlink()
        assert await health(server.addresses[1], old) == 200


def test_old_versions_of_the_protocol_are_refused(issued):
    assert Certificate(tls(issued())).context.minimum_version is ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        pytest.param(lambda folder: (folder / "tls.crt").unlink(), "No such file", id="absent"),
        pytest.param(lambda folder: (folder / "tls.key").write_text("x"), "belong together", id="no-key"),
    ],
)
def test_a_pair_that_cannot_be_used_is_refused_at_the_start(issued, spoil, said):
    folder = issued()
    spoil(folder)
    with pytest.raises(CertificateUnusable, match=said):
        Certificate(tls(folder))


def test_the_process_says_so_and_ends_with_status_2(issued):
    folder = issued()
    (folder / "tls.key").write_text("x")
    required = {
        "PULUMI_BACKEND_URL": f"file://{folder}",
        "ECR_REGISTRY": "registry.test",
        "KANIKO_IMAGE": "kaniko",
        "MONITOR_IMAGE": "monitor",
    }
    places = {"TLS_CERT_FILE": str(folder / "tls.crt"), "TLS_KEY_FILE": str(folder / "tls.key")}
    ended = subprocess.run(
        [sys.executable, "-m", "service"],
        env={"PATH": os.environ["PATH"], "ENVIRONMENT": "local", **required, **places},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 2
    assert "TLS_KEY_FILE" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_certificate_without_its_key_is_a_wrong_setting():
    with pytest.raises(SettingsError, match="TLS_CERT_FILE and TLS_KEY_FILE: one is set; set both or none"):
        read({"TLS_CERT_FILE": "/tls.crt"})


async def test_both_addresses_are_in_the_log(automation, app_settings, issued, log_lines):
    async with serving(create_app(automation, app_settings()), issued()) as server:
        (line,) = [line for line in log_lines() if line["msg"] == "listening"]
        assert [line["address"], line["secure_address"]] == server.addresses
