"""Reading pods' logs through the API."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from local_apiserver.client import Api


@pytest.fixture
def logged(running) -> Iterator[list[tuple[str, str, str, bool]]]:
    """A node that has the same log for every container; it notes what it was asked for."""
    asked: list[tuple[str, str, str, bool]] = []

    async def logs(namespace: str, pod: str, container: str, follow: bool) -> AsyncIterator[bytes]:
        asked.append((namespace, pod, container, follow))
        yield b"one\ntw"
        await asyncio.sleep(0)
        yield b"o\nthree\n"

    running.server.logs = logs
    yield asked
    running.server.logs = None


def _pod(api: Api, *containers: str, phase: str = "Running", **annotations: str) -> None:
    spec = {"containers": [{"name": name, "image": "x:1"} for name in containers]}
    body = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "annotations": annotations},
        "spec": spec,
    }
    assert api.post("pods", body).status == 201
    statuses = [{"name": name, "state": {"running": {}}} for name in containers] if phase == "Running" else []
    api.patch("pods/p/status", {"status": {"phase": phase, "containerStatuses": statuses}})


def test_a_log_is_plain_text(local_api: Api, logged):
    _pod(local_api, "main")

    answer = local_api.get("pods/p/log")

    assert answer.body == "one\ntwo\nthree\n"
    assert answer.headers["Content-Type"] == "text/plain"
    assert logged == [(local_api.namespace, "p", "main", False)]


def test_the_last_lines_can_be_asked_for(local_api: Api, logged):
    _pod(local_api, "main")

    assert local_api.get("pods/p/log", tailLines="2").body == "two\nthree\n"
    assert local_api.get("pods/p/log", tailLines="0").body == ""


def test_the_size_can_be_limited(local_api: Api, logged):
    _pod(local_api, "main")

    assert local_api.get("pods/p/log", limitBytes="5").body == "one\nt"


def test_lines_can_carry_the_time(local_api: Api, logged):
    _pod(local_api, "main")

    lines = local_api.get("pods/p/log", timestamps="true").body.splitlines()

    assert [line.split(" ")[1] for line in lines] == ["one", "two", "three"]
    assert all(line[4] == "-" and "T" in line for line in lines)


def test_following_is_passed_to_the_node(local_api: Api, logged):
    _pod(local_api, "main")

    assert local_api.get("pods/p/log", follow="true").body == "one\ntwo\nthree\n"
    assert logged[0][3] is True


def test_of_several_containers_one_must_be_named(local_api: Api, logged):
    _pod(local_api, "main", "side")

    answer = local_api.get("pods/p/log")
    assert answer.status == 400
    assert (
        answer.body["message"] == "a container name must be specified for pod p, choose one of: [main side]"
    )
    assert local_api.get("pods/p/log", container="side").status == 200
    assert logged[-1][2] == "side"
    assert (
        local_api.get("pods/p/log", container="nope").body["message"]
        == "container nope is not valid for pod p"
    )


def test_a_default_container_can_be_annotated(local_api: Api, logged):
    _pod(local_api, "main", "side", **{"kubectl.kubernetes.io/default-container": "side"})

    local_api.get("pods/p/log")

    assert logged[-1][2] == "side"


def test_a_container_that_has_not_started_has_no_log(local_api: Api, logged):
    _pod(local_api, "main", phase="Pending")

    answer = local_api.get("pods/p/log")

    assert answer.status == 400
    assert answer.body["message"] == 'container "main" in pod "p" is waiting to start: ContainerCreating'


def test_a_log_of_a_pod_that_is_not_there_is_a_404(local_api: Api, logged):
    assert local_api.get("pods/nope/log").status == 404


def test_without_a_node_there_are_no_logs(local_api: Api):
    _pod(local_api, "main")

    assert local_api.get("pods/p/log").status == 501
