"""Schemas and parser are of one mind: what is spelled as a schema spells it, both take or neither does."""

import functools
import re

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from automation import schemas
from automation.errors import InvalidEvent
from automation.event_fields import spellings
from automation.event_parser import SERVED, parse
from automation.event_types import TYPES

NOTICES = {name for name in SERVED if ".response." in name or ".parser." in name or ".invoke." in name}
"""What the service counts whatever its data holds."""

READ = [(name, version) for name in SERVED if name not in NOTICES for version in TYPES[name].versions]

NOT_READ = {
    "startedAt", "completedAt", "started_at", "completed_at", "duration", "phase", "logsUrl", "correlationId",
    "correlation_id", "type", "code", "retryable", "labels", "annotations", "region", "pullPolicy",
    "eventing",
}  # fmt: skip
"""What a schema describes and the service has no use for: it takes anything there."""

NOT_READ_OF_FAILURES = {"imageUri", "imageDigest", "digest"}

KEYS = {"s3_prefix", "s3Prefix", "key", "prefix"}
"""Fields whose length counts in bytes."""

BEYOND_SCHEMAS = (
    "contradicts",  # one value said twice, in two ways
    "is more than",  # one number above another: replicas, requests and limits
    "do not rise",  # the order of a list
    "is there twice",  # two objects of a list that share one field
    "too much",  # the size of many values together
)
"""Words of the problems that no JSON Schema can say, each by its reason; alone they prove no disagreement."""

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


def read_by_the_parser(field):
    """Return the schemas of an object's fields without those that the parser takes as they are."""
    return {name: each for name, each in properties(field).items() if name not in NOT_READ or "const" in each}


def right(field):
    """Return values as a schema wants them; those of objects are held to it, so that depth spoils nothing."""
    if field.get("type") == "object":
        return right_object(field).filter(Validator(field).is_valid)
    good = [right(each) for name in ("anyOf", "oneOf") for each in field.get(name, ())]
    good += [st.sampled_from(field["enum"])] if "enum" in field else []
    good += [st.just(field["const"])] if "const" in field else []
    good += [st.from_regex(ecma(field["pattern"]))] if "pattern" in field else []
    good += [st.sampled_from(field["examples"])] if "examples" in field else []
    if field.get("type") == "integer":
        good += [st.integers(field.get("minimum", -9), field.get("maximum", 9))]
    if field.get("type") == "array":
        good += [st.lists(right(field["items"]), max_size=3)]
    return st.one_of(good or [st.booleans() if field.get("type") == "boolean" else st.text()])


def right_object(field):
    """Return objects whose fields are right, each for itself."""
    if "oneOf" in field:
        return st.one_of([right(each) for each in field["oneOf"]])
    if "propertyNames" in field:
        return st.dictionaries(
            right(field["propertyNames"]), right(field["additionalProperties"]), max_size=2
        )
    inner = {name: right(each) for name, each in properties(field).items()}
    needed = {name: inner.pop(name) for name in field.get("required", ()) if name in inner}
    return st.fixed_dictionaries(needed, optional=inner)


def spoiled(whole, fields):
    """Return right objects in which one field may be wrong."""
    parts = [st.tuples(st.just(name), st.deferred(lambda each=each: value(each))) for name, each in fields]
    return st.builds(lambda all_, one: {**all_, one[0]: one[1]}, whole, st.one_of(parts)) if parts else whole


def value(field):
    """Return values of a field: good ones, nearly good ones and anything."""
    good = [right(field)]
    if field.get("type") == "integer":
        good += [st.sampled_from([field.get("minimum", -9) - 1, field.get("maximum", 9) + 1])]
    if field.get("type") == "object":
        fields = read_by_the_parser(field)
        inner = {name: st.deferred(lambda each=each: value(each)) for name, each in fields.items()}
        good += [spoiled(right(field), fields.items()), st.fixed_dictionaries({}, optional=inner)]
    good += [value(each) for name in ("anyOf", "oneOf") for each in field.get(name, ()) if "type" in each]
    if field.get("type") == "array":
        good += [st.lists(st.deferred(lambda: value(field["items"])), max_size=3)]
    return st.one_of([*good, *good, st.text(), st.booleans(), anything.filter(lambda each: each is not None)])


@functools.cache
def strategy(event_type, version):
    """Return data of a type in the spelling of its schema, more or less as it should be."""
    document = schemas.document(event_type, version)
    fields = properties(document)
    failed = event_type.endswith(("failed", "timeout"))
    unread = NOT_READ | NOT_READ_OF_FAILURES if failed else NOT_READ
    read = {name: value(field) for name, field in fields.items() if name not in unread}
    ids = [name for name in fields if snake(name) in ("third_party_id", "organization_id", "parser_id")]
    good = {name: st.sampled_from(["acme", "greeter"]) for name in ids}
    named = st.builds(
        lambda some, named: {**some, **named},
        st.fixed_dictionaries({}, optional=read),
        st.fixed_dictionaries(good),
    )
    whole = right({**document, "type": "object"})
    checked = [(name, field) for name, field in fields.items() if name in read]
    return st.fixed_dictionaries({}, optional=read) | named | whole | spoiled(whole, checked)


@st.composite
def data(draw, event_type, version):
    """Draw from `strategy`, under a name that is short: Hypothesis writes out what a strategy is made of."""
    return draw(strategy(event_type, version))


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
    return all(
        leaf is not None
        and not isinstance(leaf, float)
        and not (isinstance(leaf, str) and surrogate(leaf))
        and not (name in KEYS and isinstance(leaf, str) and len(leaf.encode()) > 1024)
        for name, leaf in leaves(content)
    )


def leaves(content, name=None):
    """Yield every value at the ends of a document, and what the nearest field around it is called."""
    inner = content.items() if isinstance(content, dict) else ()
    inner = [(name, each) for each in content] if isinstance(content, list) else inner
    if not isinstance(content, dict | list):
        yield name, content
    for called, each in inner:
        yield from leaves(each, called)


def surrogate(text):
    return any("\ud800" <= letter <= "\udfff" for letter in text)


@pytest.mark.parametrize(("event_type", "version"), READ)
@patient
@given(st.data())
def test_schema_and_parser_come_to_the_same_verdict(event_type, version, data_):
    content = data_.draw(data(event_type, version).filter(sayable))
    problems = refused(event_type, version, content)

    if problems and all(any(words in problem for words in BEYOND_SCHEMAS) for problem in problems):
        return
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
