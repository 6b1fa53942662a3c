"""The three kinds of patches."""

import pytest

from local_apiserver.client import JSON_PATCH, MERGE, STRATEGIC, Api, configmap, deployment

WEB = {"name": "web", "image": "web:1", "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}
SIDE = {"name": "side", "image": "side:1"}


def test_a_merge_patch_merges_objects_and_null_removes(api: Api):
    api.post("configmaps", configmap("a", keep="1", drop="2"))

    patched = api.patch("configmaps/a", {"data": {"drop": None, "new": "3"}}, MERGE)

    assert patched.status == 200
    assert patched.body["data"] == {"keep": "1", "new": "3"}


def test_a_merge_patch_replaces_lists(api: Api):
    api.post("apps/v1/deployments", deployment("d", WEB, SIDE))

    patch = {"spec": {"template": {"spec": {"containers": [{"name": "only", "image": "x:1"}]}}}}
    patched = api.patch("apps/v1/deployments/d", patch, MERGE)

    assert [item["name"] for item in patched.body["spec"]["template"]["spec"]["containers"]] == ["only"]


def test_a_json_patch_does_its_operations_in_order(api: Api):
    api.post("configmaps", configmap("a", x="1", y="2"))

    operations = [
        {"op": "test", "path": "/data/x", "value": "1"},
        {"op": "replace", "path": "/data/x", "value": "9"},
        {"op": "move", "from": "/data/y", "path": "/data/z"},
        {"op": "copy", "from": "/data/x", "path": "/data/copy"},
        {"op": "add", "path": "/metadata/labels", "value": {"a-b": "c"}},
        {"op": "remove", "path": "/data/copy"},
    ]
    patched = api.patch("configmaps/a", operations, JSON_PATCH)

    assert patched.status == 200
    assert patched.body["data"] == {"x": "9", "z": "2"}
    assert patched.body["metadata"]["labels"] == {"a-b": "c"}


def test_a_json_patch_whose_test_fails_is_a_422_and_changes_nothing(api: Api):
    created = api.post("configmaps", configmap("a", x="1"))

    operations = [
        {"op": "replace", "path": "/data/x", "value": "9"},
        {"op": "test", "path": "/data/x", "value": "1"},
    ]
    answer = api.patch("configmaps/a", operations, JSON_PATCH)

    assert answer.status == 422
    assert answer.body["reason"] == "Invalid"
    assert api.get("configmaps/a").version == created.version


def test_a_json_patch_guards_with_a_test_of_the_resource_version(api: Api):
    created = api.post("configmaps", configmap("a", x="1"))
    guard = {"op": "test", "path": "/metadata/resourceVersion", "value": created.version}

    first = api.patch("configmaps/a", [guard, {"op": "replace", "path": "/data/x", "value": "2"}], JSON_PATCH)
    second = api.patch(
        "configmaps/a", [guard, {"op": "replace", "path": "/data/x", "value": "3"}], JSON_PATCH
    )

    assert first.status == 200
    assert second.status == 422


def test_an_empty_json_patch_changes_nothing(api: Api):
    created = api.post("configmaps", configmap("a", x="1"))

    answer = api.patch("configmaps/a", [], JSON_PATCH)

    assert answer.status == 200
    assert answer.version == created.version


def test_a_json_pointer_escapes_slashes_and_tildes(api: Api):
    body = configmap("a")
    body["metadata"]["annotations"] = {"example.com/a": "1"}
    api.post("configmaps", body)

    operation = {"op": "replace", "path": "/metadata/annotations/example.com~1a", "value": "2"}
    patched = api.patch("configmaps/a", [operation], JSON_PATCH)

    assert patched.body["metadata"]["annotations"] == {"example.com/a": "2"}


def test_a_strategic_patch_merges_containers_by_name(api: Api):
    api.post("apps/v1/deployments", deployment("d", WEB, SIDE))

    patch = {"spec": {"template": {"spec": {"containers": [{"name": "side", "image": "side:2"}]}}}}
    patched = api.patch("apps/v1/deployments/d", patch, STRATEGIC)

    images = {item["name"]: item["image"] for item in patched.body["spec"]["template"]["spec"]["containers"]}
    assert images == {"web": "web:1", "side": "side:2"}


def test_a_strategic_patch_merges_env_and_volumes_by_name(api: Api):
    api.post("apps/v1/deployments", deployment("d", WEB))

    spec = {
        "containers": [{"name": "web", "env": [{"name": "B", "value": "3"}, {"name": "C", "value": "4"}]}],
        "volumes": [{"name": "tmp", "emptyDir": {}}],
    }
    patched = api.patch("apps/v1/deployments/d", {"spec": {"template": {"spec": spec}}}, STRATEGIC)

    pod = patched.body["spec"]["template"]["spec"]
    assert {item["name"]: item["value"] for item in pod["containers"][0]["env"]} == {
        "A": "1",
        "B": "3",
        "C": "4",
    }
    assert pod["volumes"] == [{"name": "tmp", "emptyDir": {}}]


def test_a_strategic_patch_deletes_items_and_replaces_lists_by_directive(api: Api):
    api.post("apps/v1/deployments", deployment("d", WEB, SIDE))

    drop = {"containers": [{"name": "side", "$patch": "delete"}]}
    patched = api.patch("apps/v1/deployments/d", {"spec": {"template": {"spec": drop}}}, STRATEGIC)
    assert [item["name"] for item in patched.body["spec"]["template"]["spec"]["containers"]] == ["web"]

    env = [{"$patch": "replace"}, {"name": "Z", "value": "1"}]
    replace = {"containers": [{"name": "web", "env": env}]}
    patched = api.patch("apps/v1/deployments/d", {"spec": {"template": {"spec": replace}}}, STRATEGIC)
    assert patched.body["spec"]["template"]["spec"]["containers"][0]["env"] == [{"name": "Z", "value": "1"}]


def test_a_strategic_patch_orders_items_as_told(api: Api):
    api.post("apps/v1/deployments", deployment("d", WEB, SIDE))

    spec = {
        "$setElementOrder/containers": [{"name": "side"}, {"name": "web"}],
        "containers": [{"name": "web"}],
    }
    patched = api.patch("apps/v1/deployments/d", {"spec": {"template": {"spec": spec}}}, STRATEGIC)

    assert [item["name"] for item in patched.body["spec"]["template"]["spec"]["containers"]] == [
        "side",
        "web",
    ]


def test_a_strategic_patch_deletes_from_a_list_of_strings(api: Api):
    body = configmap("a")
    body["metadata"]["finalizers"] = ["example.com/one", "example.com/two"]
    api.post("configmaps", body)

    patch = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["example.com/one"]}}
    patched = api.patch("configmaps/a", patch, STRATEGIC)
    api.patch("configmaps/a", {"metadata": {"finalizers": None}})

    assert patched.body["metadata"]["finalizers"] == ["example.com/two"]


def test_a_strategic_patch_replaces_conditions_of_the_same_type(api: Api):
    api.post("apps/v1/deployments", deployment("d", WEB))
    for status in ("False", "True"):
        condition = {"type": "Custom", "status": status, "reason": "Test", "message": ""}
        answer = api.patch("apps/v1/deployments/d/status", {"status": {"conditions": [condition]}}, STRATEGIC)
        assert answer.status == 200

    found = [item for item in answer.body["status"]["conditions"] if item["type"] == "Custom"]
    assert [item["status"] for item in found] == ["True"]


def test_a_patch_with_an_old_resource_version_is_a_409(api: Api):
    created = api.post("configmaps", configmap("a", x="1"))
    api.patch("configmaps/a", {"data": {"x": "2"}})

    answer = api.patch("configmaps/a", {"metadata": {"resourceVersion": created.version}, "data": {"x": "3"}})

    assert answer.status == 409


def test_a_patch_of_something_that_is_not_there_is_a_404(api: Api):
    assert api.patch("configmaps/nope", {"data": {}}).status == 404


@pytest.mark.parametrize("media", ["text/plain", "application/json"])
def test_a_patch_of_an_unknown_type_is_a_415(api: Api, media: str):
    api.post("configmaps", configmap("a"))

    answer = api.patch("configmaps/a", {"data": {"x": "1"}}, media)

    assert answer.status == 415
    assert answer.body["reason"] == "UnsupportedMediaType"


def test_a_patch_that_changes_nothing_keeps_the_resource_version(api: Api):
    created = api.post("configmaps", configmap("a", x="1"))

    assert api.patch("configmaps/a", {"data": {"x": "1"}}).version == created.version
