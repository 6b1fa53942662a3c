"""What the Broker brings and the service refuses for good is a dead letter before it is answered."""

import base64
import http.server
import json
import threading

import pytest

from automation.errors import DependencyUnavailable, PlanOutdated
from service.app import create_app

MALFORMED = {"third_party_id": "acme"}


@pytest.fixture
def sink():
    """A dead letter sink that notes what it gets and answers `status`."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            self.server.letters.append(({k.lower(): v for k, v in self.headers.items()}, body))
            self.send_response(self.server.status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.letters, server.status = [], 202
    server.url = f"http://127.0.0.1:{server.server_port}/"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
async def client(automation, app_settings, open_client, sink):
    app = create_app(automation, app_settings(refused_events_url=sink.url))
    async with open_client(app) as client:
        yield client


async def test_a_malformed_event_is_kept_with_the_reason_before_it_is_answered(client, binary, sink):
    answer = await client.post("/", **binary(data=MALFORMED, ce_subject="caf%C3%A9"))

    assert answer.status_code == 400
    ((headers, body),) = sink.letters
    assert (headers["ce-id"], headers["ce-subject"]) == ("event-1", "caf%C3%A9")
    assert json.loads(body) == MALFORMED
    assert headers["ce-knativeerrorcode"] == "400"
    assert "parser_id" in base64.b64decode(headers["ce-knativeerrordata"]).decode()


async def test_a_structured_event_carries_the_reason_inside(client, structured, sink):
    assert (await client.post("/", **structured(data=MALFORMED))).status_code == 400

    ((_, body),) = sink.letters
    assert json.loads(body)["knativeerrorcode"] == "400"
    assert json.loads(body)["data"] == MALFORMED


async def test_what_the_work_itself_refuses_is_kept_too(client, automation, binary, sink):
    automation.reply = PlanOutdated("the world has moved on")

    assert (await client.post("/", **binary())).status_code == 412
    assert sink.letters[0][0]["ce-knativeerrorcode"] == "412"


async def test_a_sink_that_does_not_take_it_has_the_broker_deliver_again(
    client, binary, sink, refusal_problems
):
    sink.status = 503

    assert refusal_problems(await client.post("/", **binary(data=MALFORMED)), 503) == []


async def test_a_sink_out_of_reach_has_the_broker_deliver_again(
    automation, app_settings, open_client, binary
):
    app = create_app(automation, app_settings(refused_events_url="http://127.0.0.1:1/"))
    async with open_client(app) as client:
        assert (await client.post("/", **binary(data=MALFORMED))).status_code == 503


async def test_what_is_tried_again_is_left_to_the_broker(client, automation, binary, sink):
    automation.reply = DependencyUnavailable("storage is away")

    assert (await client.post("/", **binary())).status_code == 503
    assert sink.letters == []


@pytest.mark.parametrize("path", ["/events", "/build"])
async def test_senders_from_outside_see_their_answer_and_nothing_is_kept(client, binary, sink, path):
    assert (await client.post(path, **binary(data=MALFORMED))).status_code == 400
    assert sink.letters == []


async def test_what_is_no_event_is_not_kept(client, sink):
    assert (await client.post("/", content=b"{}")).status_code == 400
    assert sink.letters == []
