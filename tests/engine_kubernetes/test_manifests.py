"""Reading YAML manifests as Kubernetes' tools do."""

import functools
import http.server
import json
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.kubernetes.manifests import decode, expanded, placed, read
from engine.provider import ProviderError

from .tinyserver import Answer


def document(name="a", kind="ConfigMap", **more):
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, **more}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("2024-01-02", "2024-01-02", id="a date is a text"),
        pytest.param("1:30", "1:30", id="no base 60"),
        pytest.param("12:30:45", "12:30:45", id="a time is a text"),
        pytest.param("yes", True, id="yes is true"),
        pytest.param("off", False, id="off is false"),
        pytest.param("010", 8, id="octal"),
        pytest.param("0o10", 8, id="octal of YAML 1.2"),
        pytest.param("0x1F", 31, id="hexadecimal"),
        pytest.param("0b11", 3, id="binary"),
        pytest.param("1_000", 1000, id="underscores"),
        pytest.param("-5", -5, id="negative"),
        pytest.param("0", 0, id="zero"),
        pytest.param("1e3", 1000.0, id="a float without a dot"),
        pytest.param("1.5", 1.5, id="a float"),
        pytest.param("1.2.3", "1.2.3", id="a version is a text"),
        pytest.param("0.0.0.0", "0.0.0.0", id="an address is a text"),
        pytest.param("089", "089", id="no octal is a text"),
        pytest.param("1Gi", "1Gi", id="a quantity"),
        pytest.param("=", "=", id="an equals sign is a text"),
        pytest.param("~", None, id="null"),
        pytest.param("'10'", "10", id="quoted"),
        pytest.param("{80: a, true: b}", {"80": "a", "true": "b"}, id="keys are texts"),
        pytest.param("|-\n  two\n  lines", "two\nlines", id="a block"),
    ],
)
def test_scalars_are_what_kubernetes_takes_them_for(text, value):
    (found,) = decode(f"key: {text}")

    assert found["key"] == value
    assert type(found["key"]) is type(value)


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.text()
        | st.floats(allow_nan=False, allow_infinity=False),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_json_is_read_as_it_is(value):
    assert decode(json.dumps({"data": value})) == [{"data": value}]


def test_a_stream_holds_several_documents_and_empty_ones_are_left_out():
    assert decode("---\na: 1\n---\n---\n# a comment\n---\nb: 2\n") == [{"a": 1}, {"b": 2}]


def test_anchors_and_merges_are_followed():
    (found,) = decode("base: &base {a: 1}\nuse:\n  <<: *base\n  b: 2\n")

    assert found["use"] == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("a: [", "no YAML", id="broken"),
        pytest.param("- a\n- b\n", "no object", id="a list"),
        pytest.param("!!python/object/apply:os.getcwd []", "no YAML", id="code"),
    ],
)
def test_what_is_no_manifest_is_refused(text, words):
    with pytest.raises(ProviderError, match=words):
        decode(text)


def test_lists_are_expanded_where_they_stand():
    inner = {"apiVersion": "v1", "kind": "List", "items": [document("b"), document("c")]}
    outer = {"apiVersion": "v1", "kind": "ConfigMapList", "items": [document("a"), inner]}

    assert [item["metadata"]["name"] for item in expanded([outer, document("d")])] == ["a", "b", "c", "d"]


def test_the_core_group_has_one_spelling():
    assert expanded([{**document(), "apiVersion": "core/v1"}]) == [document()]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        pytest.param(
            {"kind": "ConfigMap", "metadata": {"name": "a"}}, "require a kind and apiVersion", id="v"
        ),
        pytest.param(
            {"apiVersion": "v1", "metadata": {"name": "a"}}, "require a kind and apiVersion", id="k"
        ),
        pytest.param({"apiVersion": "v1", "kind": "ConfigMap"}, r"require a \.metadata\.name", id="name"),
    ],
)
def test_what_is_no_object_is_refused_and_shown(wrong, words):
    with pytest.raises(ProviderError, match=words):
        expanded([wrong])


def test_objects_get_the_namespace_where_their_kind_has_one():
    documents = [
        document(kind="Namespace"),
        document(),
        {**document(), "metadata": {"name": "a", "namespace": "own"}},
    ]
    found = placed(documents, "given", lambda _, kind: kind != "Namespace")

    assert [item["metadata"].get("namespace") for item in found] == [None, "given", "own"]


def test_files_are_read_by_name_and_by_pattern(tmp_path):
    for name in ("b.yaml", "a.yaml", "c.txt"):
        (tmp_path / name).write_text(name)

    assert list(read([f"{tmp_path}/*.yaml", f"{tmp_path}/c.txt"], patterns=True)) == [
        "a.yaml",
        "b.yaml",
        "c.txt",
    ]
    with pytest.raises(ProviderError, match="cannot be read"):
        list(read([f"{tmp_path}/*.yaml"], patterns=False))


def test_urls_are_fetched(server):
    server.answers = [Answer(200, {"kind": "ConfigMap"}), Answer(404, {})]

    assert [json.loads(text) for text in read([f"{server.url}/manifest.yaml"], patterns=True)] == [
        {"kind": "ConfigMap"}
    ]
    with pytest.raises(ProviderError, match="HTTP status 404"):
        list(read([f"{server.url}/none.yaml"], patterns=True))


def test_what_is_no_text_is_refused_with_its_place(tmp_path):
    (tmp_path / "binary.yaml").write_bytes(b"a: \xff")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    with http.server.HTTPServer(("127.0.0.1", 0), handler) as web:
        thread = threading.Thread(target=web.handle_request)
        thread.start()
        url = f"http://127.0.0.1:{web.server_port}/binary.yaml"
        with pytest.raises(ProviderError, match=rf"the manifest {url} is no text"):
            list(read([url], patterns=True))
        thread.join()
    with pytest.raises(ProviderError, match=r"binary\.yaml' cannot be read"):
        list(read([f"{tmp_path}/binary.yaml"], patterns=True))
