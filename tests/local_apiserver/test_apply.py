"""Server-side apply: ownership of fields, conflicts, removal, and what managedFields says about it all."""

from local_apiserver.client import JSON_PATCH, Api, configmap, deployment, job, managed

WEB = {"name": "web", "image": "web:1", "ports": [{"containerPort": 80}]}
SIDE = {"name": "side", "image": "side:1"}
DEPLOYMENTS = "apps/v1/deployments"
IDENTITY = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}


def test_applying_creates_what_is_not_there(api: Api):
    created = api.apply("configmaps/a", configmap("a", k="v"))

    assert created.status == 201
    assert managed(created.body) == {("one", "Apply"): {"f:data": {"f:k": {}}}}


def test_applying_the_same_again_changes_nothing(api: Api):
    created = api.apply("configmaps/a", configmap("a", k="v"))

    again = api.apply("configmaps/a", configmap("a", k="v"))

    assert again.status == 200
    assert again.version == created.version
    assert again.body == created.body


def test_an_empty_apply_of_an_object_keeps_the_resource_version(api: Api):
    created = api.post("configmaps", configmap("a", k="v"))

    answer = api.apply("configmaps/a", IDENTITY)

    assert answer.status == 200
    assert answer.version == created.version


def test_an_apply_needs_a_field_manager(api: Api):
    answer = api.apply("configmaps/a", configmap("a"), manager="")

    assert answer.status == 422
    assert answer.body["message"] == (
        'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch'
    )


def test_fields_left_out_of_the_next_apply_are_removed(api: Api):
    api.apply("configmaps/a", configmap("a", keep="1", drop="2"))

    answer = api.apply("configmaps/a", configmap("a", keep="1"))

    assert answer.body["data"] == {"keep": "1"}
    assert managed(answer.body) == {("one", "Apply"): {"f:data": {"f:keep": {}}}}


def test_a_field_that_another_manager_also_claims_stays(api: Api):
    api.apply("configmaps/a", configmap("a", shared="1"), "one")
    api.apply("configmaps/a", configmap("a", shared="1"), "two")

    answer = api.apply("configmaps/a", IDENTITY, "one")

    assert answer.body["data"] == {"shared": "1"}
    assert managed(answer.body) == {("two", "Apply"): {"f:data": {"f:shared": {}}}}


def test_a_field_that_only_others_own_is_not_touched(api: Api):
    api.apply("configmaps/a", configmap("a", mine="1"), "one")
    api.apply("configmaps/a", configmap("a", yours="2"), "two")

    answer = api.apply("configmaps/a", configmap("a", mine="3"), "one")

    assert answer.body["data"] == {"mine": "3", "yours": "2"}


def test_another_value_for_an_owned_field_is_a_conflict_that_names_it(api: Api):
    api.apply("configmaps/a", configmap("a", k="1"), "one")

    answer = api.apply("configmaps/a", configmap("a", k="2"), "two")

    assert answer.status == 409
    assert answer.body["reason"] == "Conflict"
    assert answer.body["message"] == 'Apply failed with 1 conflict: conflict with "one": .data.k'
    assert answer.body["details"]["causes"] == [
        {"reason": "FieldManagerConflict", "message": 'conflict with "one"', "field": ".data.k"}
    ]
    assert api.get("configmaps/a").body["data"] == {"k": "1"}


def test_a_conflict_with_a_plain_writer_says_by_which_version_it_wrote(api: Api):
    api.post("configmaps", configmap("a", k="1"), fieldManager="writer")

    answer = api.apply("configmaps/a", configmap("a", k="2"))

    assert answer.body["details"]["causes"][0]["message"] == 'conflict with "writer" using v1'


def test_several_conflicts_are_all_named(api: Api):
    api.apply(f"{DEPLOYMENTS}/d", deployment("d", WEB, SIDE), "one")
    changed = deployment("d", WEB | {"image": "web:2"}, SIDE | {"image": "side:2"})

    answer = api.apply(f"{DEPLOYMENTS}/d", changed, "two")

    fields = [cause["field"] for cause in answer.body["details"]["causes"]]
    assert sorted(fields) == [
        '.spec.template.spec.containers[name="side"].image',
        '.spec.template.spec.containers[name="web"].image',
    ]
    assert answer.body["message"].startswith('Apply failed with 2 conflicts: conflicts with "one":\n- .spec')


def test_force_takes_the_field_over(api: Api):
    api.apply("configmaps/a", configmap("a", k="1", other="1"), "one")

    answer = api.apply("configmaps/a", configmap("a", k="2"), "two", force="true")

    assert answer.status == 200
    assert answer.body["data"] == {"k": "2", "other": "1"}
    assert managed(answer.body) == {
        ("one", "Apply"): {"f:data": {"f:other": {}}},
        ("two", "Apply"): {"f:data": {"f:k": {}}},
    }


def test_the_same_value_is_shared_without_conflict(api: Api):
    api.apply("configmaps/a", configmap("a", k="1"), "one")

    answer = api.apply("configmaps/a", configmap("a", k="1"), "two")

    assert answer.status == 200
    assert set(managed(answer.body)) == {("one", "Apply"), ("two", "Apply")}


def test_a_plain_write_takes_fields_from_appliers(api: Api):
    api.apply("configmaps/a", configmap("a", k="1", rest="1"), "one")

    answer = api.patch("configmaps/a", {"data": {"k": "2"}}, fieldManager="writer")

    assert managed(answer.body) == {
        ("one", "Apply"): {"f:data": {"f:rest": {}}},
        ("writer", "Update"): {"f:data": {"f:k": {}}},
    }


def test_an_applier_and_a_plain_writer_of_the_same_name_are_two_managers(api: Api):
    api.post("configmaps", configmap("a", k="1"), fieldManager="same")

    answer = api.apply("configmaps/a", configmap("a", k="2"), "same")

    assert answer.status == 409


def test_what_a_post_claims_is_the_same_on_both_servers(api: Api):
    body = deployment("d", WEB)
    body["metadata"]["labels"] = {"a": "b"}

    created = api.post(DEPLOYMENTS, body, fieldManager="writer").body

    pod = {
        "f:containers": {
            'k:{"name":"web"}': {
                ".": {},
                "f:image": {},
                "f:imagePullPolicy": {},
                "f:name": {},
                "f:ports": {
                    ".": {},
                    'k:{"containerPort":80,"protocol":"TCP"}': {
                        ".": {},
                        "f:containerPort": {},
                        "f:protocol": {},
                    },
                },
                "f:resources": {},
                "f:terminationMessagePath": {},
                "f:terminationMessagePolicy": {},
            }
        },
        "f:dnsPolicy": {},
        "f:restartPolicy": {},
        "f:schedulerName": {},
        "f:securityContext": {},
        "f:terminationGracePeriodSeconds": {},
    }
    assert managed(created)[("writer", "Update")] == {
        "f:metadata": {"f:labels": {".": {}, "f:a": {}}},
        "f:spec": {
            "f:progressDeadlineSeconds": {},
            "f:replicas": {},
            "f:revisionHistoryLimit": {},
            "f:selector": {},
            "f:strategy": {
                "f:rollingUpdate": {".": {}, "f:maxSurge": {}, "f:maxUnavailable": {}},
                "f:type": {},
            },
            "f:template": {"f:metadata": {"f:labels": {".": {}, "f:app": {}}}, "f:spec": pod},
        },
    }


def test_what_an_apply_claims_is_the_same_on_both_servers(api: Api):
    created = api.apply(f"{DEPLOYMENTS}/d", deployment("d", WEB)).body

    assert managed(created)[("one", "Apply")] == {
        "f:spec": {
            "f:replicas": {},
            "f:selector": {},
            "f:template": {
                "f:metadata": {"f:labels": {"f:app": {}}},
                "f:spec": {
                    "f:containers": {
                        'k:{"name":"web"}': {
                            ".": {},
                            "f:image": {},
                            "f:name": {},
                            "f:ports": {
                                'k:{"containerPort":80,"protocol":"TCP"}': {".": {}, "f:containerPort": {}}
                            },
                        }
                    }
                },
            },
        }
    }


def test_a_list_item_is_removed_with_its_claim_and_items_of_others_stay(api: Api):
    api.apply(f"{DEPLOYMENTS}/d", deployment("d", WEB, SIDE), "one")
    extra = {"name": "extra", "image": "extra:1"}
    other = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d"},
        "spec": {"template": {"spec": {"containers": [extra]}}},
    }
    api.apply(f"{DEPLOYMENTS}/d", other, "two")

    answer = api.apply(f"{DEPLOYMENTS}/d", deployment("d", WEB), "one")

    assert [item["name"] for item in answer.body["spec"]["template"]["spec"]["containers"]] == [
        "web",
        "extra",
    ]


def test_an_atomic_list_belongs_to_one_manager(api: Api):
    api.apply(f"{DEPLOYMENTS}/d", deployment("d", WEB | {"args": ["a"]}), "one")
    other = deployment("d", WEB | {"args": ["a", "b"]})

    answer = api.apply(f"{DEPLOYMENTS}/d", other, "two")

    fields = [cause["field"] for cause in answer.body["details"]["causes"]]
    assert fields == ['.spec.template.spec.containers[name="web"].args']


def test_defaults_belong_to_nobody(api: Api):
    api.apply(f"{DEPLOYMENTS}/d", deployment("d", WEB), "one")
    policy = deployment("d", WEB | {"imagePullPolicy": "Never"})

    answer = api.apply(f"{DEPLOYMENTS}/d", policy, "two")

    assert answer.status == 200
    container = answer.body["spec"]["template"]["spec"]["containers"][0]
    assert container["imagePullPolicy"] == "Never"


def test_a_removed_field_with_a_default_goes_back_to_it(api: Api):
    api.apply(f"{DEPLOYMENTS}/d", deployment("d", WEB | {"imagePullPolicy": "Never"}))

    answer = api.apply(f"{DEPLOYMENTS}/d", deployment("d", WEB))

    assert answer.body["spec"]["template"]["spec"]["containers"][0]["imagePullPolicy"] == "IfNotPresent"


def test_an_apply_with_a_uid_creates_nothing(api: Api):
    body = configmap("a", k="v")
    body["metadata"]["uid"] = "00000000-0000-4000-8000-000000000000"

    answer = api.apply("configmaps/a", body)

    assert answer.status == 409
    assert "uid mismatch" in answer.body["message"]
    assert api.get("configmaps/a").status == 404


def test_an_apply_with_another_uid_is_refused(api: Api):
    api.post("configmaps", configmap("a", k="v"))
    body = configmap("a", k="w")
    body["metadata"]["uid"] = "00000000-0000-4000-8000-000000000000"

    answer = api.apply("configmaps/a", body, force="true")

    assert answer.status in (409, 422)
    assert api.get("configmaps/a").body["data"] == {"k": "v"}


def test_an_apply_with_the_right_uid_goes_through(api: Api):
    created = api.apply("configmaps/a", configmap("a", k="v"))
    body = configmap("a", k="w")
    body["metadata"]["uid"] = created.uid

    assert api.apply("configmaps/a", body).body["data"] == {"k": "w"}


def test_an_apply_with_an_old_resource_version_is_a_409(api: Api):
    created = api.apply("configmaps/a", configmap("a", k="v"))
    api.apply("configmaps/a", configmap("a", k="w"))
    body = configmap("a", k="x")
    body["metadata"]["resourceVersion"] = created.version

    assert api.apply("configmaps/a", body).status == 409


def test_a_dry_run_shows_the_result_and_stores_nothing(api: Api):
    created = api.apply("configmaps/a", configmap("a", k="v"))

    answer = api.apply("configmaps/a", configmap("a", k="w"), dryRun="All")

    assert answer.body["data"] == {"k": "w"}
    assert api.get("configmaps/a").body == created.body


def test_an_unknown_field_is_refused(api: Api):
    body = job("j")
    body["spec"]["nosuch"] = 1

    answer = api.apply("batch/v1/jobs/j", body)

    assert answer.status >= 400
    assert ".spec.nosuch: field not declared in schema" in answer.body["message"]


def test_managed_fields_in_a_configuration_are_refused(api: Api):
    body = configmap("a")
    body["metadata"]["managedFields"] = [{"manager": "x"}]

    answer = api.apply("configmaps/a", body)

    assert answer.status == 400
    assert answer.body["message"] == "metadata.managedFields must be nil"


def test_ownership_can_be_handed_over_by_editing_managed_fields(api: Api):
    created = api.post("configmaps", configmap("a", k="1", gone="1"), fieldManager="writer").body
    entry = created["metadata"]["managedFields"][0] | {"manager": "one", "operation": "Apply"}
    operations = [
        {"op": "replace", "path": "/metadata/managedFields", "value": [entry]},
        {"op": "test", "path": "/metadata/resourceVersion", "value": created["metadata"]["resourceVersion"]},
    ]

    moved = api.patch("configmaps/a", operations, JSON_PATCH, fieldManager="mover")
    assert set(managed(moved.body)) == {("one", "Apply")}

    answer = api.apply("configmaps/a", configmap("a", k="2"), "one")
    assert answer.status == 200
    assert answer.body["data"] == {"k": "2"}


def test_an_empty_entry_resets_managed_fields(api: Api):
    created = api.apply("configmaps/a", configmap("a", k="1"))

    body = created.body
    body["metadata"]["managedFields"] = [{}]
    answer = api.put("configmaps/a", body)

    assert "managedFields" not in answer.body["metadata"]


def test_status_is_owned_apart_from_the_rest(api: Api):
    api.apply(f"{DEPLOYMENTS}/d", deployment("d", WEB), "one")
    status = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d"},
        "status": {"collisionCount": 3},
    }

    answer = api.apply(f"{DEPLOYMENTS}/d/status", status, "two")

    assert answer.status == 200
    assert answer.body["status"]["collisionCount"] == 3
    entry = next(item for item in answer.body["metadata"]["managedFields"] if item["manager"] == "two")
    assert entry["subresource"] == "status"
    assert entry["fieldsV1"] == {"f:status": {"f:collisionCount": {}}}


def test_an_apply_says_nothing_about_the_status(api: Api):
    body = deployment("d", WEB) | {"status": {"collisionCount": 3}}

    answer = api.apply(f"{DEPLOYMENTS}/d", body)

    assert "collisionCount" not in answer.body.get("status", {})
    assert "f:status" not in managed(answer.body)[("one", "Apply")]


def test_whole_number_floats_are_accepted(api: Api):
    answer = api.apply("batch/v1/jobs/j", job("j", backoffLimit=3.0))

    assert answer.status == 201
    assert answer.body["spec"]["backoffLimit"] == 3


def test_labels_annotations_and_finalizers_are_owned_one_by_one(api: Api):
    name = {"name": "a"}
    one = IDENTITY | {"metadata": name | {"labels": {"x": "1"}, "finalizers": ["example.com/one"]}}
    two = IDENTITY | {"metadata": name | {"labels": {"y": "2"}, "finalizers": ["example.com/two"]}}
    api.apply("configmaps/a", one, "one")

    answer = api.apply("configmaps/a", two, "two")
    removed = api.apply("configmaps/a", IDENTITY, "one")
    api.patch("configmaps/a", {"metadata": {"finalizers": None}})

    assert answer.body["metadata"]["labels"] == {"x": "1", "y": "2"}
    assert sorted(answer.body["metadata"]["finalizers"]) == ["example.com/one", "example.com/two"]
    assert removed.body["metadata"]["labels"] == {"y": "2"}
    assert removed.body["metadata"]["finalizers"] == ["example.com/two"]
    assert managed(answer.body)[("two", "Apply")]["f:metadata"] == {
        "f:finalizers": {'v:"example.com/two"': {}},
        "f:labels": {"f:y": {}},
    }


def test_string_data_of_an_applied_secret_is_claimed_as_such(api: Api):
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"a": "x"}}

    created = api.apply("secrets/s", body)
    again = api.apply("secrets/s", body)

    assert created.body["data"] == {"a": "eA=="}
    assert managed(created.body) == {("one", "Apply"): {"f:stringData": {"f:a": {}}}}
    assert again.version == created.version


def test_a_configuration_may_be_yaml(api: Api):
    text = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  day: 2020-01-01\n  num: '1'\n"
    headers = {"Authorization": f"Bearer {api.token}", "Content-Type": "application/apply-patch+yaml"}

    reply = api.pool.request(
        "PATCH", f"{api.url}{api.path('configmaps/a')}?fieldManager=one", body=text, headers=headers
    )

    assert reply.status == 201
    assert api.get("configmaps/a").body["data"] == {"day": "2020-01-01", "num": "1"}
