"""The service's refusals in a real RabbitMQ, where a dispatcher would drop what is answered with 400."""

import httpx
import pytest

from service.app import AppSettings, create_app
from service.rate_limits import Rate
from tests.rabbitmq.conftest import ARGS

pytestmark = pytest.mark.rabbitmq

EVENT = {
    "ce-id": "e-1",
    "ce-source": "network.notifi.acme",
    "ce-specversion": "1.0",
    "ce-type": "network.notifi.lambda.build.start",
    "content-type": "application/json",
}


@pytest.fixture
def deliver():
    """Posts an event to the service as a dispatcher does; these events never get as far as automation."""

    async def post(sink):
        settings = AppSettings(
            source="io.knative.lambda/builder/test",
            max_body_bytes=4096,
            body_timeout_seconds=5,
            request_timeout_seconds=5,
            api_tokens_file=None,
            build_rate=Rate(0, 1),
            third_party_build_rate=Rate(0, 1),
            read_rate=Rate(0, 1),
            refused_events_url=str(sink.client.base_url),
            shutdown_grace_seconds=1,
        )
        transport = httpx.ASGITransport(app=create_app(None, settings))
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            return await client.post("/", headers=EVENT, content=b'{"third_party_id": "acme"}')

    return post


async def test_a_refused_event_waits_with_what_the_service_said(start, deliver):
    sink = start()

    assert (await deliver(sink)).status_code == 400

    (letter,) = sink.ask("GET", "/api/dlq/letters").json()["letters"]
    assert (letter["event_id"], letter["reason"], letter["category"]) == ("e-1", "rejected", "permanent")
    shown = sink.ask("GET", f"/api/dlq/letters/{letter['id']}").json()
    assert shown["data"] == '{"third_party_id": "acme"}'
    assert "parser_id" in shown["error_data"]
    assert sink.ask("POST", "/dlq/process").json()["replayed"] == 0


async def test_a_refused_event_that_cannot_be_kept_is_delivered_again(start, deliver, rabbit, vhost):
    sink = start(PATIENCE_SECONDS="0")
    bindings = f"bindings/{vhost}/e/knative-lambda-dlq/q/{ARGS.dead_letter_queue}"
    (bound,) = rabbit.call("GET", bindings)
    rabbit.call("DELETE", f"{bindings}/{bound['properties_key'].replace('#', '%23')}")

    assert (await deliver(sink)).status_code == 503

    rabbit.call("POST", bindings, {"routing_key": "dlq.#"})
    assert (await deliver(sink)).status_code == 400
    assert len(sink.ask("GET", "/api/dlq/letters").json()["letters"]) == 1
