"""Handing managedFields over."""

from engine.kubernetes.ownership import owned_by, transfer_by_index, transfer_whole, without_defaults

OURS = "pulumi-kubernetes-12345678"


def entry(manager, operation="Update", fields=("a",), **more):
    return {
        "manager": manager,
        "operation": operation,
        "fieldsV1": {"f:data": {f"f:{field}": {} for field in fields}},
        **more,
    }


def metadata(*entries):
    return {"uid": "u", "resourceVersion": "7", "managedFields": list(entries)}


def test_nothing_is_moved_when_all_is_ours_already():
    found = metadata(entry(OURS, "Apply"), entry("controller", subresource="status"))

    assert transfer_by_index(found, OURS) is None
    assert transfer_whole(found, OURS) is None


def test_the_scale_subresource_is_nobodys_to_take():
    assert transfer_whole(metadata(entry("kubectl", subresource="scale")), OURS) is None


def test_several_entries_need_a_fresh_look():
    assert transfer_by_index(metadata(entry("pulumi-kubernetes"), entry("kubectl", "Apply")), OURS) == []


def test_entries_are_joined_into_one():
    found = metadata(
        entry("controller"),
        entry(OURS, "Apply", ("a",)),
        entry("kubectl", fields=("b",)),
        entry("kubectl", "Apply", ("c",)),
    )
    test, replace = transfer_whole(found, OURS)

    assert test == {"op": "test", "path": "/metadata/resourceVersion", "value": "7"}
    assert replace["value"] == [entry(OURS, "Apply", ("c", "b", "a")), entry("controller")]


def test_what_any_command_of_kubectl_set_is_moved():
    """Recorded of pulumi-kubernetes: a label that `kubectl label` added goes with the next update."""
    found = metadata(entry("kubectl-label"), entry("kubectl-last", "Apply"), entry("kube-controller-manager"))
    _, replace = transfer_whole(found, OURS)

    assert [item["manager"] for item in replace["value"]] == [OURS, "kube-controller-manager"]


def test_the_former_manager_of_the_resource_is_moved_too():
    found = metadata(entry("old", "Apply"))

    assert transfer_by_index(found, OURS) is None
    assert {"op": "replace", "path": "/metadata/managedFields/0/manager", "value": OURS} in transfer_by_index(
        found, OURS, "old"
    )


def test_owners_of_a_field_are_told_apart():
    found = metadata(entry(OURS, "Apply", ("a",)), entry("controller", fields=("a", "b")))

    assert owned_by(found, ("data", "a"), OURS) == (True, True)
    assert owned_by(found, ("data", "b"), OURS) == (False, True)
    assert owned_by(found, ("data", "c"), OURS) == (False, False)


def test_defaults_inside_what_is_declared_empty_are_given_up():
    owned = {"f:spec": {".": {}, "f:kind": {}, "f:deep": {"f:a": {}}}, "f:data": {"f:a": {}}}
    found = metadata({**entry(OURS, "Apply"), "fieldsV1": owned}, entry("controller"))

    test, replace = without_defaults(found, OURS, {"spec": {}, "data": {"a": "1"}})
    assert test["path"] == "/metadata/resourceVersion"
    assert replace["value"][0]["fieldsV1"] == {"f:spec": {}, "f:data": {"f:a": {}}}
    assert replace["value"][1] == entry("controller")

    _, replace = without_defaults(found, OURS, {"spec": {"deep": {}}})
    assert replace["value"][0]["fieldsV1"]["f:spec"] == {".": {}, "f:kind": {}, "f:deep": {}}
    assert without_defaults(found, OURS, {"data": {"a": "1"}}) is None
