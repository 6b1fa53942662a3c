"""Whatever JSON comes in, the answer is an error that says whose fault it is, or the object is stored."""

import copy
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local.apiserver.errors import ApiError
from local.apiserver.kinds import CONFIGMAP, DEPLOYMENT, JOB, KSERVICE, ROLEBINDING, Kind
from local.apiserver.patches import json_patch
from local.apiserver.store import Store
from local.apiserver.typed import FieldPolicy
from local_apiserver.client import configmap, deployment, job

JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["", "x", "A_b", "1Gi"]) | st.just(0.5),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["a", "name", "$patch"]), inner)
    ),
    max_leaves=4,
)
SERVICE = {
    "apiVersion": KSERVICE.api_version,
    "kind": "Service",
    "metadata": {"name": "a"},
    "spec": {"template": {"spec": {"containers": [{"image": "x:1", "env": [{"name": "A", "value": "1"}]}]}}},
}
BINDING = {
    "apiVersion": ROLEBINDING.api_version,
    "kind": "RoleBinding",
    "metadata": {"name": "a"},
    "roleRef": {"kind": "Role", "name": "r"},
    "subjects": [{"kind": "ServiceAccount", "name": "s", "namespace": "default"}],
}
CONTAINER = {
    "name": "c",
    "image": "x:1",
    "ports": [{"containerPort": 80}],
    "resources": {"limits": {"cpu": "1"}, "requests": {"cpu": "1"}},
    "volumeMounts": [{"name": "v", "mountPath": "/v"}],
}
WORKLOAD = deployment("a", CONTAINER)
WORKLOAD["spec"]["template"]["spec"]["volumes"] = [
    {"name": "v", "projected": {"sources": [{"configMap": {}}]}}
]
OWNER = {"apiVersion": "v1", "kind": "ConfigMap", "name": "o", "uid": "u"}
OWNED = configmap("a", k="v")
OWNED["metadata"] |= {
    "labels": {"a": "b"},
    "finalizers": ["x/y"],
    "ownerReferences": [OWNER],
    "managedFields": [{}],
}
BODIES = [
    (CONFIGMAP, OWNED),
    (JOB, job("a")),
    (DEPLOYMENT, WORKLOAD),
    (KSERVICE, SERVICE),
    (ROLEBINDING, BINDING),
]


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths of everything in a document but the document itself."""
    found = [path] if path else []
    children = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, item in children:
        found += _places(item, (*path, key))
    return found


@st.composite
def spoiled(draw: st.DrawFn) -> tuple[Kind, dict[str, Any]]:
    """A good object with one or two places replaced by junk."""
    kind, body = draw(st.sampled_from(BODIES))
    body = copy.deepcopy(body)
    for _ in range(draw(st.integers(1, 2))):
        *parents, last = draw(st.sampled_from(_places(body)))
        target = body
        for key in parents:
            target = target[key]
        target[last] = draw(JUNK)
    return kind, body


def _attempt(call: Any, *arguments: Any, **options: Any) -> None:
    """Call and pass over errors that are documented answers; anything else is a bug."""
    error: ApiError | None = None
    try:
        call(*arguments, **options)
    except ApiError as refusal:
        error = refusal
    if error is not None:
        assert error.code < 500 or "failed to create typed patch object" in error.message
        assert error.status()["message"]


@given(spoiled())
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_spoiled_object_is_refused_or_stored_by_every_way_of_writing(case: tuple[Kind, dict[str, Any]]):
    kind, body = case
    placed = body
    if isinstance(body.get("metadata"), dict):
        placed = {**body, "metadata": {**body["metadata"], "namespace": "default"}}
    store = Store()
    good = next(good for known, good in BODIES if known is kind)

    _attempt(store.create, kind, placed, policy=FieldPolicy("Strict"))
    _attempt(store.create, kind, placed)
    store = Store()
    _attempt(store.apply, kind, "default", "a", body, manager="one")
    store = Store()
    store.create(kind, {**good, "metadata": {"name": "a", "namespace": "default"}})
    _attempt(store.update, kind, placed)
    _attempt(store.update, kind, placed, subresource="status")
    _attempt(store.apply, kind, "default", "a", body, manager="one", force=True)
    _attempt(store.patch, kind, "default", "a", body, patch_type="merge")
    _attempt(store.patch, kind, "default", "a", body, patch_type="strategic")
    store.list(kind, labels="a=b")


@given(st.lists(st.fixed_dictionaries({"op": JUNK, "path": JUNK | st.just("/metadata/name"), "value": JUNK})))
def test_a_spoiled_json_patch_is_refused_or_applied(operations: list[Any]):
    _attempt(json_patch, configmap("a", k="v"), operations)


@given(JUNK)
def test_what_is_no_patch_at_all_is_refused(patch: Any):
    store = Store()
    store.create(CONFIGMAP, {"metadata": {"name": "a", "namespace": "default"}})

    for patch_type in ("merge", "json", "strategic"):
        _attempt(store.patch, CONFIGMAP, "default", "a", patch, patch_type=patch_type)
