"""Where admission policies are in force; what they refuse is tried on a real API server, in tests/cluster."""

import pytest

from components.admission import Admission, AdmissionArgs
from components.manifests import admission
from tests.components.declaring import declare

REGISTRIES = ("registry.test", "ghcr.io/team")


@pytest.fixture(scope="module")
def declared():
    args = AdmissionArgs(namespace="knative-lambda-stg", allowed_registries=REGISTRIES)
    return declare(lambda: Admission("a", args))


@pytest.mark.parametrize("key", ["functions", "builds", "labels"])
def test_a_policy_is_named_for_its_environment_and_in_force_there_only(declared, key):
    policy, binding = declared.inputs(f"a-{key}-policy"), declared.inputs(f"a-{key}-binding")

    assert policy["metadata"]["name"] == binding["metadata"]["name"] == f"knative-lambda-stg-{key}"
    assert policy["spec"]["failurePolicy"] == "Fail"
    assert binding["spec"] == {
        "policyName": f"knative-lambda-stg-{key}",
        "validationActions": ["Deny", "Audit"],
        "matchResources": {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "knative-lambda-stg"}}
        },
    }
    assert f"a-{key}-policy" in declared.depends_on(f"a-{key}-binding")


def test_its_outputs_are_the_declared_ones(declared):
    names = [f"knative-lambda-stg-{key}" for key in ("functions", "builds", "labels")]

    assert declared.outputs["a"] == {"policies": names}
    assert set(declared.outputs["a"]) == set(Admission.__annotations__)


@pytest.mark.parametrize(
    ("policy", "component"),
    [(admission.function_policy, "function"), (admission.build_policy, "build")],
)
def test_a_policy_of_pods_looks_at_pods_with_our_labels(policy, component):
    spec = policy("p", REGISTRIES)["spec"]
    condition = spec["matchConditions"][0]

    assert spec["matchConstraints"]["resourceRules"] == [
        {
            "apiGroups": [""],
            "apiVersions": ["v1"],
            "operations": ["CREATE", "UPDATE"],
            "resources": ["pods"],
        }
    ]
    assert f'[?"app.kubernetes.io/component"].orValue(\'\') == "{component}"' in condition["expression"]
    assert '[?"app.kubernetes.io/name"].orValue(\'\') == "knative-lambda"' in condition["expression"]


def test_the_label_policy_looks_at_what_the_service_makes_itself():
    spec = admission.label_policy("p", "ns")["spec"]

    assert spec["matchConditions"][0]["expression"] == (
        'request.userInfo.username == "system:serviceaccount:ns:knative-lambda-builder"'
    )
    rules = spec["matchConstraints"]["resourceRules"]
    assert [(*rule["apiGroups"], *rule["resources"]) for rule in rules] == [
        ("batch", "jobs"),
        ("serving.knative.dev", "services"),
    ]


def test_every_rule_has_a_message_that_names_offenders_and_remedy():
    for policy in (admission.function_policy("p", REGISTRIES), admission.build_policy("p", REGISTRIES)):
        names = [variable["name"] for variable in policy["spec"]["variables"]]
        assert len(names) == len(set(names)) == len(policy["spec"]["validations"])
        for name, validation in zip(names, policy["spec"]["validations"], strict=True):
            assert validation["expression"] == f"size(variables.{name}) == 0"
            assert f'variables.{name}.join(", ")' in validation["messageExpression"]
            assert "; " in validation["message"]


def test_the_order_of_registries_changes_nothing():
    """Otherwise an edit of the setting that means the same would update the policies."""
    forwards, backwards = (
        admission.function_policy("p", given)
        for given in (REGISTRIES, (*reversed(REGISTRIES), "ghcr.io/team"))
    )

    assert forwards == backwards
