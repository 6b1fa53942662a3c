"""What counts as a difference; pure."""

import json
import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.aws import documents
from engine.aws.compare import canonical, compare
from engine.aws.recorded import imported_inputs, refreshed_inputs
from engine.aws.shapes import from_api, to_api
from engine.aws.types import TYPES
from engine.provider import DiffKind
from engine.values import UNKNOWN, Secret

ROLE = TYPES["aws:iam/role:Role"]
BUCKET = TYPES["aws:s3/bucket:Bucket"]
LIFECYCLE = TYPES["aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"]
REPOSITORY = TYPES["aws:ecr/repository:Repository"]

actions = st.lists(
    st.sampled_from(["s3:GetObject", "s3:PutObject", "s3:ListBucket"]), min_size=1, unique=True
)
statements = st.fixed_dictionaries(
    {"Effect": st.sampled_from(["Allow", "Deny"]), "Action": actions, "Resource": st.just(["*"])},
    optional={
        "Principal": st.sampled_from(["*", {"AWS": ["123456789012"]}, {"Service": ["ec2.amazonaws.com"]}]),
        "Condition": st.just({"Bool": {"aws:SecureTransport": ["false"]}}),
    },
)
policies = st.fixed_dictionaries(
    {"Version": st.just("2012-10-17"), "Statement": st.lists(statements, min_size=1, max_size=3)}
)


def as_iam_returns_it(policy: dict[str, Any], randomness: random.Random) -> dict[str, Any]:
    """The same policy in another form: order, single items without a list, an account by its root's ARN."""
    result = json.loads(json.dumps(policy))
    randomness.shuffle(result["Statement"])
    for statement in result["Statement"]:
        randomness.shuffle(statement["Action"])
        if len(statement["Action"]) == 1:
            statement["Action"] = statement["Action"][0]
        if statement.get("Principal") == {"AWS": ["123456789012"]}:
            statement["Principal"] = {"AWS": "arn:aws:iam::123456789012:root"}
        if statement.get("Principal") == "*":
            statement["Principal"] = {"AWS": "*"}
        if "Condition" in statement:
            statement["Condition"] = {"Bool": {"aws:SecureTransport": False}}
    return result


@settings(deadline=None)
@given(policy=policies, randomness=st.randoms(use_true_random=False))
def test_a_policy_is_the_same_however_iam_writes_it(
    policy: dict[str, Any], randomness: random.Random
) -> None:
    other = as_iam_returns_it(policy, randomness)

    assert documents.policy(json.dumps(policy)) == documents.policy(json.dumps(other))


@settings(deadline=None)
@given(policy=policies)
def test_a_policy_that_allows_something_else_is_another(policy: dict[str, Any]) -> None:
    other = json.loads(json.dumps(policy))
    other["Statement"][0]["Action"] = ["s3:DeleteObject"]

    assert documents.policy(json.dumps(policy)) != documents.policy(json.dumps(other))


@settings(deadline=None)
@given(tags=st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=4), changed=st.booleans())
def test_tags_differ_key_by_key(tags: dict[str, str], changed: bool) -> None:
    new = {**tags, "extra": "x"} if changed else tags
    if changed and tags.get("extra") == "x":
        return

    assert bool(compare(BUCKET, {"tags": tags}, {"tags": new}).changes) is changed


def test_a_difference_says_where_it_is_and_what_it_forces() -> None:
    old = {"bucket": "a", "forceDestroy": False, "tags": {"a": "1", "b": "2"}}
    diff = compare(BUCKET, old, {"bucket": "b", "forceDestroy": False, "tags": {"a": "3", "c.d": "4"}})

    assert diff.detailed["bucket"].kind is DiffKind.UPDATE_REPLACE
    assert diff.detailed["tags.a"].kind is DiffKind.UPDATE
    assert diff.detailed["tags.b"].kind is DiffKind.DELETE
    assert diff.detailed['tags["c.d"]'].kind is DiffKind.ADD
    assert diff.replaces == ("bucket",)


def test_what_the_service_fills_in_is_no_difference_and_what_was_taken_away_is() -> None:
    old = {
        "name": "a",
        "imageScanningConfiguration": {"scanOnPush": False},
        "imageTagMutability": "IMMUTABLE",
    }

    assert compare(REPOSITORY, old, {"name": "a"}).diffs == ("imageTagMutability",)
    assert compare(ROLE, {"description": "x"}, {}).diffs == ("description",)


def test_unknown_values_are_differences_and_replace_where_a_change_would() -> None:
    diff = compare(BUCKET, {"bucket": "a", "tags": {}}, {"bucket": UNKNOWN, "tags": UNKNOWN})

    assert diff.replaces == ("bucket",)
    assert set(diff.diffs) == {"bucket", "tags"}


def test_ignored_paths_are_no_differences() -> None:
    old, new = {"bucket": "a", "tags": {"a": "1"}}, {"bucket": "b", "tags": {"a": "2"}}

    assert compare(BUCKET, old, new, ("tags",)).diffs == ("bucket",)
    assert compare(BUCKET, old, new, ("tags.a", "bucket")).changes is False


def test_a_replacement_of_the_same_name_deletes_first() -> None:
    old = {"name": "a", "path": "/"}

    assert compare(ROLE, old, {"name": "a", "path": "/x/", "__defaults": []}).delete_before_replace
    assert not compare(ROLE, old, {"name": "a", "path": "/x/", "__defaults": ["name"]}).delete_before_replace
    assert not compare(ROLE, old, {"name": "b", "path": "/x/", "__defaults": []}).delete_before_replace


rules = st.fixed_dictionaries(
    {"id": st.text("abc", min_size=1), "status": st.sampled_from(["Enabled", "Disabled"])},
    optional={
        "expiration": st.fixed_dictionaries({"days": st.integers(1, 9)}),
        "filter": st.fixed_dictionaries(
            {}, optional={"prefix": st.text("ab/"), "tag": st.just({"key": "k", "value": "v"})}
        ),
        "transitions": st.lists(
            st.fixed_dictionaries({"days": st.integers(1, 9), "storageClass": st.just("GLACIER")}), max_size=3
        ),
    },
)


@settings(deadline=None)
@given(found=st.lists(rules, max_size=3))
def test_rules_survive_the_way_to_the_api_and_back(found: list[dict[str, Any]]) -> None:
    fields = LIFECYCLE.props["rules"].fields
    back = [from_api(fields, to_api(fields, rule)) for rule in found]

    assert canonical(LIFECYCLE.props["rules"], back) == canonical(LIFECYCLE.props["rules"], found)
    assert not compare(LIFECYCLE, {"rules": back}, {"rules": found}).changes


@settings(deadline=None)
@given(found=st.lists(rules, min_size=1, max_size=3))
def test_a_refresh_keeps_what_means_the_same_and_an_import_says_all_that_matters(
    found: list[dict[str, Any]],
) -> None:
    inputs = {"bucket": "b", "rules": Secret(found), "__defaults": []}
    outputs = {"bucket": "b", "rules": found, "region": "r"}

    assert refreshed_inputs(LIFECYCLE, inputs, outputs) == inputs
    assert not compare(LIFECYCLE, outputs, imported_inputs(LIFECYCLE, outputs)).changes


def test_what_changed_is_in_the_refreshed_inputs_and_secrets_stay_secret() -> None:
    inputs = {"name": "a", "description": Secret("old"), "tags": {"a": "1"}}
    found = refreshed_inputs(ROLE, inputs, {"name": "a", "description": "new", "tags": {}})

    assert found == {"name": "a", "description": Secret("new"), "tags": {}}


def test_lifecycle_policies_of_images_are_compared_by_rule_and_tag_order() -> None:
    def policy(*prefixes: str, priority: int = 1) -> str:
        selection = {"tagStatus": "tagged", "tagPrefixList": prefixes, "countType": "x", "countNumber": 1}
        return json.dumps({"rules": [{"rulePriority": priority, "selection": selection}]})

    assert documents.lifecycle_policy(policy("a", "b")) == documents.lifecycle_policy(policy("b", "a"))
    assert documents.lifecycle_policy(policy("a")) != documents.lifecycle_policy(policy("b"))
    assert documents.plain('{"maxReceiveCount": "3"}') == documents.plain('{"maxReceiveCount":3}')
