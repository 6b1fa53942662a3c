"""Schemas over HTTP: listed, fetched, and used to convert data."""

import jsonschema

from automation.event_types import TYPES

BUILD = "/schemas/network.notifi.lambda.build.start"


async def test_every_listed_schema_is_served_where_the_list_says(client):
    listed = (await client.get("/schemas")).json()["types"]

    assert [each["type"] for each in listed] == list(TYPES)
    for path in [path for each in listed for path in each["schemas"].values()]:
        answer = await client.get(path)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/schema+json"
        assert answer.json()["$id"] == path
        jsonschema.Draft202012Validator.check_schema(answer.json())


async def test_an_unknown_type_or_version_is_not_found_with_what_there_is(client):
    nothing = await client.get("/schemas/build.begin/v1.0")
    version = await client.get(f"{BUILD}/v3.0")

    assert nothing.status_code == version.status_code == 404
    assert "GET /schemas lists all" in nothing.json()["error"]
    assert "v0, v1.0, v2.0" in version.json()["error"]


async def test_data_posted_to_a_version_comes_back_in_its_words(client):
    answer = await client.post(f"{BUILD}/v2.0?from=v1.0", json={"thirdPartyId": "acme", "parserId": "p"})

    assert answer.json() == {"organizationId": "acme", "parserId": "p", "priority": "normal"}


async def test_what_cannot_be_converted_is_refused_with_what_can(client):
    unnamed = await client.post(f"{BUILD}/v2.0", json={})
    malformed = await client.post(f"{BUILD}/v2.0?from=v1.0", content=b"{")
    listed = await client.post(f"{BUILD}/v2.0?from=v1.0", json=[])
    other = await client.post("/schemas/network.notifi.lambda.job.start/v1.0?from=v1.0", json={})

    assert [answer.status_code for answer in (unnamed, malformed, listed, other)] == [400, 400, 400, 404]
    assert "allowed: v0, v1.0, v2.0" in unnamed.json()["error"]


async def test_paths_of_schemas_are_one_label_in_metrics(client):
    await client.get(f"{BUILD}/v1.0")
    await client.get("/schemas/nothing/v9")

    metrics = (await client.get("/metrics")).text
    assert 'path="/schemas/{event_type}/{version}"' in metrics
    assert "v9" not in metrics
