"""Creating, reading, replacing and listing objects."""

import pytest

from local_apiserver.client import Api, configmap, job


def test_a_created_object_has_an_identity_and_can_be_read_back(api: Api):
    created = api.post("configmaps", configmap("a", k="v"))

    assert created.status == 201
    metadata = created.body["metadata"]
    assert metadata["namespace"] == api.namespace
    assert metadata["resourceVersion"].isdecimal()
    assert {"uid", "creationTimestamp"} <= set(metadata)
    assert api.get("configmaps/a").body == created.body


def test_a_missing_object_is_a_404_that_names_it(api: Api):
    answer = api.get("configmaps/nope")

    assert answer.status == 404
    assert answer.body["message"] == 'configmaps "nope" not found'
    assert answer.body["reason"] == "NotFound"
    assert answer.body["details"] == {"name": "nope", "kind": "configmaps"}


def test_a_missing_object_of_a_group_names_the_group(api: Api):
    answer = api.get("batch/v1/jobs/nope")

    assert answer.body["message"] == 'jobs.batch "nope" not found'
    assert answer.body["details"] == {"name": "nope", "group": "batch", "kind": "jobs"}


def test_an_unknown_resource_is_a_404(api: Api):
    answer = api.get("/apis/nosuch.example/v1/things")

    assert answer.status == 404


def test_a_taken_name_is_a_409_already_exists(api: Api):
    api.post("configmaps", configmap("a"))

    answer = api.post("configmaps", configmap("a"))

    assert answer.status == 409
    assert answer.body["reason"] == "AlreadyExists"
    assert answer.body["message"] == 'configmaps "a" already exists'


def test_nothing_can_be_created_in_a_namespace_that_is_not_there(api: Api):
    answer = api.post("/api/v1/namespaces/not-there/configmaps", configmap("a"))

    assert answer.status == 404
    assert answer.body["message"] == 'namespaces "not-there" not found'


def test_a_generated_name_begins_with_its_base(api: Api):
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "gen-"}}

    names = {api.post("configmaps", body).body["metadata"]["name"] for _ in range(3)}

    assert len(names) == 3
    assert all(name.startswith("gen-") and len(name) == 9 for name in names)


def test_another_namespace_in_the_body_is_a_400(api: Api):
    body = configmap("a")
    body["metadata"]["namespace"] = "default"

    assert api.post("configmaps", body).status == 400


def test_another_kind_in_the_body_is_a_400(api: Api):
    body = configmap("a") | {"kind": "Secret"}

    assert api.post("configmaps", body).status == 400


def test_a_put_replaces_and_moves_the_resource_version(api: Api):
    created = api.post("configmaps", configmap("a", k="v"))

    replaced = api.put("configmaps/a", configmap("a", other="w"))

    assert replaced.status == 200
    assert replaced.body["data"] == {"other": "w"}
    assert int(replaced.version) > int(created.version)
    assert replaced.uid == created.uid
    assert replaced.body["metadata"]["creationTimestamp"] == created.body["metadata"]["creationTimestamp"]


def test_a_put_with_an_old_resource_version_is_a_409(api: Api):
    old = api.post("configmaps", configmap("a", k="v")).body
    api.put("configmaps/a", configmap("a", k="w"))

    answer = api.put("configmaps/a", old)

    assert answer.status == 409
    assert answer.body["reason"] == "Conflict"
    assert answer.body["message"] == (
        'Operation cannot be fulfilled on configmaps "a": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )


def test_a_put_that_changes_nothing_keeps_the_resource_version(api: Api):
    created = api.post("configmaps", configmap("a", k="v"))

    assert api.put("configmaps/a", created.body).version == created.version


def test_a_put_of_another_uid_is_a_409(api: Api):
    body = api.post("configmaps", configmap("a")).body
    body["metadata"] = {"name": "a", "uid": "00000000-0000-4000-8000-000000000000"}

    answer = api.put("configmaps/a", body)

    assert answer.status == 409
    assert "Precondition failed: UID in precondition" in answer.body["message"]


def test_a_put_under_another_name_is_a_400(api: Api):
    api.post("configmaps", configmap("a"))

    assert api.put("configmaps/a", configmap("b")).status == 400


def test_a_dry_run_answers_as_if_and_stores_nothing(api: Api):
    answer = api.post("configmaps", configmap("a"), dryRun="All")

    assert answer.status == 201
    assert answer.body["metadata"]["uid"]
    assert api.get("configmaps/a").status == 404


def test_a_list_has_its_kind_and_a_resource_version(api: Api):
    api.post("configmaps", configmap("b"))
    api.post("configmaps", configmap("a"))

    answer = api.get("configmaps", fieldSelector="metadata.name!=kube-root-ca.crt")

    assert answer.body["kind"] == "ConfigMapList"
    assert answer.body["apiVersion"] == "v1"
    assert [item["metadata"]["name"] for item in answer.body["items"]] == ["a", "b"]
    assert answer.version.isdecimal()


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        pytest.param("tier=web", ["a"], id="equal"),
        pytest.param("tier!=web", ["b", "c"], id="unequal counts the absent"),
        pytest.param("tier in (web, db)", ["a", "b"], id="in"),
        pytest.param("tier notin (web)", ["b", "c"], id="not in counts the absent"),
        pytest.param("tier", ["a", "b"], id="exists"),
        pytest.param("!tier,mine=1", ["c"], id="absent and another"),
        pytest.param("tier=db,mine=1", ["b"], id="both"),
    ],
)
def test_labels_select(api: Api, selector: str, expected: list[str]):
    for name, labels in (("a", {"tier": "web"}), ("b", {"tier": "db"}), ("c", {})):
        body = configmap(name)
        body["metadata"]["labels"] = {**labels, "mine": "1"}
        api.post("configmaps", body)

    answer = api.get("configmaps", labelSelector=f"{selector},mine")

    assert [item["metadata"]["name"] for item in answer.body["items"]] == expected


def test_a_selector_that_cannot_be_read_is_a_400(api: Api):
    assert api.get("configmaps", labelSelector="a==b==c").status == 400
    assert api.get("configmaps", fieldSelector="data.k=v").status == 400


def test_fields_select_by_name(api: Api):
    api.post("configmaps", configmap("a"))
    api.post("configmaps", configmap("b"))

    answer = api.get("configmaps", fieldSelector="metadata.name=b")

    assert [item["metadata"]["name"] for item in answer.body["items"]] == ["b"]


def test_objects_of_all_namespaces_can_be_listed(api: Api):
    body = configmap("everywhere")
    body["metadata"]["labels"] = {"contract": api.namespace}
    api.post("configmaps", body)

    answer = api.get("/api/v1/configmaps", labelSelector=f"contract={api.namespace}")

    assert [item["metadata"]["namespace"] for item in answer.body["items"]] == [api.namespace]


def test_generation_counts_changes_of_the_spec_only(api: Api):
    created = api.post("batch/v1/jobs", job("j")).body
    assert created["metadata"]["generation"] == 1

    labelled = api.patch("batch/v1/jobs/j", {"metadata": {"labels": {"a": "b"}}}).body
    assert labelled["metadata"]["generation"] == 1

    changed = api.patch("batch/v1/jobs/j", {"spec": {"backoffLimit": 3}}).body
    assert changed["metadata"]["generation"] == 2


def test_a_plain_write_cannot_touch_the_status(api: Api):
    body = job("j") | {"status": {"succeeded": 7}}

    created = api.post("batch/v1/jobs", body).body
    assert "succeeded" not in created.get("status", {})

    patched = api.patch("batch/v1/jobs/j", {"status": {"succeeded": 7}}).body
    assert "succeeded" not in patched.get("status", {})


def test_the_status_subresource_writes_the_status_and_nothing_else(api: Api):
    api.post("policy/v1/poddisruptionbudgets", _budget("p"))
    patch = {"status": {"disruptionsAllowed": 3}, "spec": {"minAvailable": 9}}

    answer = api.patch("policy/v1/poddisruptionbudgets/p/status", patch)

    assert answer.status == 200
    assert answer.body["status"]["disruptionsAllowed"] == 3
    assert answer.body["spec"]["minAvailable"] == 1
    assert answer.body["metadata"]["generation"] == 1


def _budget(name: str):
    spec = {"minAvailable": 1, "selector": {"matchLabels": {"app": "none"}}}
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": name},
        "spec": spec,
    }


def test_string_data_of_a_secret_becomes_data(api: Api):
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"a": "x"}}

    created = api.post("secrets", body).body

    assert created["data"] == {"a": "eA=="}
    assert "stringData" not in created
    assert created["type"] == "Opaque"


def test_a_new_namespace_is_furnished(api: Api):
    namespace = api.get(f"/api/v1/namespaces/{api.namespace}").body

    assert namespace["status"]["phase"] == "Active"
    assert namespace["metadata"]["labels"]["kubernetes.io/metadata.name"] == api.namespace
    assert namespace["spec"]["finalizers"] == ["kubernetes"]
    assert api.until("configmaps/kube-root-ca.crt", lambda answer: answer.status == 200)


def test_a_method_that_a_resource_does_not_have_is_a_405(api: Api):
    assert api.put("configmaps", configmap("a")).status == 405


def test_a_body_that_is_no_json_is_a_400(api: Api):
    reply = api.pool.request(
        "POST",
        api.url + api.path("configmaps"),
        body=b"{nope",
        headers={"Authorization": f"Bearer {api.token}", "Content-Type": "application/json"},
    )

    assert reply.status == 400
    assert b'"reason":"BadRequest"' in reply.data
