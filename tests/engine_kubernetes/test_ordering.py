"""The order in which the objects of a manifest can be made."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.kubernetes.ordering import DEPENDS_ON, Key, dependencies
from engine.provider import ProviderError


def an_object(name, kind="ConfigMap", namespace="", api_version="v1", waits_for="", **spec):
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    if waits_for:
        metadata["annotations"] = {DEPENDS_ON: waits_for}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata} | ({"spec": spec} if spec else {})


def names(found):
    return {key.name: sorted(other.name for other in needed) for key, needed in found.items()}


def test_objects_wait_for_their_namespace():
    found = dependencies(
        [an_object("a", namespace="n"), an_object("n", "Namespace"), an_object("b", namespace="m")]
    )

    assert names(found) == {"n": [], "b": [], "a": ["n"]}
    assert list(found).index(Key("", "Namespace", "", "n")) < list(found).index(
        Key("", "ConfigMap", "n", "a")
    )


def test_custom_resources_wait_for_their_definition():
    definition = an_object(
        "zones.example.com",
        "CustomResourceDefinition",
        api_version="apiextensions.k8s.io/v1",
        group="example.com",
        names={"kind": "Zone"},
    )
    zone = an_object("z", "Zone", namespace="n", api_version="example.com/v2")
    other = an_object("o", "Zone", namespace="n", api_version="example.org/v1")

    assert names(dependencies([zone, other, definition])) == {
        "zones.example.com": [],
        "o": [],
        "z": ["zones.example.com"],
    }


def test_an_annotation_names_further_objects():
    found = dependencies(
        [
            an_object("a", waits_for="apps/namespaces/n/Deployment/d, /Namespace/n"),
            an_object("d", "Deployment", namespace="n", api_version="apps/v1"),
            an_object("n", "Namespace"),
        ]
    )

    assert names(found) == {"n": [], "d": ["n"], "a": ["d", "n"]}


@pytest.mark.parametrize(
    ("documents", "words"),
    [
        pytest.param([an_object("a"), an_object("a")], "declares /ConfigMap/a twice", id="twice"),
        pytest.param([an_object("a", waits_for="/ConfigMap/b")], "does not declare", id="elsewhere"),
        pytest.param([an_object("a", waits_for="b")], "no reference", id="malformed"),
        pytest.param(
            [an_object("a", waits_for="/ConfigMap/b"), an_object("b", waits_for="/ConfigMap/a")],
            "wait for each other",
            id="a circle",
        ),
    ],
)
def test_what_cannot_be_ordered_is_refused(documents, words):
    with pytest.raises(ProviderError, match=words):
        dependencies(documents)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=20), st.randoms())
def test_nothing_comes_before_what_it_waits_for(edges, random):
    waits = {index: {low for low, high in edges if low < high == index} for index in range(10)}
    documents = [
        an_object(f"o{index}", waits_for=",".join(f"/ConfigMap/o{low}" for low in sorted(lows)))
        for index, lows in waits.items()
    ]
    random.shuffle(documents)
    found = dependencies(documents)
    order = [key.name for key in found]

    assert sorted(order) == sorted(f"o{index}" for index in range(10))
    for key, needed in found.items():
        assert {f"o{low}" for low in waits[int(key.name[1:])]} == {other.name for other in needed}
        assert all(order.index(other.name) < order.index(key.name) for other in needed)


@given(st.builds(Key, *[st.text("abc", max_size=3)] * 1, *[st.text("abc", min_size=1, max_size=3)] * 3))
def test_references_are_read_as_they_are_written(key):
    assert Key.parse(str(key)) == key
