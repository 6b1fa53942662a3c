"""What is said of an image: in-toto's statement, SLSA's provenance, DSSE's signature."""

import base64
import json

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from automation.errors import DependencyUnavailable
from automation.provenance import envelope
from tests.automation.conftest import DIGEST
from tests.provenance.conftest import TracingWorld


@pytest.fixture
def key(tmp_path):
    key = Ed25519PrivateKey.generate()
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "key.pem").write_bytes(text)
    return key


async def attested(world):
    started = await world.send(world.build_start(id="asked"))
    world.clock.forward(seconds=30)
    await world.send(world.build_complete(started))
    return started, await world.evidence.attestation(world.catalogue.build(started.fields["build_id"]))


async def test_a_statement_says_which_event_and_code_a_job_made_the_image_of(world):
    started, body = await attested(world)
    statement = json.loads(body)

    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "https://slsa.dev/provenance/v1"
    image = started.fields["image_uri"]
    assert statement["subject"] == [{"name": image, "digest": {"sha256": "d" * 64}}]
    definition = statement["predicate"]["buildDefinition"]
    assert definition["externalParameters"]["event"] == {"id": "asked", "source": "network.notifi.tp1"}
    assert definition["internalParameters"]["job"] == started.fields["job_name"]
    assert definition["internalParameters"]["executor_image"] == "registry.test/kaniko:1"
    (context,) = definition["resolvedDependencies"]
    assert context["digest"] == {"contextHash": started.fields["content_hash"]}
    details = statement["predicate"]["runDetails"]
    assert details["metadata"] == {
        "invocationId": started.fields["job_name"],
        "startedOn": "2026-01-31T12:00:00Z",
        "finishedOn": "2026-01-31T12:00:30Z",
    }
    assert details["builder"]["id"].endswith("/local/knative-lambda-local")


async def test_a_build_whose_digest_nobody_told_is_not_attested(world):
    started = await world.send(world.build_start())
    await world.send(world.build_complete(started, image_digest=None))

    assert await world.evidence.attestation(world.catalogue.build(started.fields["build_id"])) is None


async def test_a_failed_build_is_not_attested(world):
    started = await world.send(world.build_start())
    await world.send(world.build_failed(started))

    assert await world.evidence.attestation(world.catalogue.build(started.fields["build_id"])) is None


async def test_with_a_key_the_statement_is_signed_and_any_change_of_it_is_noticed(tmp_path, key):
    world = TracingWorld(tmp_path / "state", attestation_key_file=tmp_path / "key.pem")
    world.put()
    _, body = await attested(world)
    await world.automation.close(5)
    world.archive.close()

    sealed = json.loads(body)
    payload, kind = base64.b64decode(sealed["payload"]), sealed["payloadType"]
    (signature,) = sealed["signatures"]
    raw = base64.b64decode(signature["sig"])
    key.public_key().verify(raw, envelope.pre_authentication(kind, payload))
    with pytest.raises(InvalidSignature):
        key.public_key().verify(raw, envelope.pre_authentication(kind, payload.replace(b"dddd", b"eeee")))
    with pytest.raises(InvalidSignature):
        key.public_key().verify(raw, envelope.pre_authentication("text/plain", payload))
    assert json.loads(payload)["subject"][0]["digest"]["sha256"] == DIGEST.removeprefix("sha256:")


def test_what_is_signed_is_encoded_as_the_specification_shows():
    """Its own example: secure-systems-lab/dsse, protocol.md, "Test Vectors"."""
    covered = envelope.pre_authentication("http://example.com/HelloWorld", b"hello world")

    assert covered == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"


@pytest.mark.parametrize("text", [None, b"", b"no key"])
async def test_a_key_that_cannot_be_read_keeps_no_build_from_being_rolled_out(tmp_path, text, caplog):
    if text is not None:
        (tmp_path / "key.pem").write_bytes(text)
    world = TracingWorld(tmp_path / "state", attestation_key_file=tmp_path / "key.pem")
    world.put()
    _, body = await attested(world)
    await world.automation.close(5)
    world.archive.close()

    assert body is None
    assert "something of a function's provenance is not kept" in caplog.text


def test_a_key_of_another_kind_is_refused_with_the_remedy(tmp_path):
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

    text = generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "key.pem").write_bytes(text)

    with pytest.raises(DependencyUnavailable, match="openssl genpkey -algorithm ed25519"):
        envelope.FileSigner(tmp_path / "key.pem").sign(b"")
