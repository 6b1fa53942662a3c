"""Codecs keep every value; files that are not understood or contradict themselves are refused."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import CheckpointRefused, Engine, StackRef, Unsupported, checkpoint, crypto, wire
from engine.codec import Codec
from engine.crypto import Secrets
from engine.specials import OUTPUT, SECRET, SIGNATURE, UNKNOWN_TEXT
from engine.state import ResourceState, Snapshot
from engine.values import UNKNOWN, Archive, Asset, ResourceReference, Secret, same, unwrap
from tests.engine import states
from tests.engine.fake import Thing

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False).map(
        lambda number: int(number) if number.is_integer() and abs(number) <= 2**53 else number
    )
    | text
)
specials = (
    st.just(UNKNOWN)
    | st.binary(max_size=8)
    | st.builds(Asset, text=text, hash=st.just("ab"))
    | st.builds(Archive, path=text, hash=st.just("cd"))
    | st.builds(ResourceReference, urn=text, id=st.none() | text)
)


def wrap(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Nest values, with secrets that are never directly inside another."""
    nested = st.lists(children, max_size=4) | st.dictionaries(text, children, max_size=4)
    return nested | children.filter(lambda value: not isinstance(value, Secret)).map(Secret)


values = st.recursive(scalars | specials, wrap, max_leaves=12)
properties = st.dictionaries(text.filter(lambda key: key != SIGNATURE), values, max_size=5)


@pytest.fixture(scope="module")
def salt() -> str:
    return crypto.new_state("pass")


@given(props=properties)
@settings(deadline=None)
def test_values_survive_the_wire(props: dict[str, Any]) -> None:
    assert same(wire.from_struct(wire.to_struct(props)), props)


@given(inputs=properties, outputs=properties)
@settings(deadline=None)
def test_values_survive_the_state(salt: str, inputs: dict[str, Any], outputs: dict[str, Any]) -> None:
    state = ResourceState(
        urn="urn:pulumi:s::p::t:i:T::n", custom=False, type="t:i:T", inputs=inputs, outputs=outputs
    )
    written = codec(salt).encode("organization/p/s", Snapshot(resources=(state,)))

    [read] = codec(salt).decode(checkpoint.parse(written)).resources

    assert same(read.inputs, inputs)
    assert same(read.outputs, outputs)


@given(props=properties)
@settings(deadline=None)
def test_no_secret_shows_in_the_state(salt: str, props: dict[str, Any]) -> None:
    word = "xyzzy-the-secret"
    state = ResourceState(
        urn="urn:pulumi:s::p::t:i:T::n",
        custom=False,
        type="t:i:T",
        inputs={"deep": [Secret({"in": word, "also": props})]},
    )

    assert word.encode() not in codec(salt).encode("organization/p/s", Snapshot(resources=(state,)))


@given(message=text)
@settings(deadline=None)
def test_encryption_is_undone_by_decryption_and_differs_each_time(salt: str, message: str) -> None:
    cipher = crypto.open_state("pass", salt)
    first, second = crypto.encrypt(cipher, message), crypto.encrypt(cipher, message)

    assert first != second
    assert crypto.decrypt(cipher, first) == crypto.decrypt(cipher, second) == message


def codec(salt: str | None = None) -> Codec:
    return Codec(Secrets("pass", salt, lambda: crypto.new_state("pass")))


def test_numbers_that_json_lacks_survive_the_state() -> None:
    state = ResourceState(
        urn="urn:pulumi:s::p::t:i:T::n", custom=False, type="t:i:T", inputs={"x": [math.inf, {"y": math.nan}]}
    )

    written = codec().encode("organization/p/s", Snapshot(resources=(state,)))

    [read] = codec().decode(checkpoint.parse(written)).resources
    assert read.inputs["x"][0] == math.inf
    assert math.isnan(read.inputs["x"][1]["y"])
    assert b"Infinity" not in written


def test_secrets_inside_secrets_stay_marked(salt: str) -> None:
    value = {"a": Secret([1, Secret("inner")])}
    state = ResourceState(urn="urn:pulumi:s::p::t:i:T::n", custom=False, type="t:i:T", inputs=value)

    written = codec(salt).encode("organization/p/s", Snapshot(resources=(state,)))

    [read] = codec(salt).decode(checkpoint.parse(written)).resources
    assert read.inputs == value


def test_output_values_become_what_they_hold() -> None:
    struct = wire.to_struct({})
    for key, fields in {
        "known": {"value": 1},
        "unknown": {},
        "secret": {"value": "s", "secret": True, "dependencies": ["urn"]},
    }.items():
        struct.fields[key].struct_value.update({SIGNATURE: OUTPUT, **fields})

    assert wire.from_struct(struct) == {"known": 1, "unknown": UNKNOWN, "secret": Secret("s")}


def test_unknowns_of_every_type_are_known_as_unknown() -> None:
    struct = wire.to_struct({"string": UNKNOWN_TEXT, "list": "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2"})

    assert wire.from_struct(struct) == {"string": UNKNOWN, "list": UNKNOWN}


def test_true_is_not_one() -> None:
    assert same({"a": 1}, {"a": 1.0})
    assert not same({"a": [True]}, {"a": [1]})
    assert not same(Secret(1), Secret(True))
    assert unwrap([Secret({"a": Secret(1)})]) == [{"a": 1}]


def test_archives_hash_as_pulumi_hashes_them() -> None:
    """The tar stream: members sorted, mode 0600, no times, two zero blocks at the end."""
    archive = Archive(assets={"b": Asset(text="2"), "a": Asset(text="1")})
    same_archive = Archive(assets={"a": Asset(text="1"), "b": Asset(text="2")})

    hashes = {wire.from_struct(wire.to_struct({"x": item}))["x"].hash for item in (archive, same_archive)}

    assert len(hashes) == 1
    assert Asset(text="1", hash=wire.from_struct(wire.to_struct({"x": Asset(text="1")}))["x"].hash) == Asset(
        text="1", hash="6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"
    )


def test_remote_assets_are_refused() -> None:
    with pytest.raises(Unsupported, match="remote assets"):
        wire.from_struct(wire.to_struct({"x": Asset(uri="https://example.com/a")}))


def damaged(change: Callable[[dict[str, Any]], object]) -> bytes:
    """Return a sound checkpoint with something done to it."""
    urn = "urn:pulumi:dev::proj::pulumi:"
    stack = f"{urn}pulumi:Stack::proj-dev"
    provider = f"{urn}providers:fake::default"
    thing = "urn:pulumi:dev::proj::fake:index:Thing::a"
    document: dict[str, Any] = {
        "version": 3,
        "checkpoint": {
            "stack": "organization/proj/dev",
            "latest": {
                "manifest": {"time": "2026-01-01T00:00:00Z", "magic": "", "version": ""},
                "resources": [
                    {"urn": stack, "custom": False, "type": "pulumi:pulumi:Stack"},
                    {"urn": provider, "custom": True, "id": "1", "type": "pulumi:providers:fake"},
                    {
                        "urn": thing,
                        "custom": True,
                        "id": "a-1",
                        "type": "fake:index:Thing",
                        "parent": stack,
                        "provider": f"{provider}::1",
                        "propertyDependencies": {},
                    },
                ],
            },
        },
    }
    change(document)
    return json.dumps(document).encode()


def latest(document: dict[str, Any]) -> dict[str, Any]:
    return document["checkpoint"]["latest"]


def third(document: dict[str, Any]) -> dict[str, Any]:
    return latest(document)["resources"][2]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        pytest.param(lambda d: d.update(version=5), "version 5", id="version"),
        pytest.param(lambda d: d.update(version=4, features=["taint", "feet"]), "uses feet", id="feature"),
        pytest.param(lambda d: latest(d)["manifest"].update(magic="ab"), "check sum", id="magic"),
        pytest.param(lambda d: third(d).pop("type"), "lacks its URN or its type", id="type"),
        pytest.param(lambda d: third(d).pop("provider"), "without a provider", id="no provider"),
        pytest.param(lambda d: third(d).update(provider="x"), "no provider reference", id="bad provider"),
        pytest.param(
            lambda d: third(d).update(provider=third(d)["provider"][:-1] + "2"),
            "not recorded before",
            id="provider id",
        ),
        pytest.param(lambda d: third(d).update(parent="urn:pulumi:x"), "refers to urn:pulumi:x", id="parent"),
        pytest.param(lambda d: third(d).update(dependencies=["urn:d"]), "refers to urn:d", id="dependency"),
        pytest.param(
            lambda d: third(d).update(propertyDependencies={"p": ["urn:p"]}), "refers to urn:p", id="property"
        ),
        pytest.param(lambda d: third(d).update(deletedWith="urn:w"), "refers to urn:w", id="deletedWith"),
        pytest.param(lambda d: latest(d)["resources"].append(third(d)), "recorded twice", id="twice"),
        pytest.param(
            lambda d: latest(d)["resources"][0].update(id="x"),
            "is a component but has the id",
            id="component id",
        ),
        pytest.param(
            lambda d: third(d).update(inputs={"x": {SIGNATURE: SECRET, "ciphertext": "v1:a:b"}}),
            "names no secrets provider",
            id="secret without provider",
        ),
        pytest.param(
            lambda d: third(d).update(inputs={"x": {SIGNATURE: "feed"}}),
            "unknown kind 'feed'",
            id="special kind",
        ),
        pytest.param(
            lambda d: latest(d).update(secrets_providers={"type": "service", "state": {}}),
            "'service'",
            id="service",
        ),
        pytest.param(lambda d: d.update(checkpoint={"latest": []}), "no JSON object", id="latest"),
    ],
)
def test_a_state_that_is_not_understood_is_refused_and_not_touched(
    engine: Engine, stack: StackRef, root: Path, change: Callable[[dict[str, Any]], object], named: str
) -> None:
    target = states.checkpoint_file(root, stack)
    target.parent.mkdir(parents=True)
    target.write_bytes(damaged(change))

    with pytest.raises(CheckpointRefused, match=named):
        engine.up(stack, lambda: Thing("a"))

    assert target.read_bytes() == damaged(change)


def test_no_bytes_whatever_crash_the_reader(engine: Engine, stack: StackRef, root: Path) -> None:
    target = states.checkpoint_file(root, stack)
    target.parent.mkdir(parents=True)
    for data in (b"", b"\xff\xfe", b"[]", b"null", b'{"version":3}x', b'{"version":"3"}'):
        target.write_bytes(data)
        with pytest.raises(CheckpointRefused):
            engine.outputs(stack)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda d: d.update(version=3.0), id="a float version"),
        pytest.param(lambda d: latest(d).pop("manifest"), id="no manifest"),
        pytest.param(
            lambda d: third(d).update(sourcePosition="project:///x#1", unheard="of"), id="unknown members"
        ),
        pytest.param(lambda d: d["checkpoint"].pop("latest"), id="no deployment"),
        pytest.param(
            lambda d: third(d).update(pendingReplacement=True, provider="urn:pulumi:x::1"), id="pending"
        ),
    ],
)
def test_what_pulumi_accepts_is_accepted(
    engine: Engine, stack: StackRef, root: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    target = states.checkpoint_file(root, stack)
    target.parent.mkdir(parents=True)
    target.write_bytes(damaged(change))

    engine.up(stack, lambda: Thing("a"))

    states.assert_sound(root, stack)


def test_members_that_the_engine_does_not_know_are_kept(engine: Engine, stack: StackRef, root: Path) -> None:
    target = states.checkpoint_file(root, stack)
    target.parent.mkdir(parents=True)
    target.write_bytes(damaged(lambda d: (latest(d).update(unheard={"of": 1}), third(d).update(other=2))))

    engine.refresh(stack)  # the resource is gone, so the state is written

    assert states.latest(root, stack)["unheard"] == {"of": 1}
