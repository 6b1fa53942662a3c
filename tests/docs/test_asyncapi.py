"""The AsyncAPI document says what the table of types says, and is one."""

import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import jsonschema
import pytest
import yaml

from automation.event_types import TYPES
from service.asyncapi import document

FILE = Path(__file__).parents[2] / "docs" / "asyncapi.yaml"
SPECIFICATION = "@asyncapi/specs@6.11.1"
DOCUMENT = yaml.safe_load(FILE.read_text())


def test_the_file_is_what_make_asyncapi_writes():
    assert document(lambda name, version: f"../automation/schemas/{name}/{version}.json") == DOCUMENT


def test_every_type_is_a_message_whose_schema_is_there():
    messages = DOCUMENT["components"]["messages"].values()

    assert {message["name"] for message in messages} == set(TYPES)
    for message in messages:
        assert (FILE.parent / message["payload"]["schema"]["$ref"]).is_file()


def test_every_message_is_taken_or_told():
    operations = DOCUMENT["operations"].values()
    named = {each["$ref"].rpartition("/")[2] for operation in operations for each in operation["messages"]}

    assert named == set(DOCUMENT["components"]["messages"])


@pytest.fixture(scope="session")
def specification(tmp_path_factory):
    """The JSON Schema of AsyncAPI 3.0: the file that ASYNCAPI_SCHEMA names, else npm's."""
    if given := os.environ.get("ASYNCAPI_SCHEMA"):
        return json.loads(Path(given).read_text())
    if not shutil.which("npm"):
        pytest.skip(f"needs npm, or ASYNCAPI_SCHEMA with schemas/3.0.0.json of {SPECIFICATION}")
    folder = tmp_path_factory.mktemp("asyncapi")
    command = ["npm", "pack", "--silent", "--fetch-retries=0", "--fetch-timeout=20000", SPECIFICATION]
    try:
        packed = subprocess.run(command, cwd=folder, capture_output=True, timeout=30)
    except subprocess.TimeoutExpired:
        packed = None  # a network that swallows what is sent
    if packed is None or packed.returncode:
        pytest.skip(f"npm does not reach {SPECIFICATION}, and ASYNCAPI_SCHEMA names no copy")
    with tarfile.open(next(folder.glob("*.tgz"))) as archive:
        return json.load(archive.extractfile("package/schemas/3.0.0.json"))


def test_it_is_an_asyncapi_document(specification):
    validator = jsonschema.validators.validator_for(specification)(specification)

    assert [error.message for error in validator.iter_errors(DOCUMENT)] == []
    assert not validator.is_valid({**DOCUMENT, "operations": {"take": {"action": "eat"}}})
