"""The HTTP reader: what is a request, what is refused and how, whatever pieces the bytes come in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtimes.python.wrapper.http11 import BadRequest, Request, RequestReader, Response, encode

HEAD = b"POST / HTTP/1.1\r\nHost: f\r\n"
LIMIT = 1000


def read(*pieces: bytes) -> list[Request]:
    """Feed the pieces and return the requests."""
    reader = RequestReader(max_body_bytes=LIMIT)
    requests = []
    for piece in pieces:
        reader.receive(piece)
        while (request := reader.next_request()) is not None:
            requests.append(request)
    return requests


def test_a_request_is_method_path_headers_and_body() -> None:
    [request] = read(b"PUT /a/b?c=d HTTP/1.1\r\nHost: f\r\nX-A:  b c \t\r\nContent-Length: 2\r\n\r\nhi")

    assert request == Request(
        "PUT", "/a/b", {"host": "f", "x-a": "b c", "content-length": "2"}, b"hi", keep_alive=True
    )


def test_chunks_are_joined_and_trailers_left_out() -> None:
    [request] = read(
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA\r\n0123456789\r\n0\r\nX-T: 1\r\n\r\n"
    )

    assert request.body == b"abc0123456789"
    assert "x-t" not in request.headers


def test_requests_that_come_at_once_are_cut_apart() -> None:
    one = HEAD + b"Content-Length: 1\r\n\r\na"
    two = HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\nb\r\n0\r\n\r\n"

    assert [request.body for request in read(one + two + one)] == [b"a", b"b", b"a"]


def test_repeated_harmless_headers_are_joined() -> None:
    [request] = read(HEAD + b"Accept: a\r\nAccept: b\r\n\r\n")

    assert request.headers["accept"] == "a, b"


@pytest.mark.parametrize(
    ("version", "connection", "keep_alive"),
    [
        (b"1.1", b"", True),
        (b"1.1", b"Connection: Close\r\n", False),
        (b"1.1", b"Connection: upgrade, close\r\n", False),
        (b"1.0", b"", False),
        (b"1.0", b"Connection: keep-alive\r\n", True),
    ],
)
def test_keep_alive_follows_version_and_connection_header(
    version: bytes, connection: bytes, keep_alive: bool
) -> None:
    [request] = read(b"GET / HTTP/" + version + b"\r\nHost: f\r\n" + connection + b"\r\n")

    assert request.keep_alive is keep_alive


@pytest.mark.parametrize(
    ("data", "status"),
    [
        pytest.param(
            HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400, id="length and chunked"
        ),
        pytest.param(HEAD + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\n", 400, id="two lengths"),
        pytest.param(HEAD + b"Content-Length: 5, 5\r\n\r\n", 400, id="list of lengths"),
        pytest.param(HEAD + b"Content-Length: +5\r\n\r\n", 400, id="signed length"),
        pytest.param(HEAD + b"Content-Length: -5\r\n\r\n", 400, id="negative length"),
        pytest.param(HEAD + b"Content-Length: 0x5\r\n\r\n", 400, id="hexadecimal length"),
        pytest.param(HEAD + b"Content-Length: \r\n\r\n", 400, id="empty length"),
        pytest.param(HEAD + b"Content-Length: \xb2\r\n\r\n", 400, id="superscript length"),
        pytest.param(HEAD + b"Content-Length: 1001\r\n\r\n", 413, id="too long"),
        pytest.param(HEAD + b"Content-Length: 99999999999999999999999\r\n\r\n", 400, id="absurdly long"),
        pytest.param(HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n", 501, id="other coding"),
        pytest.param(
            HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n", 400, id="two codings"
        ),
        pytest.param(HEAD + b"Transfer-Encoding: xchunked\r\n\r\n", 501, id="nearly chunked"),
        pytest.param(HEAD + b"Transfer-Encoding : chunked\r\n\r\n", 400, id="space before colon"),
        pytest.param(HEAD + b"Transfer-Encoding:\x0bchunked\r\n\r\n", 400, id="vertical tab"),
        pytest.param(b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400, id="chunked in 1.0"),
        pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\n+5\r\nhello\r\n", 400, id="signed chunk"),
        pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n", 400, id="prefixed chunk"),
        pytest.param(
            HEAD + b"Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n", 400, id="chunk extension"
        ),
        pytest.param(
            HEAD + b"Transfer-Encoding: chunked\r\n\r\n5 \r\nhello\r\n", 400, id="space after chunk size"
        ),
        pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\n4\r\nhello\r\n", 400, id="chunk too long"),
        pytest.param(
            HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n" + b"0" * 20, 400, id="bare LF after size"
        ),
        pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"0" * 18, 400, id="endless chunk size"),
        pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\n3E9\r\n", 413, id="chunk over the limit"),
        pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\n", 413, id="huge chunk"),
        pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\nbad\r\n\r\n", 400, id="bad trailer"),
        pytest.param(
            HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + b"a: b\r\n" * 6000, 431, id="endless trailers"
        ),
        pytest.param(HEAD + b"Host: g\r\n\r\n", 400, id="two hosts"),
        pytest.param(HEAD + b"ce-id: 1\r\nCe-Id: 2\r\n\r\n", 400, id="two ids"),
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", 400, id="no host"),
        pytest.param(HEAD + b"A: b\r\n c\r\n\r\n", 400, id="folded header"),
        pytest.param(HEAD + b"A: b\nC: d\r\n\r\n", 400, id="bare LF in a header"),
        pytest.param(HEAD + b"A: b\rC: d\r\n\r\n", 400, id="bare CR in a header"),
        pytest.param(HEAD + b"A: b\x00\r\n\r\n", 400, id="NUL in a header"),
        pytest.param(HEAD + b": b\r\n\r\n", 400, id="header without a name"),
        pytest.param(HEAD + b"A\r\n\r\n", 400, id="header without a colon"),
        pytest.param(HEAD + b"A: b\r\n" * 101 + b"\r\n", 431, id="too many headers"),
        pytest.param(HEAD + b"A: " + b"b" * 33000, 431, id="endless head"),
        pytest.param(HEAD + b"A: " + b"b" * 33000 + b"\r\n\r\n", 431, id="head too large"),
        pytest.param(HEAD + b"Expect: miracles\r\n\r\n", 417, id="other expectation"),
        pytest.param(b"\r\n\r\n", 400, id="empty lines"),
        pytest.param(b"GET  / HTTP/1.1\r\nHost: f\r\n\r\n", 400, id="two spaces"),
        pytest.param(b"GET / HTTP/1.1 \r\nHost: f\r\n\r\n", 400, id="space at the end"),
        pytest.param(b"GET /\xff HTTP/1.1\r\nHost: f\r\n\r\n", 400, id="raw byte in the path"),
        pytest.param(b"GET http://f/ HTTP/1.1\r\nHost: f\r\n\r\n", 400, id="absolute form"),
        pytest.param(b"CONNECT f:80 HTTP/1.1\r\nHost: f\r\n\r\n", 400, id="authority form"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, id="HTTP/2 preface"),
        pytest.param(b"GET / HTTP/2.0\r\nHost: f\r\n\r\n", 505, id="HTTP/2"),
        pytest.param(b"GET /\r\n\r\n", 400, id="HTTP/0.9"),
    ],
)
def test_what_is_not_strictly_a_request_is_refused(data: bytes, status: int) -> None:
    with pytest.raises(BadRequest) as caught:
        read(data)

    assert caught.value.status == status


@pytest.mark.parametrize(
    "cut",
    [
        b"POST",
        HEAD,
        HEAD + b"Content-Length: 2\r\n\r\nh",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhe",
    ],
)
def test_a_part_of_a_request_is_waited_for(cut: bytes) -> None:
    assert read(cut) == []


def test_the_peer_is_told_once_to_go_on_when_it_asks() -> None:
    reader = RequestReader(max_body_bytes=LIMIT)
    reader.receive(HEAD + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n")

    assert reader.next_request() is None
    assert [reader.take_continue(), reader.take_continue()] == [True, False]


NAMES = st.from_regex(r"x-[a-z0-9]{1,10}", fullmatch=True)
VALUES = st.from_regex(r"[!-~]([ -~]{0,20}[!-~])?", fullmatch=True)
BODIES = st.binary(max_size=200)


def serialise(headers: dict[str, str], body: bytes, chunks: list[int] | None) -> bytes:
    head = HEAD + b"".join(f"{name}: {value}\r\n".encode() for name, value in headers.items())
    if chunks is None:
        return head + b"Content-Length: %d\r\n\r\n" % len(body) + body
    out, rest = head + b"Transfer-Encoding: chunked\r\n\r\n", body
    for size in chunks:
        if piece := rest[:size]:
            out += b"%x\r\n%b\r\n" % (len(piece), piece)
        rest = rest[size:]
    if rest:
        out += b"%x\r\n%b\r\n" % (len(rest), rest)
    return out + b"0\r\n\r\n"


REQUESTS = st.tuples(
    st.dictionaries(NAMES, VALUES, max_size=5), BODIES, st.none() | st.lists(st.integers(1, 60), max_size=5)
)


@given(st.lists(REQUESTS, min_size=1, max_size=4), st.lists(st.integers(1, 50), max_size=40))
def test_any_requests_in_any_pieces_come_out_as_they_went_in(requests, sizes) -> None:
    stream = b"".join(serialise(*request) for request in requests)
    pieces, position = [], 0
    for size in sizes:
        pieces.append(stream[position : position + size])
        position += size
    pieces.append(stream[position:])

    got = read(*pieces)

    assert [request.body for request in got] == [body for _, body, _ in requests]
    for request, (headers, _, _) in zip(got, requests, strict=True):
        assert {name: request.headers[name] for name in headers} == headers


LINES = [b"POST / HTTP/1.1\r\n", b"Host: f\r\n", b"Content-Length: 3\r\n", b"Expect: 100-continue\r\n"]
CHUNKS = [b"Transfer-Encoding: chunked\r\n", b"3\r\nabc\r\n", b"0\r\n\r\n", b"0", b"abc"]
ALPHABET = st.sampled_from([*LINES, *CHUNKS, b"\r\n", b"\n", b"\r", b": ", b"\x00", b"\xff"])


@given(st.lists(ALPHABET | st.binary(max_size=5), max_size=30))
def test_any_bytes_are_requests_or_refused_for_a_known_reason(pieces: list[bytes]) -> None:
    try:
        requests = read(*pieces)
    except BadRequest as error:
        requests, refusal = [], error.status
    else:
        refusal = None

    assert refusal in (None, 400, 413, 417, 431, 501, 505)
    assert sum(len(request.body) for request in requests) <= sum(map(len, pieces))


@given(st.lists(ALPHABET | st.binary(max_size=5), max_size=30))
def test_how_bytes_are_cut_never_changes_what_they_mean(pieces: list[bytes]) -> None:
    def outcome(*parts: bytes) -> object:
        try:
            return read(*parts)
        except BadRequest as error:
            return error.status

    stream = b"".join(pieces)
    whole = outcome(stream)

    assert outcome(*(stream[n : n + 1] for n in range(len(stream)))) == whole


def test_a_response_is_framed_by_its_length() -> None:
    framed = encode(Response(200, (("A", "b"),), b"hi"), keep_alive=True)

    assert framed == b"HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 2\r\n\r\nhi"


def test_a_response_to_head_has_the_length_and_no_body() -> None:
    assert encode(Response(200, (), b"hi"), keep_alive=False, head_only=True).endswith(
        b"Content-Length: 2\r\nConnection: close\r\n\r\n"
    )


def test_a_header_with_a_line_break_is_never_sent() -> None:
    with pytest.raises(ValueError, match="line break"):
        encode(Response(200, (("A", "b\r\nC: d"),)), keep_alive=True)
