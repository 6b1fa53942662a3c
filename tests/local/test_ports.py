import socket

from local.ports import free_port, or_any


def test_a_free_port_is_taken_as_it_is_wanted():
    port = free_port(0)
    assert free_port(port) == or_any(port) == port


def test_a_port_in_use_is_left_to_its_owner():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert or_any(port) == 0
        assert free_port(port) not in (0, port)
