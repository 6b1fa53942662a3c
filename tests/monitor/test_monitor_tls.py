"""An API server over HTTPS is trusted by the mounted certificate, and by nothing else."""

import datetime
import ipaddress
import ssl
from pathlib import Path

import pytest
from build_pod import DIGEST, ApiServer, Broker, ended, pod
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def certificate(folder: Path) -> Path:
    """Make a self-signed certificate for the loopback address; the file holds its key too."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "api")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    cert = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "api.pem"
    path.write_bytes(
        cert.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return path


@pytest.fixture
def pem(tmp_path: Path) -> Path:
    """The API server's certificate."""
    return certificate(tmp_path)


@pytest.fixture
def secure(pem: Path):
    """An API server over HTTPS whose build has succeeded."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    server = ApiServer(tls=context)
    server.pod = pod(terminated=ended(0, message=DIGEST))
    yield server
    server.close()


def test_the_mounted_certificate_is_trusted(secure: ApiServer, broker: Broker, start, pem: Path) -> None:
    assert start(KUBERNETES_API_URL=secure.url, KUBE_CA_FILE=str(pem)).exit_status() == 0
    assert len(broker.events) == 1


def test_a_server_of_another_certificate_is_not_believed(
    secure: ApiServer, broker: Broker, start, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = certificate(tmp_path_factory.mktemp("other"))
    monitor = start(KUBERNETES_API_URL=secure.url, KUBE_CA_FILE=str(other))
    assert monitor.first_record("the pod cannot be read")["error"].startswith("SSLCertVerificationError")

    monitor.terminate()

    assert monitor.exit_status() == 1
    assert broker.events == []
