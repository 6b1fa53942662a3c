"""Schemas and parser are of one mind: what is spelled as a schema spells it, both take or neither does."""

import functools
import re

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from automation import schemas
from automation.errors import InvalidEvent
from automation.event_fields import is_printable, spellings
from automation.event_parser import SERVED, parse
from automation.event_types import TYPES

NOTICES = {name for name in SERVED if ".response." in name or ".parser." in name or ".invoke." in name}
"""What the service counts whatever its data holds."""

READ = [(name, version) for name in SERVED if name not in NOTICES for version in TYPES[name].versions]

NOT_READ = {
    "startedAt", "completedAt", "started_at", "completed_at", "duration", "phase", "logsUrl", "correlationId",
    "correlation_id", "type", "code", "retryable",
}  # fmt: skip
"""What a schema describes and the service has no use for: it takes anything there."""

NOT_READ_OF_FAILURES = {"imageUri", "imageDigest", "digest"}

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=4,
)
patient = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)


def ecma_pattern(validator, pattern, instance, schema):
    """Check a pattern as ECMA 262 reads it: `$` is the end of the text, not what is before a last newline."""
    found = validator.is_type(instance, "string") and not ecma(pattern).search(instance)
    return [jsonschema.ValidationError(f"{instance!r} does not match {pattern!r}")] if found else []


@functools.cache
def ecma(pattern):
    return re.compile(pattern.replace("$", r"\Z"))


Validator = jsonschema.validators.extend(jsonschema.Draft202012Validator, {"pattern": ecma_pattern})


def properties(schema):
    """Return the schemas of all top-level fields that a document describes."""
    found = dict(schema.get("properties", {}))
    for part in schema.get("allOf", ()):
        for name, own in properties(part).items():
            found.setdefault(name, own)
    return found


def value(field):
    """Return values of a field: good ones, nearly good ones and anything."""
    good = [st.sampled_from(field["enum"])] if "enum" in field else []
    good += [st.just(field["const"])] if "const" in field else []
    good += [st.from_regex(ecma(field["pattern"]))] if "pattern" in field else []
    good += [st.sampled_from(field["examples"])] if "examples" in field else []
    good += [value(each) for each in field.get("anyOf", ())]
    if field.get("type") == "integer":
        low, high = field.get("minimum", -9), field.get("maximum", 9)
        good += [st.integers(low, high), st.sampled_from([low - 1, high + 1])]
    if field.get("type") == "object":
        inner = {
            name: value(each) for name, each in field.get("properties", {}).items() if name not in NOT_READ
        }
        good += [st.fixed_dictionaries({}, optional=inner)]
    return st.one_of([*good, *good, st.text(), st.booleans(), anything.filter(lambda each: each is not None)])


@functools.cache
def data(event_type, version):
    """Return data of a type in the spelling of its schema, more or less as it should be."""
    fields = properties(schemas.document(event_type, version))
    failed = event_type.endswith(("failed", "timeout"))
    unread = NOT_READ | NOT_READ_OF_FAILURES if failed else NOT_READ
    read = {name: value(field) for name, field in fields.items() if name not in unread}
    ids = [name for name in fields if snake(name) in ("third_party_id", "organization_id", "parser_id")]
    good = {name: st.sampled_from(["acme", "greeter"]) for name in ids}
    return st.fixed_dictionaries({}, optional=read) | st.builds(
        lambda some, named: {**some, **named},
        st.fixed_dictionaries({}, optional=read),
        st.fixed_dictionaries(good),
    )


def snake(name):
    return re.sub("[A-Z]", lambda letter: f"_{letter[0].lower()}", name)


def refused(event_type, version, content):
    """Return the parser's problems with data that comes in an envelope which names a function."""
    envelope = {"id": "1", "source": "network.notifi.acme", "type": event_type, "subject": "acme/greeter"}
    if TYPES[event_type].versions[0] != version:
        envelope["dataschema"] = f"http://x/{version}"
    try:
        parse(envelope, content, correlation_id="c", traceparent=None)
    except InvalidEvent as error:
        return error.details
    return ()


def sayable(content):
    """Say whether nothing is in the data that a JSON Schema has no words for (decision 0072)."""
    texts = [text for text in content.values() if isinstance(text, str)]
    keys = [content.get(name) for name in ("s3_prefix", "s3Prefix")]
    return (
        all(is_printable(text) or not surrogate(text) for text in texts)
        and all(not isinstance(key, str) or len(key.encode("utf-8", "replace")) <= 1024 for key in keys)
        and not any(isinstance(number, float) for number in content.values())
    )


def surrogate(text):
    return any("\ud800" <= letter <= "\udfff" for letter in text)


@pytest.mark.parametrize(("event_type", "version"), READ)
@patient
@given(st.data())
def test_schema_and_parser_come_to_the_same_verdict(event_type, version, data_):
    content = data_.draw(data(event_type, version).filter(sayable))
    problems = refused(event_type, version, content)
    contradictions = [problem for problem in problems if "contradicts" in problem]

    if problems and len(contradictions) == len(problems):
        return  # a digest twice: no schema can say it
    wrong = [error.message for error in Validator(schemas.document(event_type, version)).iter_errors(content)]
    assert bool(problems) == bool(wrong), (problems, wrong)


@pytest.mark.parametrize(("event_type", "version"), READ)
@patient
@given(st.data())
def test_the_verdict_does_not_depend_on_the_spelling_nor_on_what_is_null(event_type, version, data_):
    content = data_.draw(data(event_type, version))
    snakes = {snake(name): item for name, item in content.items()}
    camels = {spellings(name)[-1]: item for name, item in snakes.items()}
    absent = {name: None for name in properties(schemas.document(event_type, version)) if name not in content}

    verdict = bool(refused(event_type, version, content))
    for spelled in (snakes, camels, {**content, **absent}):
        assert bool(refused(event_type, version, spelled)) == verdict
