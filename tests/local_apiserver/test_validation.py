"""What the server refuses, and in which words."""

import pytest

from local_apiserver.client import Api, configmap, deployment, job


def _causes(answer) -> dict[str, str]:
    return {cause["field"]: cause["reason"] for cause in answer.body["details"]["causes"]}


@pytest.mark.parametrize("name", ["Upper", "under_score", "-dash", "dot.", "a" * 254])
def test_names_must_be_dns_names(api: Api, name: str):
    answer = api.post("configmaps", configmap(name))

    assert answer.status == 422
    assert answer.body["reason"] == "Invalid"
    assert _causes(answer) == {"metadata.name": "FieldValueInvalid"}
    assert answer.body["message"].startswith(f'ConfigMap "{name}" is invalid: metadata.name: Invalid value')


def test_a_name_is_needed(api: Api):
    answer = api.post("configmaps", {"apiVersion": "v1", "kind": "ConfigMap"})

    assert answer.status == 422
    assert _causes(answer) == {"metadata.name": "FieldValueRequired"}
    assert "name or generateName is required" in answer.body["message"]


@pytest.mark.parametrize(
    "labels",
    [
        pytest.param({"bad key": "v"}, id="key"),
        pytest.param({"k": "a" * 64}, id="long value"),
        pytest.param({"k": "not a value"}, id="value"),
        pytest.param({"Bad.Prefix/k": "v"}, id="prefix"),
    ],
)
def test_labels_must_be_label_names_and_values(api: Api, labels: dict[str, str]):
    body = configmap("a")
    body["metadata"]["labels"] = labels

    answer = api.post("configmaps", body)

    assert answer.status == 422
    assert _causes(answer) == {"metadata.labels": "FieldValueInvalid"}


def test_a_job_needs_containers_and_a_restart_policy_that_ends(api: Api):
    body = job("j")
    body["spec"]["template"]["spec"] = {"containers": []}

    answer = api.post("batch/v1/jobs", body)

    assert answer.status == 422
    assert _causes(answer) == {
        "spec.template.spec.containers": "FieldValueRequired",
        "spec.template.spec.restartPolicy": "FieldValueRequired",
    }
    assert answer.body["message"].startswith('Job.batch "j" is invalid: [')
    assert 'restartPolicy: Required value: valid values: "OnFailure", "Never"' in answer.body["message"]


def test_containers_need_names_images_and_known_volumes(api: Api):
    body = job("j")
    container = {"volumeMounts": [{"name": "gone", "mountPath": "/x"}], "ports": [{"containerPort": 70000}]}
    body["spec"]["template"]["spec"]["containers"] = [container]

    answer = api.post("batch/v1/jobs", body)

    where = "spec.template.spec.containers[0]"
    assert answer.status == 422
    assert _causes(answer) == {
        f"{where}.name": "FieldValueRequired",
        f"{where}.image": "FieldValueRequired",
        f"{where}.volumeMounts[0].name": "FieldValueNotFound",
        f"{where}.ports[0].containerPort": "FieldValueInvalid",
    }


def test_two_containers_cannot_have_one_name(api: Api):
    body = job("j")
    body["spec"]["template"]["spec"]["containers"] *= 2

    answer = api.post("batch/v1/jobs", body)

    assert answer.status == 422
    assert _causes(answer) == {"spec.template.spec.containers[1].name": "FieldValueDuplicate"}


def test_requests_cannot_exceed_limits(api: Api):
    body = job("j")
    resources = {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}
    body["spec"]["template"]["spec"]["containers"][0]["resources"] = resources

    answer = api.post("batch/v1/jobs", body)

    assert answer.status == 422
    assert "must be less than or equal to cpu limit of 1" in answer.body["message"]


def test_the_template_of_a_job_is_immutable(api: Api):
    body = api.post("batch/v1/jobs", job("j")).body
    del body["metadata"]["resourceVersion"]
    body["spec"]["template"]["spec"]["containers"][0]["image"] = "registry.invalid/other:1"

    answer = api.put("batch/v1/jobs/j", body)

    assert answer.status == 422
    assert _causes(answer) == {"spec.template": "FieldValueInvalid"}
    assert answer.body["message"].endswith("field is immutable")


def test_an_immutable_field_is_refused_in_an_apply_too(api: Api):
    api.apply("batch/v1/jobs/j", job("j"))
    body = job("j")
    body["spec"]["template"]["spec"]["containers"][0]["image"] = "registry.invalid/other:1"

    answer = api.apply("batch/v1/jobs/j", body)

    assert answer.status == 422
    assert _causes(answer) == {"spec.template": "FieldValueInvalid"}


def test_the_selector_of_a_deployment_must_match_and_is_immutable(api: Api):
    container = {"name": "web", "image": "web:1"}
    body = deployment("d", container)
    body["spec"]["template"]["metadata"]["labels"] = {"app": "other"}
    refused = api.post("apps/v1/deployments", body)
    assert _causes(refused) == {"spec.template.metadata.labels": "FieldValueInvalid"}

    api.post("apps/v1/deployments", deployment("d", container))
    changed = deployment("d", container)
    changed["spec"]["selector"]["matchLabels"]["more"] = "1"
    changed["spec"]["template"]["metadata"]["labels"]["more"] = "1"
    answer = api.put("apps/v1/deployments/d", changed)
    assert _causes(answer) == {"spec.selector": "FieldValueInvalid"}


def test_keys_of_a_config_map_must_be_file_names(api: Api):
    answer = api.post("configmaps", configmap("a", **{"not/a/file": "x"}))

    assert answer.status == 422
    assert _causes(answer) == {"data[not/a/file]": "FieldValueInvalid"}


def test_a_config_map_can_be_made_immutable(api: Api):
    api.post("configmaps", configmap("a", k="1") | {"immutable": True})

    answer = api.patch("configmaps/a", {"data": {"k": "2"}})

    assert answer.status == 422
    assert _causes(answer) == {"data": "FieldValueForbidden"}


def test_the_type_of_a_secret_is_immutable(api: Api):
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "type": "one"}
    api.post("secrets", body)

    answer = api.put("secrets/s", body | {"type": "two"})

    assert answer.status == 422
    assert _causes(answer) == {"type": "FieldValueInvalid"}


def test_secret_data_must_be_base64(api: Api):
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"k": "%%%"}}

    answer = api.post("secrets", body)

    assert answer.status == 400
    assert "illegal base64 data" in answer.body["message"]


def test_roles_need_verbs_and_bindings_keep_their_role(api: Api):
    rbac = "rbac.authorization.k8s.io/v1"
    role = {"apiVersion": rbac, "kind": "Role", "metadata": {"name": "r"}}
    rule = {"apiGroups": [""], "resources": ["pods"]}
    refused = api.post(f"{rbac}/roles", role | {"rules": [rule | {"verbs": []}]})
    assert _causes(refused) == {"rules[0].verbs": "FieldValueRequired"}

    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"}
    binding = {"apiVersion": rbac, "kind": "RoleBinding", "metadata": {"name": "b"}, "roleRef": reference}
    assert api.post(f"{rbac}/rolebindings", binding).status == 201
    answer = api.put(f"{rbac}/rolebindings/b", binding | {"roleRef": reference | {"name": "other"}})
    assert _causes(answer) == {"roleRef": "FieldValueInvalid"}


def test_a_value_of_the_wrong_type_is_a_400_that_names_the_field(api: Api):
    answer = api.post("batch/v1/jobs", job("j", backoffLimit="three"))

    assert answer.status == 400
    assert answer.body["message"].startswith(
        'Job in version "v1" cannot be handled as a Job: json: cannot unmarshal string into Go struct field '
    )
    assert "backoffLimit of type int32" in answer.body["message"]


def test_unknown_fields_are_dropped_with_a_warning(api: Api):
    answer = api.post("configmaps", configmap("a") | {"nosuch": 1})

    assert answer.status == 201
    assert "nosuch" not in answer.body
    assert answer.headers["Warning"] == '299 - "unknown field \\"nosuch\\""'


def test_unknown_fields_are_refused_on_demand(api: Api):
    answer = api.post("configmaps", configmap("a") | {"nosuch": 1}, fieldValidation="Strict")

    assert answer.status == 400
    assert 'strict decoding error: unknown field "nosuch"' in answer.body["message"]


def test_quantities_take_their_canonical_form(api: Api):
    body = job("j")
    limits = {"cpu": "1000m", "memory": "1024Mi"}
    body["spec"]["template"]["spec"]["containers"][0]["resources"] = {"limits": limits}

    created = api.post("batch/v1/jobs", body).body

    container = created["spec"]["template"]["spec"]["containers"][0]
    assert container["resources"]["limits"] == {"cpu": "1", "memory": "1Gi"}


def test_a_job_gets_its_selector_labels_and_defaults(api: Api):
    created = api.post("batch/v1/jobs", job("j")).body

    spec, uid = created["spec"], created["metadata"]["uid"]
    assert spec["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
    assert spec["template"]["metadata"]["labels"] == {
        "batch.kubernetes.io/controller-uid": uid,
        "batch.kubernetes.io/job-name": "j",
        "controller-uid": uid,
        "job-name": "j",
    }
    defaults = ("parallelism", "completions", "backoffLimit", "completionMode", "podReplacementPolicy")
    assert [spec[key] for key in defaults] == [1, 1, 6, "NonIndexed", "TerminatingOrFailed"]


def test_a_pod_template_gets_the_defaults_that_clients_rely_on(api: Api):
    body = job("j")
    body["spec"]["template"]["spec"]["containers"][0] |= {
        "readinessProbe": {"httpGet": {"port": 8080}},
        "ports": [{"containerPort": 8080}],
        "env": [{"name": "N", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
    }
    token = {"serviceAccountToken": {"path": "token"}}
    body["spec"]["template"]["spec"]["volumes"] = [
        {"name": "t", "projected": {"sources": [token]}},
        {"name": "e"},
    ]

    pod = api.post("batch/v1/jobs", body).body["spec"]["template"]["spec"]

    container = pod["containers"][0]
    assert container["imagePullPolicy"] == "IfNotPresent"
    assert container["terminationMessagePath"] == "/dev/termination-log"
    assert container["ports"] == [{"containerPort": 8080, "protocol": "TCP"}]
    assert container["env"][0]["valueFrom"]["fieldRef"]["apiVersion"] == "v1"
    assert container["readinessProbe"] == {
        "httpGet": {"path": "/", "port": 8080, "scheme": "HTTP"},
        "timeoutSeconds": 1,
        "periodSeconds": 10,
        "successThreshold": 1,
        "failureThreshold": 3,
    }
    source = pod["volumes"][0]["projected"]["sources"][0]["serviceAccountToken"]
    assert pod["volumes"][0]["projected"]["defaultMode"] == 420
    assert source["expirationSeconds"] == 3600
    assert pod["volumes"][1] == {"name": "e", "emptyDir": {}}
    assert pod["dnsPolicy"] == "ClusterFirst"
    assert pod["terminationGracePeriodSeconds"] == 30


def test_empty_lists_and_nulls_are_not_kept(api: Api):
    body = configmap("a")
    body["metadata"] |= {"labels": {}, "finalizers": [], "annotations": None}

    created = api.post("configmaps", body).body

    assert not {"labels", "finalizers", "annotations"} & set(created["metadata"])


def test_an_unknown_dry_run_mode_is_refused(api: Api):
    assert api.post("configmaps", configmap("a"), dryRun="Maybe").status == 422
