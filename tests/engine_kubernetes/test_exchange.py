"""What the client makes of the bytes that a server answers with, however they are cut up."""

import socket
import threading

import pytest

from engine.kubernetes.exchange import Answer, BrokenAnswer, exchange

REQUEST = b"GET /version HTTP/1.1\r\nHost: server\r\n\r\n"


def answered(*parts: bytes, close: bool = False) -> Answer:
    """Return the answer to a request when the server sends these parts one after the other."""
    ours, theirs = socket.socketpair()
    with ours, theirs:

        def serve() -> None:
            assert theirs.recv(1000) == REQUEST
            for part in parts:
                theirs.sendall(part)
            if close:
                theirs.shutdown(socket.SHUT_WR)

        server = threading.Thread(target=serve)
        server.start()
        try:
            return exchange(ours, REQUEST, 5.0)
        finally:
            server.join()


LENGTH = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nretry-after: 3\r\n\r\n{}"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"


@pytest.mark.parametrize("text", [LENGTH, CHUNKED], ids=["length", "chunked"])
def test_an_answer_may_come_byte_by_byte(text):
    whole = answered(text)

    assert whole == answered(*(text[index : index + 1] for index in range(len(text))))
    assert (whole.status, whole.data, whole.reusable) == (200, b"{}", True)


def test_names_of_headers_are_capitalised_as_everybody_writes_them():
    assert answered(LENGTH).headers == {"Content-Length": "2", "Retry-After": "3"}


def test_an_announcement_is_not_taken_for_the_answer():
    early = b"HTTP/1.1 103 Early Hints\r\nLink: nothing\r\n\r\n"

    assert answered(early + LENGTH) == answered(early, LENGTH) == answered(LENGTH)


def test_a_connection_that_the_server_closes_is_not_used_again():
    assert not answered(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}").reusable


def test_a_body_of_untold_length_ends_with_the_connection():
    answer = answered(b"HTTP/1.0 200 OK\r\n\r\n{", b"}", close=True)

    assert (answer.data, answer.reusable) == (b"{}", False)


@pytest.mark.parametrize("text", [b"", LENGTH[:-1], CHUNKED[:-1], LENGTH[:30]])
def test_an_answer_that_breaks_off_is_an_error(text):
    with pytest.raises(BrokenAnswer, match="closed before the answer was complete"):
        answered(text, close=True)


def test_what_is_no_http_is_an_error():
    with pytest.raises(BrokenAnswer, match="no HTTP"):
        answered(b"SSH-2.0-OpenSSH_9.6\r\n")


def test_a_server_that_says_nothing_is_waited_for_only_so_long():
    ours, theirs = socket.socketpair()
    with ours, theirs, pytest.raises(TimeoutError):
        exchange(ours, REQUEST, 0.01)
