"""What a client other than boto3 may send: plain, signed chunk by chunk, or broken."""

import datetime
import hashlib
import http.client
import socket
import urllib.request
import zlib
from base64 import b64encode
from urllib.error import HTTPError

import pytest

from local.objectstore.checksums import ALGORITHMS
from local.objectstore.signature import Claim, HttpRequest, Verified, sign, signing_key
from tests.local_objectstore.conftest import client

NOW = datetime.datetime.now(datetime.UTC)


@pytest.fixture
def connection(store, s3):
    opened = http.client.HTTPConnection("127.0.0.1", store.port, timeout=10)
    yield opened
    opened.close()


def ask(connection, method, path, body=b"", headers=None):
    connection.request(method, path, body=body, headers=headers or {})
    response = connection.getresponse()
    return response.status, response.read(), response.headers


def signed(method: str, path: str, payload: str, headers: dict[str, str], now=NOW) -> tuple[dict, Verified]:
    """Sign a request as an SDK does; the scheme's own parts are checked against boto3 in the other tests."""
    date = now.strftime("%Y%m%dT%H%M%SZ")
    scope = f"{date[:8]}/us-west-2/s3/aws4_request"
    headers = headers | {"x-amz-date": date, "x-amz-content-sha256": payload}
    claim = Claim(f"local/{scope}", tuple(sorted(headers)), "", date, payload, presigned=False)
    key = signing_key("local-secret", scope)
    signature = sign(HttpRequest(method, path, (), headers), claim, key)
    names = ";".join(sorted(headers))
    headers["Authorization"] = (
        f"AWS4-HMAC-SHA256 Credential=local/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    return headers, Verified(Claim(f"local/{scope}", (), signature, date, payload, presigned=False), key)


def test_an_unsigned_request_is_served(connection):
    assert ask(connection, "PUT", "/code/a/b.txt", b"hello")[0] == 200

    status, body, headers = ask(connection, "GET", "/code/a/b.txt")

    assert (status, body) == (200, b"hello")
    assert headers["Content-Length"] == "5"
    assert headers["ETag"] == f'"{hashlib.md5(b"hello").hexdigest()}"'


def test_head_gives_the_length_without_a_body(connection):
    ask(connection, "PUT", "/code/a", b"hello")

    status, body, headers = ask(connection, "HEAD", "/code/a")

    assert (status, body, headers["Content-Length"]) == (200, b"", "5")


def test_errors_are_xml_with_code_and_message(connection):
    status, body, headers = ask(connection, "GET", "/code/none")

    assert status == 404
    assert b"<Code>NoSuchKey</Code>" in body
    assert b"<Resource>/code/none</Resource>" in body
    assert headers["Content-Type"] == "application/xml"
    assert headers["x-amz-request-id"].encode() in body


@pytest.mark.parametrize(
    "path", ["/code/../../../etc/passwd", "/code/%2e%2e/%2e%2e/etc/passwd", "/code//etc/passwd", "/code/%00"]
)
def test_no_path_leads_out_of_the_bucket(connection, path):
    status, body, _ = ask(connection, "GET", path)

    assert status == 404
    assert b"NoSuchKey" in body


@pytest.mark.parametrize("path", ["/../code", "/.meta/code", "/.tmp/x", "/%2e%2e/x", "/.uploads/x"])
def test_the_store_s_own_folders_are_no_buckets(connection, path):
    status, body, _ = ask(connection, "GET", path)

    assert status == 400
    assert b"InvalidBucketName" in body


def test_a_body_that_ends_early_leaves_nothing(store, s3, root):
    with socket.create_connection(("127.0.0.1", store.port), timeout=10) as raw:
        raw.sendall(b"PUT /code/a HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
        raw.shutdown(socket.SHUT_WR)
        while raw.recv(1024):
            pass

    assert "Contents" not in s3.list_objects_v2(Bucket="code")
    assert list((root / ".tmp").iterdir()) == []


def test_a_client_that_waits_for_100_continue_is_told_to_go_on(store, s3):
    with socket.create_connection(("127.0.0.1", store.port), timeout=10) as raw:
        raw.sendall(b"PUT /code/a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert raw.recv(100).startswith(b"HTTP/1.1 100 Continue")
        raw.sendall(b"ok")
        assert raw.recv(100).startswith(b"HTTP/1.1 200 OK")


def chunked(verified: Verified | None, *chunks: bytes, trailer: bytes = b"") -> bytes:
    previous, body = verified.claim.signature if verified else "", b""
    for chunk in (*chunks, b""):
        extension = b""
        if verified:
            previous = verified.chunk_signature(previous, chunk)
            extension = b";chunk-signature=" + previous.encode()
        body += b"%x%s\r\n" % (len(chunk), extension) + chunk + (b"\r\n" if chunk else b"")
    if verified and trailer:
        signature = verified.trailer_signature(previous, trailer.replace(b"\r\n", b"\n"))
        trailer += b"x-amz-trailer-signature:" + signature.encode() + b"\r\n"
    return body + trailer + b"\r\n"


def crc32(data: bytes) -> bytes:
    return b64encode(zlib.crc32(data).to_bytes(4, "big"))


@pytest.mark.parametrize("with_trailer", [False, True])
def test_a_body_signed_chunk_by_chunk_is_joined(connection, with_trailer):
    trailer = b"x-amz-checksum-crc32:" + crc32(b"hello world") + b"\r\n" if with_trailer else b""
    payload = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" + ("-TRAILER" if with_trailer else "")
    extra = {"x-amz-decoded-content-length": "11", "content-encoding": "aws-chunked"}
    extra |= {"x-amz-trailer": "x-amz-checksum-crc32"} if with_trailer else {}
    headers, verified = signed("PUT", "/code/a", payload, extra)
    body = chunked(verified, b"hello ", b"world", trailer=trailer)

    assert ask(connection, "PUT", "/code/a", body, headers)[0] == 200
    status, content, answer = ask(connection, "GET", "/code/a")
    assert (status, content) == (200, b"hello world")
    assert "Content-Encoding" not in answer


def test_a_changed_chunk_is_refused(connection):
    headers, verified = signed(
        "PUT", "/code/a", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", {"x-amz-decoded-content-length": "5"}
    )
    body = chunked(verified, b"hello").replace(b"hello", b"HELLO")

    status, answer, _ = ask(connection, "PUT", "/code/a", body, headers)

    assert (status, b"SignatureDoesNotMatch" in answer) == (403, True)
    assert ask(connection, "GET", "/code/a")[0] == 404


@pytest.mark.parametrize(("crc", "status"), [(crc32(b"hello"), 200), (crc32(b"other"), 400), (b"%%", 400)])
def test_the_trailing_checksum_of_an_unsigned_stream_is_verified(connection, crc, status):
    headers = {
        "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "x-amz-trailer": "x-amz-checksum-crc32",
        "x-amz-decoded-content-length": "5",
        "content-encoding": "aws-chunked,gzip",
    }
    body = chunked(None, b"hello", trailer=b"x-amz-checksum-crc32:" + crc + b"\r\n")

    assert ask(connection, "PUT", "/code/a", body, headers)[0] == status
    assert ask(connection, "HEAD", "/code/a")[0] == (200 if status == 200 else 404)


def test_an_announced_trailer_must_come(connection):
    headers = {
        "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "x-amz-trailer": "x-amz-checksum-crc32",
    }

    status, answer, _ = ask(connection, "PUT", "/code/a", chunked(None, b"hello"), headers)

    assert (status, b"InvalidDigest" in answer) == (400, True)


@pytest.mark.parametrize(
    "body", [b"zz\r\nhello\r\n0\r\n\r\n", b"5\r\nhelloXX\r\n0\r\n\r\n", b"5\r\nhel", b"fffffff\r\n"]
)
def test_a_broken_chunked_body_is_refused(connection, body):
    headers = {"x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER"}

    status, answer, _ = ask(connection, "PUT", "/code/a", body, headers)

    assert status == 400
    assert b"IncompleteBody" in answer or b"EntityTooLarge" in answer


def test_a_signed_payload_hash_must_be_the_body_s(connection):
    headers, _ = signed("PUT", "/code/a", hashlib.sha256(b"other").hexdigest(), {})

    status, answer, _ = ask(connection, "PUT", "/code/a", b"hello", headers)

    assert (status, b"XAmzContentSHA256Mismatch" in answer) == (400, True)


def test_an_old_signature_is_refused(connection):
    headers, _ = signed("GET", "/code/a", "UNSIGNED-PAYLOAD", {}, NOW - datetime.timedelta(minutes=20))

    status, answer, _ = ask(connection, "GET", "/code/a", headers=headers)

    assert (status, b"RequestTimeTooSkewed" in answer) == (403, True)


@pytest.mark.parametrize("authorization", ["AWS local:abc", "Bearer x", "AWS4-HMAC-SHA256 Credential=a", ""])
def test_other_authorizations_are_refused_by_name(connection, authorization):
    status, answer, _ = ask(connection, "GET", "/code/a", headers={"Authorization": authorization})

    assert (status, b"Signature Version 4" in answer) == (400, True)


def test_a_presigned_url_works_until_it_expires_or_is_changed(store, s3):
    s3.put_object(Bucket="code", Key="a b", Body=b"hello")
    signer = client(store.url, signature_version="s3v4")
    url, expired = (
        signer.generate_presigned_url(
            "get_object", Params={"Bucket": "code", "Key": "a b"}, ExpiresIn=seconds
        )
        for seconds in (60, -1)
    )

    assert urllib.request.urlopen(url).read() == b"hello"
    for refused in (url.replace("/a%20b", "/b"), expired):
        with pytest.raises(HTTPError) as caught:
            urllib.request.urlopen(refused)
        assert caught.value.code in (400, 403)
        caught.value.close()
    signer.close()


def test_an_old_kind_of_presigned_url_is_refused_by_name(connection):
    status, answer, _ = ask(connection, "GET", "/code/a?AWSAccessKeyId=local&Signature=x&Expires=1")

    assert (status, b"signature_version='s3v4'" in answer) == (400, True)


@pytest.mark.parametrize("body", [b"<nonsense", b"<Other/>", b"<Delete/>", b"<Delete><Object/></Delete>"])
def test_malformed_documents_are_refused(connection, body):
    status, answer, _ = ask(connection, "POST", "/code?delete", body)

    assert (status, b"MalformedXML" in answer) == (400, True)


@pytest.mark.parametrize("query", ["max-keys=x", "list-type=2&continuation-token=%21", "max-keys=-1"])
def test_malformed_listing_arguments_are_refused(connection, query):
    status, answer, _ = ask(connection, "GET", f"/code?{query}")

    assert (status, b"InvalidArgument" in answer) == (400, True)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("crc32", "cbf43926", id="crc32"),
        pytest.param("crc32c", "e3069283", id="crc32c"),
        pytest.param("crc64nvme", "ae8b14860a799888", id="crc64nvme"),
    ],
)
def test_checksums_are_those_of_the_standards(name, expected):
    checksum = ALGORITHMS[name]()
    checksum.update(b"12345")
    checksum.update(b"6789")

    assert checksum.digest().hex() == expected
