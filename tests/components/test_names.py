"""Names: valid, stable, never shared."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from components import naming

LABEL = re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?")
IMAGE = re.compile(r"registry\.test:5000/knative-lambdas:[\w][\w.-]{0,127}")
IDS = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?", fullmatch=True)
CLOSE = st.text("aA1-._", min_size=1, max_size=4)
HASH = "ab" * 32


@pytest.mark.parametrize(
    ("third_party", "parser", "name"),
    [
        pytest.param("demo", "hello", "lambda-demo-hello", id="plain"),
        pytest.param("demo", "hello-world", "lambda-demo-hello-world", id="hyphen-in-parser"),
        pytest.param("Demo", "hello", "lambda-demo-hello-e9b02f8b", id="lower-cased"),
        pytest.param("a-b", "c", "lambda-a-b-c-1d413c91", id="hyphen-in-third-party"),
        pytest.param("a", "b_c", "lambda-a-b-c-093255e8", id="cleaned"),
        pytest.param(
            "0307ea43639b4616b044d190310a26bd",
            "0197ad6c10b973b2b854a0e652155b7e",
            "lambda-0307ea43639b4616-0197ad6c10b973b-b6718cd8",
            id="usual-ids-are-too-long",
        ),
    ],
)
def test_a_function_is_named_after_its_ids(third_party, parser, name):
    assert naming.function_name(third_party, parser) == name
    assert naming.stack_name(third_party, parser) == "fn-" + name.removeprefix("lambda-")


@given(st.text(), st.text())
def test_any_ids_give_valid_names(third_party, parser):
    function = naming.function_name(third_party, parser)
    job = naming.job_name(third_party, parser, "build-1")

    assert LABEL.fullmatch(function)
    assert len(function) <= 50
    assert LABEL.fullmatch(job)
    assert len(job) <= 63
    assert IMAGE.fullmatch(
        naming.image_uri("registry.test:5000", "knative-lambdas", third_party, parser, HASH)
    )
    assert re.fullmatch(r"[A-Za-z0-9_.-]{1,100}", naming.stack_name(third_party, parser))


@given(st.tuples(IDS | CLOSE, IDS | CLOSE), st.tuples(IDS | CLOSE, IDS | CLOSE))
@example(("a", "b-c"), ("a-b", "c"))
@example(("a", "b"), ("A", "b"))
@example(("a", "b.c"), ("a", "b-c"))
@example(("x" * 40, "y"), ("x" * 41, "y"))
def test_two_functions_never_share_a_name(one, other):
    for name in (naming.function_name, naming.stack_name, naming.job_name):
        assert (name(*one) == name(*other)) == (one == other)


def test_a_name_that_looks_hashed_is_hashed_itself():
    hashed = naming.function_name("Demo", "hello")
    third_party, parser = "demo", hashed.removeprefix("lambda-demo-")

    assert naming.function_name(third_party, parser) != hashed


@given(IDS, IDS, IDS, IDS)
def test_each_build_has_a_job_of_its_own(third_party, parser, one, other):
    first, second = (naming.job_name(third_party, parser, build) for build in (one, other))

    assert (first == second) == (one == other)


@given(st.lists(st.text(max_size=4), max_size=4), st.lists(st.text(max_size=4), max_size=4))
@example(["ab"], ["a", "b"])
def test_a_digest_tells_the_borders_of_its_parts(one, other):
    assert (naming.digest(*one) == naming.digest(*other)) == (one == other)


def test_the_names_of_an_environment():
    assert naming.namespace("dev") == "knative-lambda-dev"
    assert naming.broker_name("dev") == "knative-lambda-broker-dev"
    assert naming.source_bucket("dev") == "knative-lambda-dev-fusion-modules-tmp"
    assert naming.context_bucket("dev") == "knative-lambda-dev-context-tmp"


def test_the_places_of_a_parser():
    assert naming.source_prefix("p1") == "global/parser/p1/"
    assert naming.context_key("t1", "p1", HASH) == f"build-context/p1/t1/{HASH}/context.tar.gz"
    assert naming.context_key("t1", "p1", HASH).startswith(naming.context_folder("t1", "p1"))


@pytest.mark.parametrize(
    ("event_type", "name"),
    [
        pytest.param("network.notifi.lambda.build.start", "knative-lambda-builder-build-start", id="legacy"),
        pytest.param(
            "io.knative.lambda.lifecycle.build.completed",
            "knative-lambda-builder-lifecycle-build-completed",
            id="newer",
        ),
    ],
)
def test_an_event_types_trigger(event_type, name):
    assert naming.event_trigger_name(event_type) == name


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("a", True),
        ("A.b_c-9", True),
        ("a" * 63, True),
        ("a" * 64, False),
        ("", False),
        ("-a", False),
        ("a\n", False),
    ],
)
def test_ids_are_label_values(text, valid):
    assert naming.is_label_value(text) is valid
