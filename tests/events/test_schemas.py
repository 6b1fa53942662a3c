"""The schemas: one for every type and version, sound, standing alone, and in one mind with the code."""

import json

import jsonschema
import pytest

from automation import schemas
from automation.event_types import TYPES
from automation.languages import LANGUAGES, RUNTIMES
from automation.spec_configuration import RESERVED

ALL = [(name, version) for name, kind in TYPES.items() for version in kind.versions]
DEFINITIONS = json.loads((schemas.FOLDER / "definitions.json").read_text())["$defs"]


def references(node):
    """Return what the `$ref`s anywhere in a document refer to."""
    if isinstance(node, list):
        return {found for item in node for found in references(item)}
    if not isinstance(node, dict):
        return set()
    own = {node["$ref"]} if "$ref" in node else set()
    return own | {found for value in node.values() for found in references(value)}


def test_there_is_a_file_for_every_type_and_version_and_no_other():
    files = {
        (path.parent.name, path.stem) for path in schemas.FOLDER.glob("*/*.json") if path.parent.name in TYPES
    }
    folders = {path.name for path in schemas.FOLDER.iterdir() if path.is_dir()} - {"__pycache__"}

    assert files == set(ALL)
    assert folders == set(TYPES)


@pytest.mark.parametrize(("event_type", "version"), ALL)
def test_every_schema_is_sound_and_stands_alone(event_type, version):
    document = schemas.document(event_type, version)

    jsonschema.Draft202012Validator.check_schema(document)
    assert document["$id"] == f"/schemas/{event_type}/{version}"
    assert document["title"]
    assert references(document) == set()


def test_every_shared_definition_is_used():
    raw = [json.loads((schemas.FOLDER / name / f"{version}.json").read_text()) for name, version in ALL]
    used = {found.rpartition("/")[2] for found in references([*raw, DEFINITIONS])}

    assert used == set(DEFINITIONS)


@pytest.mark.parametrize("name", [name for name, each in DEFINITIONS.items() if "examples" in each])
def test_the_examples_of_a_definition_fit_it(name):
    validator = jsonschema.Draft202012Validator(DEFINITIONS[name])
    assert [example for example in DEFINITIONS[name]["examples"] if not validator.is_valid(example)] == []


def test_schemas_name_the_languages_and_runtimes_that_are_built():
    assert DEFINITIONS["language"]["enum"] == list(LANGUAGES)
    assert DEFINITIONS["runtime"]["enum"] == [each for runtimes in RUNTIMES.values() for each in runtimes]


def test_schemas_name_the_versions_that_specifications_may_ask_for():
    said = [each["enum"] for each in DEFINITIONS["functionRuntime"]["properties"]["version"]["anyOf"]]
    texts = [[version for version in enum if isinstance(version, str)] for enum in said]

    assert texts == [[*each.outdated, *each.versions, *each.runtimes] for each in LANGUAGES.values()]


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_the_platforms_own_variables_are_not_for_specifications(name):
    validator = jsonschema.Draft202012Validator(DEFINITIONS["variableName"])

    assert not validator.is_valid(name)
    assert validator.is_valid(f"{name}_OF_MINE")


def test_an_unknown_version_has_no_schema():
    with pytest.raises(KeyError):
        schemas.document("network.notifi.lambda.job.start", "v2.0")
