"""Signed events: what is let in where there are keys, and what is not."""

import asyncio
import base64
import hmac
import json
import os
import re
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.app import create_app
from service.errors import Unsigned
from service.signatures import Signatures, SignatureSettings, read_key, signed_content

KEY = "whsec_" + base64.b64encode(b"k" * 32).decode()
OTHER = "whsec_" + base64.b64encode(b"o" * 24).decode()
DOCUMENT = (Path(__file__).parents[2] / "docs" / "events.md").read_text()


@pytest.fixture
def keys(tmp_path):
    file = tmp_path / "keys"
    file.write_text(f"# the first\n{OTHER}\n{KEY}\n")
    return file


@pytest.fixture
async def signed(automation, app_settings, open_client, keys):
    settings = SignatureSettings(keys_file=keys, paths=("/events",))
    async with open_client(create_app(automation, app_settings(signatures=settings))) as client:
        yield client


def sign(message, key=KEY, at=None, message_id="m-1"):
    """Return a message with the headers of a signature."""
    headers, at = message["headers"], str(int(time.time() if at is None else at))
    content = f"{message_id}.{at}.".encode() + signed_content(headers.items(), message["content"])
    digest = base64.b64encode(hmac.digest(read_key(key), content, "sha256")).decode()
    added = {"webhook-id": message_id, "webhook-timestamp": at, "webhook-signature": f"v1,{digest}"}
    return {**message, "headers": {**headers, **added}}


def batch(structured):
    content = b"[" + structured()["content"] + b"]"
    return {"headers": {"content-type": "application/cloudevents-batch+json"}, "content": content}


@pytest.mark.parametrize("key", [KEY, OTHER])
async def test_a_signed_event_is_taken_in_every_mode_with_every_key(
    signed, automation, binary, structured, key
):
    for message in (binary(), structured(), batch(structured)):
        answer = await signed.post("/events", **sign(message, key))
        assert answer.status_code == 200
    assert len(automation.events) == 3


async def test_an_unsigned_event_is_refused_and_told_what_is_missing(signed, automation, binary):
    answer = await signed.post("/events", **binary())

    assert answer.status_code == 401
    assert answer.json()["error_type"] == "unauthorized"
    assert "webhook-id, webhook-timestamp, webhook-signature: missing" in answer.json()["error"]
    assert answer.headers["www-authenticate"] == "Webhook-Signature"
    assert automation.events == []


async def test_other_paths_take_unsigned_events(signed, binary):
    assert (await signed.post("/", **binary())).status_code == 200


async def test_without_keys_nothing_has_to_be_signed(client, binary):
    assert (await client.post("/events", **binary())).status_code == 200


async def test_a_changed_body_does_not_fit_its_signature(signed, binary, structured):
    for message in (binary(), structured(), batch(structured)):
        changed = sign(message)
        changed["content"] = changed["content"].replace(b"greeter", b"another")
        assert (await signed.post("/events", **changed)).status_code == 401


@pytest.mark.parametrize(
    "change",
    [
        {"ce-type": "network.notifi.lambda.service.delete"},
        {"ce-dryrun": "false"},
        {"webhook-id": "m-2"},
        {"webhook-signature": "v1,AAAA"},
        {"webhook-signature": "v2,AAAA"},
        {"webhook-signature": "\xff"},
        {"content-type": "application/cloudevents+json"},
    ],
)
async def test_a_changed_header_does_not_fit_its_signature(signed, binary, change):
    message = sign(binary())
    headers = {**message["headers"], **{name: text.encode("latin-1") for name, text in change.items()}}

    answer = await signed.post("/events", headers=headers, content=message["content"])

    assert answer.status_code == 401
    assert "webhook-signature: fits no key" in answer.json()["error"]


async def test_a_key_that_is_not_known_opens_nothing(signed, binary):
    stranger = "whsec_" + base64.b64encode(b"s" * 32).decode()
    assert (await signed.post("/events", **sign(binary(), stranger))).status_code == 401


@pytest.mark.parametrize("seconds", [-301, 302, -1e9])
async def test_a_message_is_good_for_five_minutes(signed, binary, seconds):
    answer = await signed.post("/events", **sign(binary(), at=time.time() + seconds))

    assert answer.status_code == 401
    assert "at most 300 from now" in answer.json()["error"]


@pytest.mark.parametrize("at", ["now", "-1", "1" * 40, "١٢٣"])
def test_what_is_no_time_is_refused(keys, at):
    signatures = Signatures(SignatureSettings(keys_file=keys, paths=("/",)), time.time)
    headers = [("webhook-id", "1"), ("webhook-timestamp", at), ("webhook-signature", "v1,AAAA")]
    with pytest.raises(Unsigned, match="seconds since 1970"):
        signatures.check("/", headers, b"")


async def test_one_of_several_signatures_is_enough(signed, binary):
    message = sign(binary())
    headers = message["headers"]
    headers["webhook-signature"] = f"v1a,abc v1,AAAA {headers['webhook-signature']}"

    assert (await signed.post("/events", **message)).status_code == 200


async def test_a_header_that_is_there_twice_is_refused(signed, binary):
    message = sign(binary())
    headers = [*message["headers"].items(), ("webhook-id", "m-1")]

    answer = await signed.post("/events", headers=headers, content=message["content"])

    assert answer.status_code == 401
    assert "one is there twice" in answer.json()["error"]


async def test_a_key_is_changed_without_a_gap(signed, binary, keys):
    new = "whsec_" + base64.b64encode(b"n" * 64).decode()
    assert (await signed.post("/events", **sign(binary(), new))).status_code == 401

    replace(keys, f"{KEY}\n{new}\n")
    assert (await signed.post("/events", **sign(binary(), new))).status_code == 200
    assert (await signed.post("/events", **sign(binary(), KEY))).status_code == 200

    replace(keys, f"{new}\n")
    assert (await signed.post("/events", **sign(binary(), KEY))).status_code == 401


def replace(file, text):
    """Put another file in the place of one, as the kubelet does."""
    other = file.with_name("new")
    other.write_text(text)
    other.rename(file)


@pytest.mark.parametrize("content", [None, "", "whsec_short\n", "no key\n"])
async def test_where_keys_cannot_be_read_nobody_gets_in_and_senders_come_back(
    signed, binary, keys, content, automation
):
    message = sign(binary())
    if content is None:
        keys.unlink()
    else:
        replace(keys, content)

    answer = await signed.post("/events", **message)

    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"
    assert automation.events == []


@given(st.dictionaries(st.sampled_from(["ce-a", "ce-b", "content-type", "x"]), st.text("ab:")))
def test_no_two_binary_messages_have_the_same_content(fields):
    read = signed_content(fields.items(), b"body").decode()

    attributes = {name: value for name, value in fields.items() if name.startswith("ce-")}
    assert dict(line.split(":", 1) for line in read.removesuffix("\nbody").splitlines()) == attributes


async def test_the_python_example_of_the_document_signs(signed, structured):
    (example,) = [text for text in blocks("python") if "webhook-id" in text]
    message = structured()
    scope = {"key": KEY, "body": message["content"]}
    exec(example, scope)

    headers = {**message["headers"], **scope["headers"]}
    assert (await signed.post("/events", headers=headers, content=message["content"])).status_code == 200


async def test_a_changed_time_does_not_fit_its_signature(signed, binary):
    message = sign(binary(), at=time.time() - 60)
    message["headers"]["webhook-timestamp"] = str(int(time.time()))

    assert (await signed.post("/events", **message)).status_code == 401


async def test_the_shell_example_of_the_document_signs(signed, structured, tmp_path):
    (example,) = [text for text in blocks("bash") if "webhook-id" in text]
    message = structured()
    arguments = tmp_path / "curl"
    arguments.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    arguments.chmod(0o755)
    environ = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "KEY": KEY,
        "BODY": message["content"].decode(),
        "SERVICE": "x",
    }
    shell = await asyncio.create_subprocess_exec("bash", "-ec", example, env=environ, stdout=subprocess.PIPE)
    printed, _ = await shell.communicate()

    told = re.findall(r"^(webhook-[a-z]+): (.*)$", printed.decode(), re.MULTILINE)
    headers = {**message["headers"], **dict(told)}
    answer = await signed.post("/events", headers=headers, content=message["content"])
    assert answer.status_code == 200, json.dumps(answer.json())


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", DOCUMENT, re.DOTALL | re.MULTILINE)
