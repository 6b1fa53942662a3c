"""Events that are accepted: paths, modes, ids, and the reply."""

import re
import uuid

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_binary_event

from automation.events import BuildStart, Reply

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.mark.parametrize("path", ["/", "/events", "/cloud-events", "/cloudevents", "/build"])
async def test_events_are_taken_at_every_path(client, automation, binary, path):
    response = await client.post(path, **binary())

    assert response.status_code == 200
    assert isinstance(automation.events[0], BuildStart)


async def test_the_reply_says_what_was_done(client, binary):
    response = await client.post("/", **binary())

    body = response.json()
    timestamp = body.pop("timestamp")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+\+00:00", timestamp)
    assert body == {
        "status": "started",
        "message": "the build was started",
        "event_id": "event-1",
        "correlation_id": response.headers["x-correlation-id"],
        "job_name": "kaniko-build-x",
    }


@pytest.mark.parametrize("mode", ["binary", "structured"])
async def test_the_reply_is_a_valid_cloudevent(client, request, mode):
    event = request.getfixturevalue(mode)(subject="greeter") if mode == "structured" else None
    event = event or request.getfixturevalue(mode)(ce_subject="greeter", traceparent=TRACE)
    response = await client.post("/", **event)

    reply = from_binary_event(HTTPMessage(dict(response.headers), response.content))
    assert reply.get_type() == "network.notifi.lambda.build.start.reply"
    assert reply.get_source() == "io.knative.lambda/builder/knative-lambda-local"
    assert reply.get_subject() == "greeter"
    assert reply.get_extension("causationid") == "event-1"
    assert reply.get_extension("correlationid") == response.headers["x-correlation-id"]
    assert reply.get_extension("traceparent") == (TRACE if mode == "binary" else None)
    assert reply.get_data() == response.json()


async def test_repeated_events_get_replies_of_one_id_and_others_do_not(client, binary):
    first, again, other = [
        (await client.post("/", **binary(ce_id=event_id))).headers["ce-id"] for event_id in ("a", "a", "b")
    ]

    assert first == again != other


@pytest.mark.parametrize("mode", ["binary", "structured"])
@pytest.mark.parametrize(("sent", "meant"), [("true", True), ("false", False)])
async def test_a_dry_run_is_asked_for_by_an_extension(client, automation, request, mode, sent, meant):
    message = request.getfixturevalue(mode)
    await client.post("/", **(message(ce_dryrun=sent) if mode == "binary" else message(dryrun=meant)))

    assert automation.events[0].meta.dry_run is meant


async def test_a_plan_is_a_plan_event_whose_id_follows_what_is_planned(client, automation, binary):
    def planned(plan_id):
        return Reply(status="planned", message="", fields={"plan_id": plan_id}, kind="plan")

    ids = []
    for plan_id in ("plan-1", "plan-2", "plan-1"):
        automation.reply = planned(plan_id)
        response = await client.post("/", **binary(ce_dryrun="true"))
        ids.append(response.headers["ce-id"])

    assert response.headers["ce-type"] == "network.notifi.lambda.build.start.plan"
    assert ids[0] == ids[2] != ids[1]


async def test_the_id_of_an_approved_plan_is_handed_on(client, automation, binary):
    plan_id = "plan-" + "0f" * 16
    await client.post("/", **binary(ce_planid=plan_id))

    assert automation.events[0].meta.plan_id == plan_id


async def test_reply_fields_cannot_replace_the_envelope(client, automation, binary):
    automation.reply = Reply(
        status="deleted", message="gone", fields={"status": "x", "event_id": "y", "url": "u"}
    )
    body = (await client.post("/", **binary())).json()

    assert (body["status"], body["event_id"], body["url"]) == ("deleted", "event-1", "u")


async def test_odd_event_ids_survive_the_reply(client, binary):
    response = await client.post("/", **binary(ce_id="%C3%A4%20%22%0d%0ax".replace("%0d%0a", "")))

    reply = from_binary_event(HTTPMessage(dict(response.headers), response.content))
    assert reply.get_extension("causationid") == response.json()["event_id"] == 'ä "x'


@pytest.mark.parametrize(
    "data",
    [{"third_party_id": "a", "parser_id": "b"}, {"thirdPartyId": "a", "parserId": "b", "eventSequence": 2}],
)
async def test_both_modes_mean_the_same(client, automation, binary, structured, data):
    attributes = {"subject": "b", "time": "2026-01-31T12:00:00.123456789Z", "dataschema": None}
    headers = {f"ce_{name}": value for name, value in attributes.items()}
    await client.post("/", **binary(data=data, x_correlation_id="c", **headers))
    event = structured(data=data, **attributes)
    event["headers"]["x-correlation-id"] = "c"
    await client.post("/", **event)

    first, second = automation.events
    assert first == second
    assert first.meta.time.microsecond == 123456


async def test_base64_data_of_a_structured_event_is_json_too(client, automation, structured):
    event = structured(data=None, data_base64="eyJ0aGlyZF9wYXJ0eV9pZCI6ImEiLCJwYXJzZXJfaWQiOiJiIn0=")
    response = await client.post("/", **event)

    assert response.status_code == 200
    assert str(automation.events[0].function) == "a/b"


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/json; charset=utf-8",
        'Application/JSON;charset="UTF-8"',
        "application/vnd.acme+json",
        "text/json",
    ],
)
async def test_every_json_content_type_is_taken(client, binary, content_type):
    assert (await client.post("/", **binary(content_type=content_type))).status_code == 200


@pytest.mark.parametrize(
    "content_type", ["application/cloudevents+json; charset=utf-8", "Application/CloudEvents+JSON"]
)
async def test_structured_content_types_are_taken(client, structured, content_type):
    event = structured()
    event["headers"]["content-type"] = content_type
    assert (await client.post("/", **event)).status_code == 200


async def test_headers_of_a_structured_event_do_not_matter(client, automation, structured):
    event = structured()
    event["headers"].update({"ce-type": "other", "ce-id": "other"})
    await client.post("/", **event)

    assert automation.events[0].meta.id == "event-1"


async def test_a_correlation_id_is_echoed(client, automation, binary):
    response = await client.post("/", **binary(x_correlation_id="abc-123"))

    assert response.headers["x-correlation-id"] == response.json()["correlation_id"] == "abc-123"
    assert automation.events[0].meta.correlation_id == "abc-123"


@pytest.mark.parametrize("sent", [None, "", "a b", "a" * 129, "tab\there", b"\xe4"])
async def test_a_missing_or_unfit_correlation_id_is_replaced_by_a_new_one(client, binary, sent):
    responses = [await client.post("/", **binary(x_correlation_id=sent)) for _ in range(2)]

    first, second = [response.headers["x-correlation-id"] for response in responses]
    assert uuid.UUID(first) != uuid.UUID(second)


async def test_the_events_own_correlation_id_is_taken_when_the_header_has_none(client, binary, structured):
    extension = await client.post("/", **binary(ce_correlationid="from-event"))
    inside = await client.post("/", **structured(correlationid="from-body"))
    both = await client.post("/", **binary(ce_correlationid="from-event", x_correlation_id="from-header"))

    assert extension.headers["x-correlation-id"] == "from-event"
    assert inside.headers["x-correlation-id"] == inside.json()["correlation_id"] == "from-body"
    assert both.headers["x-correlation-id"] == "from-header"


async def test_a_valid_traceparent_gives_a_trace_id(client, automation, binary, structured):
    header = await client.post("/", **binary(traceparent=TRACE))
    extension = await client.post("/", **structured(traceparent=TRACE))

    for response in (header, extension):
        assert response.headers["x-trace-id"] == response.json()["trace_id"] == TRACE_ID
    assert [event.meta.traceparent for event in automation.events] == [TRACE, TRACE]


@pytest.mark.parametrize(
    "sent", [None, "", "x", TRACE.upper(), TRACE[:-1], "ff" + TRACE[2:], f"00-{'0' * 32}-00f067aa0ba902b7-01"]
)
async def test_an_invalid_traceparent_counts_as_none(client, automation, binary, sent):
    response = await client.post("/", **binary(traceparent=sent))

    assert "x-trace-id" not in response.headers
    assert "trace_id" not in response.json()
    assert automation.events[0].meta.traceparent is None


async def test_every_response_has_the_security_headers(client, binary):
    for response in (
        await client.post("/", **binary()),
        await client.get("/nowhere"),
        await client.get("/health"),
    ):
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["x-frame-options"] == "DENY"
        assert response.headers["content-security-policy"] == "default-src 'self'"
        assert response.headers["strict-transport-security"].startswith("max-age=31536000")
        assert "access-control-allow-origin" not in response.headers
