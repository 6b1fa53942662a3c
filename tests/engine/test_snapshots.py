"""Any snapshot survives being written; any file is read, or refused with a reason and left as it is."""

import dataclasses
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import CheckpointRefused, Engine, IncorrectPassphrase, StackRef, Unsupported, checkpoint, crypto
from engine.codec import Codec
from engine.crypto import Secrets
from engine.specials import SECRET, SIGNATURE
from engine.state import PendingOperation, ResourceState, Snapshot
from engine.values import UNKNOWN, Asset, Secret, same
from tests.engine import states
from tests.engine.fake import Thing
from tests.engine.test_engine_checkpoints import damaged, latest, third

SALT = crypto.new_state("pass")
GOLDEN = Path(__file__).parents[1] / "golden" / "states"

names = st.text("abcxyz-:é", min_size=1, max_size=6)
moments = st.sampled_from(["", "2026-01-01T00:00:00Z"])
texts = st.lists(names, max_size=2).map(tuple)
leaves = st.sampled_from(
    [
        1,
        0.5,
        "x",
        None,
        True,
        [1],
        {"a": 1},
        Secret({"b": [b"\xff"]}),
        UNKNOWN,
        Asset(text="", hash="ab"),
        math.inf,
    ]
)  # any value at all: see the tests of checkpoints
properties = st.dictionaries(names, leaves, max_size=2)


def codec() -> Codec:
    return Codec(Secrets("pass", SALT, lambda: SALT))


@st.composite
def resources(draw: st.DrawFn) -> tuple[ResourceState, ...]:
    """Draw a stack, a provider and some resources that refer to what comes before them."""
    prefix = "urn:pulumi:dev::proj::"
    provider = f"{prefix}pulumi:providers:t::default"
    found = [
        ResourceState(urn=f"{prefix}pulumi:pulumi:Stack::proj-dev", custom=False, type="pulumi:pulumi:Stack"),
        ResourceState(urn=provider, custom=True, type="pulumi:providers:t", id="1"),
    ]
    for name in draw(st.lists(names, max_size=4, unique=True)):
        earlier = st.sampled_from([state.urn for state in found])
        some = st.lists(earlier, max_size=2, unique=True)
        custom = draw(st.booleans())
        found.append(
            ResourceState(
                urn=f"{prefix}t:i:T::{name}",
                custom=custom,
                type="t:i:T",
                id=draw(names) if custom else "",
                provider=f"{provider}::1" if custom else "",
                parent=draw(st.just("") | earlier),
                inputs=draw(properties),
                outputs=draw(properties),
                dependencies=tuple(draw(some)),
                property_dependencies=draw(st.dictionaries(names, some, max_size=2)),
                deleted_with=draw(st.just("") | earlier),
                replace_with=tuple(draw(some)),
                protect=draw(st.booleans()),
                taint=draw(st.booleans()),
                external=draw(st.booleans()),
                retain_on_delete=draw(st.booleans()),
                pending_replacement=draw(st.booleans()),
                init_errors=draw(texts),
                additional_secret_outputs=draw(texts),
                ignore_changes=draw(texts),
                replace_on_changes=draw(texts),
                hide_diff=draw(texts),
                custom_timeouts=draw(st.dictionaries(st.just("create"), st.integers(1, 9), max_size=1)),
                import_id=draw(st.just("") | names),
                replacement_trigger=draw(st.none() | properties),
                created=draw(moments),
                modified=draw(moments),
                refresh_before_update=draw(st.booleans()),
                view_of=draw(st.just("") | earlier),
                resource_hooks=draw(
                    st.dictionaries(st.just("AfterCreate"), st.lists(names, min_size=1), max_size=1)
                ),
                extra=draw(st.dictionaries(st.just("sourcePosition"), names, max_size=1)),
            )
        )
    return tuple(found)


snapshots = st.builds(
    Snapshot,
    resources=resources(),
    pending=st.lists(
        st.builds(
            PendingOperation,
            st.builds(ResourceState, urn=names, custom=st.just(False), type=names, inputs=properties),
            st.sampled_from(["creating", "updating", "deleting", "reading", "importing"]),
        ),
        max_size=2,
    ).map(tuple),
    extra=st.dictionaries(st.just("unheard"), names, max_size=1),
)


def equal(left: Any, right: Any) -> bool:
    """Compare states field by field, values as users of JSON do."""
    fields = [field.name for field in dataclasses.fields(ResourceState) if field.compare]
    return all(same(getattr(left, name), getattr(right, name)) for name in fields)


@given(snapshot=snapshots)
@settings(deadline=None)
def test_what_is_written_is_read(snapshot: Snapshot) -> None:
    written = codec().encode("organization/proj/dev", snapshot)

    read = codec().decode(checkpoint.parse(written))

    assert len(read.resources) == len(snapshot.resources)
    assert all(map(equal, read.resources, snapshot.resources))
    assert [op.kind for op in read.pending] == [op.kind for op in snapshot.pending]
    assert all(equal(a.resource, b.resource) for a, b in zip(read.pending, snapshot.pending, strict=True))
    assert read.extra == snapshot.extra


@given(snapshot=snapshots)
@settings(deadline=None)
def test_the_version_says_what_is_used(snapshot: Snapshot) -> None:
    document = json.loads(codec().encode("organization/proj/dev", snapshot))

    assert (document["version"] == 4) == bool(document.get("features"))
    assert checkpoint.parse(json.dumps(document).encode()).features == set(document.get("features", []))
    assert ("hooks" in document.get("features", [])) == any(s.resource_hooks for s in snapshot.resources)


def thing(**fields: Any) -> Snapshot:
    """Return a snapshot of one component with these fields."""
    return Snapshot(
        resources=(ResourceState(urn="urn:pulumi:d::p::t:i:T::n", custom=False, type="t:i:T", **fields),)
    )


@pytest.mark.parametrize(
    ("snapshot", "features"),
    [
        (thing(), None),
        (thing(resource_hooks={"AfterCreate": ["h"]}), ["hooks"]),
        (thing(replace_with=("u",)), ["replaceWith"]),
        (thing(taint=True, view_of="u"), ["taint", "views"]),
        (thing(refresh_before_update=True), ["refreshBeforeUpdate"]),
        (thing(inputs={"x": [b"\xff"]}), ["byteString"]),
        (thing(inputs={"x": Secret({"deep": b"\xff"})}), ["byteString"]),
        (thing(extra={"extensionRef": "x"}), ["extensionParameterization"]),
        (thing(extra={"snippetID": "x"}), ["snippets-prototype"]),
        (Snapshot(extra={"snippets": [{"uuid": "x"}]}), ["snippets-prototype"]),
        (Snapshot(pending=(PendingOperation(thing(taint=True).resources[0], "creating"),)), ["taint"]),
    ],
)
def test_features_are_named_where_they_are_used(snapshot: Snapshot, features: list[str] | None) -> None:
    document = json.loads(codec().encode("organization/p/d", snapshot))

    assert document.get("features") == features
    assert document["version"] == (4 if features else 3)


def test_a_byte_string_in_a_secret_that_was_not_changed_is_still_named() -> None:
    first = codec()
    written = first.encode("organization/p/d", thing(inputs={"x": Secret(b"\xff")}))

    again = codec()
    assert json.loads(again.encode("s", again.decode(checkpoint.parse(written))))["features"] == [
        "byteString"
    ]


def put(root: Path, stack: StackRef, data: bytes) -> Path:
    """Put a checkpoint into the backend."""
    target = states.checkpoint_file(root, stack)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)
    return target


@pytest.mark.parametrize("feature", sorted(checkpoint.UNMANAGED_FEATURES))
def test_a_state_with_what_the_engine_cannot_deploy_is_kept_and_not_deployed(
    engine: Engine, stack: StackRef, root: Path, feature: str
) -> None:
    data = damaged(
        lambda d: (
            d.update(version=4, features=[feature]),
            third(d).update(viewOf=third(d)["parent"], snippetID="s"),
        )
    )
    target = put(root, stack, data)

    for attempt in (
        lambda: engine.up(stack, lambda: Thing("a")),
        lambda: engine.preview(stack, lambda: Thing("a")),
        lambda: engine.refresh(stack),
        lambda: engine.destroy(stack),
    ):
        with pytest.raises(
            Unsupported, match=f"the state uses {feature}, which the embedded engine does not"
        ):
            attempt()

    assert target.read_bytes() == data
    assert engine.export(stack)["features"] == [feature]
    engine.rename(stack, StackRef("proj", "prod"))
    document = json.loads(states.checkpoint_file(root, StackRef("proj", "prod")).read_text())
    assert (document["version"], document["features"]) == (4, [feature])
    assert document["checkpoint"]["latest"]["resources"][2]["viewOf"].startswith("urn:pulumi:prod::proj::")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        pytest.param(lambda d: third(d).pop("urn"), "lacks its URN or its type", id="urn"),
        pytest.param(lambda d: third(d).update(replaceWith=["urn:r"]), "refers to urn:r", id="replaceWith"),
        pytest.param(lambda d: latest(d)["resources"].reverse(), "not recorded before it", id="order"),
        pytest.param(
            lambda d: third(d).update(inputs={"x": {SIGNATURE: SECRET}}), "not exactly one of", id="no secret"
        ),
        pytest.param(
            lambda d: third(d).update(
                inputs={"x": {SIGNATURE: SECRET, "ciphertext": "v1:a:b", "plaintext": "1"}}
            ),
            "not exactly one of",
            id="two secrets",
        ),
        pytest.param(
            lambda d: (
                latest(d).update(secrets_providers={"type": "passphrase", "state": {"salt": "v1:x"}}),
                third(d).update(inputs={"x": {SIGNATURE: SECRET, "ciphertext": "v1:a:b"}}),
            ),
            "salt .* is malformed",
            id="salt",
        ),
        pytest.param(
            lambda d: latest(d).update(secrets_providers={"type": "passphrase", "state": {}}),
            "secrets provider",
            id="no salt",
        ),
        pytest.param(lambda d: latest(d).update(manifest=[1]), "cannot read", id="manifest"),
        pytest.param(lambda d: latest(d).update(resources={"a": 1}), "cannot read", id="resources"),
        pytest.param(lambda d: latest(d).update(resources=[1]), "cannot read", id="resource"),
        pytest.param(lambda d: third(d).update(inputs=[1]), "cannot read", id="inputs"),
        pytest.param(lambda d: third(d).update(propertyDependencies=[1]), "cannot read", id="dependencies"),
        pytest.param(lambda d: d.update(features=[{}], version=4), "uses {}", id="feature"),
    ],
)
def test_a_broken_state_is_refused_and_not_touched(
    engine: Engine, stack: StackRef, root: Path, change: Callable[[dict[str, Any]], object], named: str
) -> None:
    target = put(root, stack, damaged(change))

    for attempt in (lambda: engine.up(stack, lambda: Thing("a")), lambda: engine.destroy(stack)):
        with pytest.raises(CheckpointRefused, match=named):
            attempt()

    assert target.read_bytes() == damaged(change)


def test_a_secret_of_another_key_is_refused_and_not_touched(
    engine: Engine, stack: StackRef, root: Path
) -> None:
    salt = crypto.new_state("")
    foreign = crypto.encrypt(crypto.cipher_for("other", b"saltsalt"), "1")
    data = damaged(
        lambda d: (
            latest(d).update(secrets_providers={"type": "passphrase", "state": {"salt": salt}}),
            third(d).update(inputs={"x": {SIGNATURE: SECRET, "ciphertext": foreign}}),
        )
    )
    target = put(root, stack, data)

    with pytest.raises(IncorrectPassphrase):
        engine.up(stack, lambda: Thing("a"))

    assert target.read_bytes() == data


def test_half_a_character_is_replaced_as_go_replaces_it(engine: Engine, stack: StackRef, root: Path) -> None:
    """Python reads the halves of UTF-16 pairs by themselves, but nothing can write them."""
    data = damaged(
        lambda d: third(d).update(inputs={"half": "a\ud83db", "whole": "\ud83d\ude00", "slash": "\\ud83d"})
    )
    put(root, stack, data)

    inputs = engine.resources(stack)[2].inputs

    assert inputs == {"half": "a\ufffdb", "whole": "\U0001f600", "slash": "\\ud83d"}


FRAGMENTS: list[Any] = [
    None,
    True,
    0,
    -1.5,
    "",
    "x",
    [],
    [None],
    {},
    {"a": 1},
    {SIGNATURE: SECRET},
    {SIGNATURE: 1},
]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths of everything in a document."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, item in items for found in places(item, (*path, key)))]


ORIGINAL = json.loads((GOLDEN / "killed.json").read_bytes())
PLACES = [place for place in places(ORIGINAL) if place and "stackTrace" not in place]


@given(place=st.sampled_from(PLACES), fragment=st.sampled_from(FRAGMENTS))
@settings(deadline=None, max_examples=200)
def test_whatever_is_in_a_file_it_is_read_or_refused(place: tuple[Any, ...], fragment: Any) -> None:
    document = json.loads(json.dumps(ORIGINAL))
    holder = document
    for step in place[:-1]:
        holder = holder[step]
    holder[place[-1]] = fragment
    data = json.dumps(document).encode()

    try:
        parsed = checkpoint.parse(data)
        codec = Codec(Secrets("golden", parsed.salt, lambda: SALT))
        written = codec.encode("organization/golden/dev", codec.decode(parsed))
    except (CheckpointRefused, IncorrectPassphrase):
        return
    parsed = checkpoint.parse(written)
    Codec(Secrets("golden", parsed.salt, lambda: SALT)).decode(parsed)
