"""Whatever is asked by the OpenAPI document, the service answers by it."""

import asyncio
import json
import threading

import pytest
import uvicorn
from hypothesis import HealthCheck, settings

from service import openapi
from tests.service.rest_world import BEARER, RestWorld

FAILED, DONE = "known-failed", "known-done"

schemathesis = pytest.importorskip(
    "schemathesis", reason="schemathesis is not installed: make lock, then make test"
)


class Service:
    """The application behind a real server, in a thread with an event loop of its own."""

    def __init__(self, folder):
        self.folder = folder
        self.url = ""
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    async def _serve(self):
        world = RestWorld(self.folder)
        started = await world.send(world.build_start(build_id=FAILED))
        world.logs.logs[started.fields["job_name"]] = b"one\ntwo\n"
        await world.send(world.build_failed(started))
        await world.send(world.build_complete(await world.send(world.build_start(build_id=DONE))))
        config = uvicorn.Config(world.app, port=0, log_config=None, lifespan="off", ws="none")
        self.server = uvicorn.Server(config)
        serving = asyncio.create_task(self.server.serve())
        while not self.server.started:
            await asyncio.sleep(0.01)
        self.url = f"http://127.0.0.1:{self.server.servers[0].sockets[0].getsockname()[1]}"
        self._ready.set()
        await serving
        await world.close()

    def __enter__(self):
        self._thread.start()
        assert self._ready.wait(30)
        return self

    def __exit__(self, *_):
        self.server.should_exit = True
        self._thread.join(30)


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with Service(tmp_path_factory.mktemp("rest")) as service:
        yield service


def with_known_ids():
    """Return the document, with ids of what there is among those that are tried."""
    document = json.loads(openapi.text())
    known = {"build_id": [FAILED, DONE], "third_party_id": ["tp1"], "parser_id": ["p1"]}
    known |= {"revision": [1]}
    known |= {"event_type": ["network.notifi.lambda.build.start"], "version": ["v1.0"]}
    for path in document["paths"].values():
        for parameter in path.get("parameters", ()):
            values = {"enum": known[parameter["name"]]}
            parameter["schema"] = {"anyOf": [values, parameter["schema"]]}
    return schemathesis.openapi.from_dict(document)


@with_known_ids().parametrize()
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_whatever_is_asked_the_answer_is_one_that_the_document_names(case, running):
    case.call_and_validate(
        base_url=running.url,
        headers=BEARER,
        timeout=20,
        checks=[
            schemathesis.checks.not_a_server_error,
            schemathesis.specs.openapi.checks.status_code_conformance,
            schemathesis.specs.openapi.checks.content_type_conformance,
            schemathesis.specs.openapi.checks.response_schema_conformance,
            schemathesis.specs.openapi.checks.ignored_auth,
        ],
    )
