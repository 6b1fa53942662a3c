"""Checked inputs: made-up names, namespaces, refusals, numbers, secrets, unknowns."""

import pytest

from engine.kubernetes import KubernetesProvider
from engine.values import UNKNOWN, Secret

SEED = b"\1" * 32


def urn(token: str, name: str = "thing") -> str:
    return f"urn:pulumi:dev::project::app:index:Group${token}::{name}"


def check(provider: KubernetesProvider, token: str, news, olds=None):
    return provider.check(urn=urn(token), olds=olds or {}, news=news, random_seed=SEED)


def config_map(**metadata):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": "b"}}


def test_preview_and_update_make_up_the_same_name(provider):
    first = check(provider, "kubernetes:core/v1:ConfigMap", config_map())
    second = check(provider, "kubernetes:core/v1:ConfigMap", config_map())

    assert first == second
    assert first.inputs["metadata"]["annotations"] == {"pulumi.com/autonamed": "true"}
    assert first.inputs["metadata"]["name"].startswith("thing-")


def test_a_made_up_name_is_kept_by_later_updates(provider):
    old = check(provider, "kubernetes:core/v1:ConfigMap", config_map()).inputs
    later = provider.check(
        urn=urn("kubernetes:core/v1:ConfigMap"),
        olds=old,
        news=config_map(labels={"a": "b"}),
        random_seed=b"\2" * 32,
    ).inputs

    assert later["metadata"]["name"] == old["metadata"]["name"]
    assert later["metadata"]["labels"] == {"a": "b"}


def test_a_chosen_name_is_not_adopted_when_the_program_drops_it(provider):
    old = config_map(name="chosen", namespace="default")

    assert (
        check(provider, "kubernetes:core/v1:ConfigMap", config_map(), old).inputs["metadata"]["name"]
        != "chosen"
    )


def test_the_contexts_namespace_is_filled_in_for_namespaced_kinds_only(server):
    from engine.kubernetes import KubernetesProviders

    providers = KubernetesProviders()
    provider = providers()
    provider.configure({"kubeconfig": server.kubeconfig(), "namespace": "space"})

    assert (
        check(provider, "kubernetes:core/v1:ConfigMap", config_map(name="a")).inputs["metadata"]["namespace"]
        == "space"
    )
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}}
    assert "namespace" not in check(provider, "kubernetes:core/v1:Namespace", space).inputs["metadata"]
    providers.close()


def test_what_only_the_server_writes_is_taken_out(provider):
    inputs = check(
        provider, "kubernetes:core/v1:ConfigMap", config_map(name="a", uid="1", resourceVersion="2")
    ).inputs

    assert inputs["metadata"] == {"name": "a", "namespace": "default"}


def test_whole_numbers_become_integers(provider):
    news = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "a"},
        "spec": {"replicas": 1.0},
    }
    replicas = check(provider, "kubernetes:apps/v1:Deployment", news).inputs["spec"]["replicas"]

    assert (replicas, type(replicas)) == (1, int)


def test_plain_strings_of_a_secret_become_secret_base64(provider):
    news = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "a"},
        "stringData": {"k": Secret("top"), "empty": ""},
        "data": {"old": "b2xk\n"},
    }
    inputs = check(provider, "kubernetes:core/v1:Secret", news).inputs

    assert inputs["data"] == Secret({"old": "b2xk", "k": "dG9w", "empty": ""})
    assert "stringData" not in inputs


def test_unknown_secret_data_stays_as_it_is(provider):
    news = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, "stringData": {"k": UNKNOWN}}

    assert check(provider, "kubernetes:core/v1:Secret", news).inputs["stringData"] == Secret({"k": UNKNOWN})


def test_unknown_metadata_is_left_alone(provider):
    news = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": UNKNOWN}

    assert check(provider, "kubernetes:core/v1:ConfigMap", news).inputs == news


def test_generated_names_are_refused_with_the_way_out(provider):
    result = check(provider, "kubernetes:core/v1:ConfigMap", config_map(generateName="a-"))

    assert result.failures[0].property == "metadata.generateName"
    assert "leave name and generateName out" in result.failures[0].reason


@pytest.mark.parametrize(
    ("token", "news"),
    [
        pytest.param("kubernetes:helm.sh/v3:Release", {"chart": "nginx"}, id="helm release"),
        pytest.param("kubernetes:helm.sh/v4:Chart", {}, id="helm chart"),
        pytest.param("kubernetes:core/v1:ConfigMapList", {"kind": "ConfigMapList", "items": []}, id="list"),
        pytest.param("kubernetes:core/v1:List", {"kind": "List"}, id="list of any kinds"),
        pytest.param("kubernetes:example.com/v1:ZoneList", {"items": []}, id="list of a custom kind"),
    ],
)
def test_what_is_not_served_is_refused_by_name(provider, token, news):
    result = check(provider, token, news)

    assert len(result.failures) == 1
    assert token in result.failures[0].reason


def test_secret_metadata_is_completed_and_stays_secret(provider):
    news = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": Secret({"name": "a"})}
    inputs = check(provider, "kubernetes:core/v1:ConfigMap", news).inputs

    assert inputs["metadata"] == Secret({"name": "a", "namespace": "default"})


def test_groups_that_only_begin_like_a_component_are_served(provider):
    news = {"apiVersion": "yaml.example.com/v1", "kind": "Thing", "metadata": {"name": "a"}}

    assert check(provider, "kubernetes:yaml.example.com/v1:Thing", news).failures == ()


def test_kinds_that_only_look_like_lists_or_patches_are_served(provider):
    news = {"apiVersion": "example.com/v1", "kind": "AccessList", "metadata": {"name": "a"}}

    assert check(provider, "kubernetes:example.com/v1:AccessList", news).failures == ()


def test_the_scope_of_a_custom_kind_is_known_from_its_definition_in_the_same_program(provider):
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "zones.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Cluster",
            "names": {"kind": "Zone", "plural": "zones"},
            "versions": [
                {"name": "v1", "schema": {"openAPIV3Schema": {"x_kubernetes_preserve_unknown_fields": True}}}
            ],
        },
    }
    checked = check(
        provider, "kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition", definition
    ).inputs
    zone = {"apiVersion": "example.com/v1", "kind": "Zone", "metadata": {"name": "a"}}

    assert "namespace" not in check(provider, "kubernetes:example.com/v1:Zone", zone).inputs["metadata"]
    schema = checked["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    assert schema == {"x-kubernetes-preserve-unknown-fields": True}


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"versions": [{"name": "v1"}]}, id="no group"),
        pytest.param({"group": "g", "names": UNKNOWN, "versions": [{"name": "v1"}]}, id="unknown names"),
        pytest.param({"group": "g", "names": {"kind": "K"}, "versions": UNKNOWN}, id="unknown versions"),
        pytest.param(
            {"group": "g", "names": {"kind": "K"}, "versions": ["v1"]}, id="a version that is no object"
        ),
        pytest.param(UNKNOWN, id="unknown"),
        pytest.param(None, id="null"),
    ],
)
def test_a_malformed_definition_is_left_to_the_server(provider, spec):
    news = {"metadata": {"name": "ks.g"}, "spec": spec}
    result = check(provider, "kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition", news)

    assert (result.failures, result.inputs["spec"]) == ((), spec)
