"""What has to hold of server-side apply whatever is applied."""

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.apiserver.errors import ApiError
from local.apiserver.fields.managers import IDENTITY, load
from local.apiserver.fields.sets import difference, intersection, paths, union
from local.apiserver.kinds import CONFIGMAP, DEPLOYMENT, JOB
from local.apiserver.store import Store

KEYS = st.sampled_from(["a", "b", "c", "d"])
VALUES = st.sampled_from(["1", "2"])
LABELS = st.dictionaries(KEYS, VALUES, min_size=1, max_size=3)
ENV = st.dictionaries(KEYS, VALUES, min_size=1, max_size=3).map(
    lambda pairs: [{"name": name.upper(), "value": value} for name, value in pairs.items()]
)


@st.composite
def configurations(draw: st.DrawFn, containers: st.SearchStrategy[str] = KEYS) -> dict[str, Any]:
    """A configuration of a Deployment: any labels, annotations, containers with any env, maybe replicas."""
    names = draw(st.lists(containers, min_size=1, max_size=3, unique=True))
    spec: dict[str, Any] = {"template": {"spec": {"containers": [draw(_container(name)) for name in names]}}}
    if draw(st.booleans()):
        spec["replicas"] = draw(st.integers(0, 3))
    metadata: dict[str, Any] = {"name": "d"}
    for field in ("labels", "annotations"):
        if draw(st.booleans()):
            metadata[field] = draw(LABELS)
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


@st.composite
def _container(draw: st.DrawFn, name: str) -> dict[str, Any]:
    container: dict[str, Any] = {"name": name, "image": draw(st.sampled_from(["x:1", "x:2"]))}
    if draw(st.booleans()):
        container["env"] = draw(ENV)
    if draw(st.booleans()):
        container["args"] = draw(st.lists(VALUES, min_size=1, max_size=2))
    return container


def _base() -> Store:
    """A store with a Deployment that is valid by itself, whoever else applies what to it."""
    store = Store()
    labels = {"app": "d"}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "base", "image": "base:1"}]}}
    spec = {"selector": {"matchLabels": labels}, "template": pod}
    _apply(store, _identity() | {"spec": spec}, "base")
    return store


def _apply(store: Store, config: dict[str, Any], manager: str, *, force: bool = True) -> dict[str, Any]:
    return store.apply(DEPLOYMENT, "default", "d", config, manager=manager, force=force)


def _owned(obj: dict[str, Any], manager: str) -> dict[str, Any]:
    found = [
        owned.fields
        for who, owned in load(obj["metadata"].get("managedFields")).items()
        if who.name == manager
    ]
    return found[0] if found else {}


def _identity() -> dict[str, Any]:
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}}


def _content(obj: dict[str, Any]) -> dict[str, Any]:
    """What users wrote: without versions, ownership and what the server counts."""
    metadata = {key: value for key, value in obj["metadata"].items() if key in ("labels", "annotations")}
    return {"metadata": metadata, "spec": obj["spec"]}


@given(configurations())
@settings(max_examples=60, deadline=None)
def test_applying_twice_is_applying_once(config: dict[str, Any]):
    store = _base()
    once = _apply(store, config, "one")

    twice = _apply(store, copy.deepcopy(config), "one")

    assert twice is once


@given(configurations(st.sampled_from(["a", "b"])), configurations(st.sampled_from(["c", "d"])))
@settings(max_examples=60, deadline=None)
def test_managers_of_different_fields_never_conflict_and_their_order_does_not_matter(
    one: dict[str, Any], two: dict[str, Any]
):
    for config in (one, two):
        config["metadata"] = {"name": "d"}
    two["spec"].pop("replicas", None)
    forward, backward = _base(), _base()

    _apply(forward, one, "one", force=False)
    first = _apply(forward, two, "two", force=False)
    _apply(backward, two, "two", force=False)
    second = _apply(backward, one, "one", force=False)

    assert not intersection(_owned(first, "one"), _owned(first, "two"))
    assert _by_name(first) == _by_name(second)
    assert first["spec"]["replicas"] == second["spec"]["replicas"]


def _by_name(obj: dict[str, Any]) -> dict[str, Any]:
    return {item["name"]: item for item in obj["spec"]["template"]["spec"]["containers"]}


@given(configurations())
@settings(max_examples=60, deadline=None)
def test_dropping_all_fields_of_a_manager_removes_exactly_them(config: dict[str, Any]):
    config["spec"].pop("replicas", None)
    store = _base()
    before = _content(store.get(DEPLOYMENT, "default", "d"))
    _apply(store, config, "one")

    after = _apply(store, _identity(), "one")

    assert _content(after) == before
    assert _owned(after, "one") == {}


@given(configurations(), configurations())
@settings(max_examples=60, deadline=None)
def test_a_forced_apply_leaves_every_applied_value_in_place_and_each_changed_field_with_one_owner(
    one: dict[str, Any], two: dict[str, Any]
):
    store = _base()
    _apply(store, one, "one")

    after = _apply(store, two, "two")

    for wanted in two["spec"]["template"]["spec"]["containers"]:
        found = _by_name(after)[wanted["name"]]
        assert found["image"] == wanted["image"]
        assert found.get("args", []) == wanted.get("args", found.get("args", []))
        values = {item["name"]: item["value"] for item in found.get("env", [])}
        assert all(values[item["name"]] == item["value"] for item in wanted.get("env", []))
    for path in paths(intersection(_owned(after, "one"), _owned(after, "two"))):
        assert path in set(paths(_owned(_apply(_base(), one, "one"), "one")))


@given(configurations(), configurations())
@settings(max_examples=60, deadline=None)
def test_a_conflict_changes_nothing_and_an_apply_without_one_says_what_force_says(
    one: dict[str, Any], two: dict[str, Any]
):
    gentle, forced = _base(), _base()
    before = _apply(gentle, one, "one")
    _apply(forced, one, "one")
    after = _apply_gently(gentle, two)

    if after is None:
        assert gentle.get(DEPLOYMENT, "default", "d") is before
    else:
        assert _content(after) == _content(_apply(forced, two, "two"))


def _apply_gently(store: Store, config: dict[str, Any]) -> dict[str, Any] | None:
    """Apply without force; None where it conflicts."""
    try:
        return _apply(store, config, "two", force=False)
    except ApiError as error:
        if error.reason != "Conflict":
            raise
        return None


FIELD_SETS = st.recursive(
    st.just({}),
    lambda below: st.dictionaries(
        st.sampled_from([".", "f:a", "f:b", 'k:{"name":"x"}']), below, max_size=3
    ).map(lambda node: {key: ({} if key == "." else value) for key, value in node.items()}),
    max_leaves=8,
).map(lambda node: {key: value for key, value in node.items() if key != "."})


@given(FIELD_SETS, FIELD_SETS)
def test_field_sets_behave_as_sets_of_their_paths(left: dict[str, Any], right: dict[str, Any]):
    one, two = set(paths(left)), set(paths(right))

    assert set(paths(union(left, right))) == one | two
    assert set(paths(intersection(left, right))) == one & two
    assert set(paths(difference(left, right))) == one - two


def test_everybody_holds_the_identity_of_an_object():
    assert set(paths(IDENTITY)) == {".metadata.name"}


@given(st.dictionaries(KEYS, VALUES, max_size=4), st.dictionaries(KEYS, VALUES, max_size=4))
@settings(max_examples=40, deadline=None)
def test_a_plain_update_owns_exactly_what_it_changed(old: dict[str, str], new: dict[str, str]):
    store = Store()
    store.create(CONFIGMAP, {"metadata": {"name": "a", "namespace": "default"}, "data": old}, manager="one")

    body = {"metadata": {"name": "a", "namespace": "default"}, "data": new}
    after = store.update(CONFIGMAP, body, manager="two")

    changed = {f".data.{key}" for key in new if new[key] != old.get(key)}
    kept = {f".data.{key}" for key in new if new[key] == old.get(key)}
    assert set(paths(_owned(after, "two"))) - {".data"} == changed
    assert set(paths(_owned(after, "one"))) - {".data"} == kept


def test_a_list_item_without_its_key_is_told_apart_from_a_missing_field():
    config = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "j"},
        "spec": {"template": {"spec": {"containers": [{"image": "x:1"}]}}},
    }

    with pytest.raises(ApiError, match="associative list without key"):
        Store().apply(JOB, "default", "j", config, manager="one")
