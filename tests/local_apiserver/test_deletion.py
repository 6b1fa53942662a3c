"""Deleting: preconditions, finalizers, owners and their dependents, collections, namespaces."""

import itertools

import pytest

from local_apiserver.client import Api, configmap, until


def _owned(name: str, owner: dict, *, block: bool = True) -> dict:
    body = configmap(name)
    reference = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "blockOwnerDeletion": block,
    }
    body["metadata"]["ownerReferences"] = [reference]
    return body


def _gone(answer) -> bool:
    return answer.status == 404


def test_deleting_answers_with_a_status_that_names_the_object(api: Api):
    created = api.post("configmaps", configmap("a"))

    answer = api.delete("configmaps/a")

    assert answer.status == 200
    assert answer.body["status"] == "Success"
    assert answer.body["details"] == {"name": "a", "kind": "configmaps", "uid": created.uid}
    assert api.get("configmaps/a").status == 404


def test_deleting_what_is_not_there_is_a_404(api: Api):
    assert api.delete("configmaps/nope").status == 404


def test_a_deletion_of_another_uid_is_a_409(api: Api):
    api.post("configmaps", configmap("a"))
    other = "00000000-0000-4000-8000-000000000000"

    answer = api.delete("configmaps/a", {"preconditions": {"uid": other}})

    assert answer.status == 409
    assert f"the UID in the precondition ({other}) does not match the UID in record" in answer.body["message"]
    assert api.get("configmaps/a").status == 200


def test_a_deletion_of_another_resource_version_is_a_409(api: Api):
    created = api.post("configmaps", configmap("a", k="1"))
    api.patch("configmaps/a", {"data": {"k": "2"}})

    answer = api.delete("configmaps/a", {"preconditions": {"resourceVersion": created.version}})

    assert answer.status == 409


def test_a_deletion_with_matching_preconditions_goes_through(api: Api):
    created = api.post("configmaps", configmap("a"))

    answer = api.delete(
        "configmaps/a", {"preconditions": {"uid": created.uid, "resourceVersion": created.version}}
    )

    assert answer.status == 200
    assert api.get("configmaps/a").status == 404


def test_a_dry_run_deletes_nothing(api: Api):
    api.post("configmaps", configmap("a"))

    assert api.delete("configmaps/a", dryRun="All").status == 200
    assert api.get("configmaps/a").status == 200


def test_a_finalizer_holds_the_object_until_it_is_taken_away(api: Api):
    body = configmap("a")
    body["metadata"]["finalizers"] = ["example.com/hold"]
    api.post("configmaps", body)

    answer = api.delete("configmaps/a")
    held = api.get("configmaps/a")

    assert answer.status == 200
    assert held.body["metadata"]["deletionTimestamp"]
    assert held.body["metadata"]["finalizers"] == ["example.com/hold"]

    api.patch("configmaps/a", {"metadata": {"finalizers": None}})
    assert api.get("configmaps/a").status == 404


def test_deleting_a_held_object_again_changes_nothing(api: Api):
    body = configmap("a")
    body["metadata"]["finalizers"] = ["example.com/hold"]
    api.post("configmaps", body)
    api.delete("configmaps/a")
    held = api.get("configmaps/a")

    assert api.delete("configmaps/a").status == 200
    assert api.get("configmaps/a").version == held.version
    api.patch("configmaps/a", {"metadata": {"finalizers": None}})


@pytest.mark.parametrize("policy", ["Background", "Foreground"])
def test_dependents_go_with_their_owner(api: Api, policy: str):
    owner = api.post("configmaps", configmap("owner")).body
    api.post("configmaps", _owned("child", owner))
    child = api.get("configmaps/child").body
    api.post("configmaps", _owned("grandchild", child))

    api.delete("configmaps/owner", {"propagationPolicy": policy})

    for name in ("owner", "child", "grandchild"):
        api.until(f"configmaps/{name}", _gone)


def test_in_the_foreground_the_owner_goes_last(api: Api):
    owner = api.post("configmaps", configmap("owner")).body
    api.post("configmaps", _owned("child", owner))
    start = api.get("configmaps").version

    with api.watch("configmaps", resourceVersion=start) as events:
        api.delete("configmaps/owner", {"propagationPolicy": "Foreground"})
        deleted = [event for event in itertools.islice(events, 3) if event["type"] == "DELETED"]

    assert [event["object"]["metadata"]["name"] for event in deleted] == ["child", "owner"]


def test_in_the_foreground_the_owner_waits_for_a_child_that_is_held(api: Api):
    owner = api.post("configmaps", configmap("owner")).body
    child = _owned("child", owner)
    child["metadata"]["finalizers"] = ["example.com/hold"]
    api.post("configmaps", child)

    api.delete("configmaps/owner", {"propagationPolicy": "Foreground"})
    waiting = api.until("configmaps/child", lambda answer: "deletionTimestamp" in answer.body["metadata"])

    assert waiting.status == 200
    assert api.get("configmaps/owner").body["metadata"]["finalizers"] == ["foregroundDeletion"]
    api.patch("configmaps/child", {"metadata": {"finalizers": None}})
    api.until("configmaps/owner", _gone)


def test_in_the_foreground_grandchildren_hold_everything_above_them(api: Api):
    owner = api.post("configmaps", configmap("owner")).body
    child = api.post("configmaps", _owned("child", owner)).body
    grandchild = _owned("grandchild", child)
    grandchild["metadata"]["finalizers"] = ["example.com/hold"]
    api.post("configmaps", grandchild)

    api.delete("configmaps/owner", {"propagationPolicy": "Foreground"})
    api.until("configmaps/grandchild", lambda answer: "deletionTimestamp" in answer.body["metadata"])

    assert api.get("configmaps/child").status == 200
    assert api.get("configmaps/owner").status == 200
    api.patch("configmaps/grandchild", {"metadata": {"finalizers": None}})
    for name in ("grandchild", "child", "owner"):
        api.until(f"configmaps/{name}", _gone)


def test_orphans_stay_without_their_reference(api: Api):
    owner = api.post("configmaps", configmap("owner")).body
    api.post("configmaps", _owned("child", owner))

    api.delete("configmaps/owner", {"propagationPolicy": "Orphan"})

    api.until("configmaps/owner", _gone)
    child = api.until("configmaps/child", lambda answer: "ownerReferences" not in answer.body["metadata"])
    assert child.status == 200


def test_a_child_with_another_living_owner_stays(api: Api):
    first = api.post("configmaps", configmap("first")).body
    second = api.post("configmaps", configmap("second")).body
    child = _owned("child", first)
    child["metadata"]["ownerReferences"] += _owned("x", second)["metadata"]["ownerReferences"]
    api.post("configmaps", child)

    api.delete("configmaps/first")

    left = api.until("configmaps/child", lambda answer: len(answer.body["metadata"]["ownerReferences"]) == 1)
    assert left.body["metadata"]["ownerReferences"][0]["name"] == "second"


def test_a_child_of_an_owner_that_never_was_is_collected(api: Api):
    ghost = {"metadata": {"name": "ghost", "uid": "00000000-0000-4000-8000-000000000000"}}

    api.post("configmaps", _owned("child", ghost))

    api.until("configmaps/child", _gone)


def test_a_collection_is_deleted_by_selector(api: Api):
    for name, label in (("a", "1"), ("b", "1"), ("c", "2")):
        body = configmap(name)
        body["metadata"]["labels"] = {"group": label}
        api.post("configmaps", body)

    answer = api.delete("configmaps", labelSelector="group=1")

    assert answer.status == 200
    left = api.get("configmaps", labelSelector="group").body["items"]
    assert [item["metadata"]["name"] for item in left] == ["c"]


def test_an_unknown_propagation_policy_is_refused(api: Api):
    api.post("configmaps", configmap("a"))

    assert api.delete("configmaps/a", {"propagationPolicy": "Sideways"}).status == 422


def test_a_namespace_goes_with_everything_in_it(api: Api):
    api.post("configmaps", configmap("a"))
    api.post("secrets", {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}})

    answer = api.delete(f"/api/v1/namespaces/{api.namespace}")

    assert answer.status == 200
    # A real controller goes through all kinds that there are, after the namespaces of the tests before.
    api.until(f"/api/v1/namespaces/{api.namespace}", _gone, seconds=100)
    assert api.get("configmaps").body["items"] == []


def test_a_terminating_namespace_takes_nothing_new(api: Api):
    body = configmap("held")
    body["metadata"]["finalizers"] = ["example.com/hold"]
    api.post("configmaps", body)
    api.delete(f"/api/v1/namespaces/{api.namespace}")
    namespace = api.get(f"/api/v1/namespaces/{api.namespace}").body

    answer = api.post("configmaps", configmap("late"))

    assert namespace["status"]["phase"] == "Terminating"
    assert answer.status == 403
    assert answer.body["details"]["causes"][0]["reason"] == "NamespaceTerminating"
    until(
        lambda: api.patch("configmaps/held", {"metadata": {"finalizers": None}}),
        lambda answer: answer.status in (200, 404),
    )
    api.until(f"/api/v1/namespaces/{api.namespace}", _gone, seconds=100)


def test_the_default_namespace_cannot_be_deleted(api: Api):
    answer = api.delete("/api/v1/namespaces/default")

    assert answer.status == 403
    assert "this namespace may not be deleted" in answer.body["message"]
