"""What an environment declares in RabbitMQ, in a RabbitMQ."""

import asyncio

import aio_pika
import pytest

from components.manifests import topology
from tests.rabbitmq.conftest import ARGS, PASSWORD, eventually

pytestmark = pytest.mark.rabbitmq

EVENT = b'{"specversion":"1.0"}'
LIMITED_TO_TWO = {"pattern": ".*", "apply-to": "queues", "priority": 99, "definition": None}


@pytest.fixture
async def connect(rabbit, vhost):
    """Connects a user to the test's virtual host."""
    connections = []

    async def login(user, password=PASSWORD):
        url = f"amqp://{user}:{password}@127.0.0.1:{rabbit.amqp_port}/{vhost}"
        connections.append(await aio_pika.connect(url))
        return connections[-1]

    yield login
    for connection in connections:
        await connection.close()


async def publish(connection, exchange, key, body=EVENT):
    channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
    found = await channel.get_exchange(exchange, ensure=False)
    await found.publish(aio_pika.Message(body), key, mandatory=True, timeout=5)


async def taken(connection, queue, **how):
    """The next message of a queue, waited for."""
    channel = await connection.channel()
    found = await channel.get_queue(queue, ensure=False)
    async with asyncio.timeout(10):
        while (message := await found.get(fail=False, **how)) is None:
            await asyncio.sleep(0.05)
    return message


def test_queues_are_replicated_and_have_their_limits(rabbit, vhost):
    def effective(name):
        def described():
            queue = rabbit.call("GET", f"queues/{vhost}/{name}")
            return queue if "effective_policy_definition" in queue else None

        queue = eventually(described)
        return queue["type"], queue["durable"], queue["effective_policy_definition"]

    assert effective("lambda-dlq-queue-dev") == (
        "quorum",
        True,
        {
            "message-ttl": 604_800_000,
            "max-length": 50_000,
            "overflow": "reject-publish",
            "delivery-limit": 1_000_000,
        },
    )
    assert effective("lambda-events-dev") == (
        "quorum",
        True,
        {
            "dead-letter-exchange": "knative-lambda-dlx",
            "dead-letter-routing-key": "dlq",
            "dead-letter-strategy": "at-least-once",
            "overflow": "reject-publish",
            "delivery-limit": 20,
        },
    )


@pytest.mark.parametrize(
    "event_type",
    ["network.notifi.lambda.build.start", "io.knative.lambda.command.function.deploy"],
)
async def test_what_notifi_publishes_waits_for_the_broker(connect, event_type):
    await publish(await connect("notifi-publisher"), "cloud-events", event_type)

    message = await taken(await connect("guest", "guest"), "lambda-events-dev", no_ack=True)

    assert message.body == EVENT
    assert message.routing_key == event_type


async def test_other_peoples_events_on_the_same_exchange_are_not_ours(connect):
    with pytest.raises(aio_pika.exceptions.PublishError):
        await publish(await connect("notifi-publisher"), "cloud-events", "com.example.something")


async def test_an_event_that_the_source_rejects_becomes_a_dead_letter(connect):
    await publish(await connect("notifi-publisher"), "cloud-events", "network.notifi.lambda.build.start")
    reader = await connect("guest", "guest")

    await (await taken(reader, "lambda-events-dev")).reject(requeue=False)
    letter = await taken(reader, "lambda-dlq-queue-dev", no_ack=True)

    assert letter.body == EVENT
    assert letter.headers["x-death"][0]["queue"] == "lambda-events-dev"
    assert letter.headers["x-death"][0]["routing-keys"] == ["network.notifi.lambda.build.start"]


async def test_looking_at_a_dead_letter_often_does_not_lose_it(connect):
    await publish(await connect("guest", "guest"), "knative-lambda-dlq", "dlq.build.start")
    reader = await connect("knative-lambda-dead-letters")

    for _ in range(30):
        await (await taken(reader, "lambda-dlq-queue-dev")).nack(requeue=True)

    assert (await taken(reader, "lambda-dlq-queue-dev", no_ack=True)).body == EVENT


async def test_a_full_queue_refuses_further_dead_letters(rabbit, vhost, connect):
    limits = topology.topology(ARGS)["dead-letters-policy"]["spec"]["definition"]
    smaller = {**LIMITED_TO_TWO, "definition": {**limits, "max-length": 2}}
    rabbit.call("PUT", f"policies/{vhost}/smaller", smaller)
    writer = await connect("knative-lambda-dead-letters")

    async def many():
        for _ in range(20):  # a quorum queue looks at its length after the fact: a few more get in
            await publish(writer, "knative-lambda-dlq", "dlq.build.start")

    with pytest.raises(aio_pika.exceptions.DeliveryError):
        await many()


DENIED = [
    pytest.param("notifi-publisher", "knative-lambda-dlq", id="publisher-to-dead-letters"),
    pytest.param("notifi-publisher", "knative-lambda-dlx", id="publisher-to-fallback"),
    pytest.param("notifi-publisher", "amq.topic", id="publisher-to-another"),
    pytest.param("knative-lambda-dead-letters", "amq.topic", id="handler-to-another"),
]


@pytest.mark.parametrize(("user", "exchange"), DENIED)
async def test_nobody_publishes_where_they_have_no_business(connect, user, exchange):
    with pytest.raises(
        (aio_pika.exceptions.AMQPError, aio_pika.exceptions.ChannelInvalidStateError)
    ) as refused:
        await publish(await connect(user), exchange, "network.notifi.lambda.build.start")

    assert "ACCESS_REFUSED" in str(refused.value)


@pytest.mark.parametrize(
    ("user", "queue"),
    [("notifi-publisher", "lambda-events-dev"), ("knative-lambda-dead-letters", "lambda-events-dev")],
)
async def test_nobody_reads_what_is_not_theirs(connect, user, queue):
    with pytest.raises(aio_pika.exceptions.AMQPError, match="ACCESS_REFUSED"):
        await taken(await connect(user), queue)


async def test_nobody_declares_anything(connect):
    channel = await (await connect("knative-lambda-dead-letters")).channel()

    with pytest.raises(aio_pika.exceptions.AMQPError, match="ACCESS_REFUSED"):
        await channel.declare_queue("lambda-dlq-queue-mine", durable=True)
