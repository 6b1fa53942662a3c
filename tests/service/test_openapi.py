"""The OpenAPI document names every route and nothing else, and is the same wherever it is read."""

import json
from pathlib import Path

from service import openapi

DOCUMENT = Path(__file__).parent.parent.parent / "docs" / "openapi.json"


def test_the_document_names_every_route_and_nothing_else(app):
    routes = {
        (route.path, method.lower())
        for route in app.routes
        for method in route.methods or ("GET",)
        if method != "HEAD"
    }
    paths = json.loads(openapi.text())["paths"]

    assert {(path, name) for path, item in paths.items() for name in item if name != "parameters"} == routes


async def test_the_document_in_docs_is_the_one_that_is_served(client):
    assert DOCUMENT.read_bytes() == openapi.text(), "run `python -m service.openapi > docs/openapi.json`"
    assert (await client.get("/openapi.json")).content == openapi.text()


def test_every_operation_has_a_name_of_its_own():
    names = [
        operation["operationId"]
        for item in json.loads(openapi.text())["paths"].values()
        for name, operation in item.items()
        if name != "parameters"
    ]

    assert len(names) == len(set(names))
