"""A recorded deployment as plain manifests: what is written, under which names, and what never is."""

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from engine.kubernetes.export import (
    KUSTOMIZATION,
    ExportRefused,
    SecretStore,
    export,
    file_name,
    kustomization,
    written_before,
)
from engine.kubernetes.manifests import decode
from engine.kubernetes.yamltext import dump

STATES = Path(__file__).parents[1] / "golden" / "states"
CIPHER = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "ciphertext": "v1:x"}


def recorded(*documents, **options):
    """A deployment as `stack export` has it, of objects with their inputs."""
    return {"resources": [resource(document, number, **options) for number, document in enumerate(documents)]}


def resource(document, number=0, token="", **options):
    kind = token or f"kubernetes:{document['apiVersion']}:{document['kind']}"
    urn = f"urn:pulumi:dev::p::{kind}::r{number}"
    return {"urn": urn, "type": kind, "custom": True, "inputs": document, **options}


def made(kind="ConfigMap", name="one", namespace="ns", api="v1", **rest):
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **rest}


def only(deployment, **options):
    """The one object that a deployment gives."""
    files = export(deployment, stack="dev", **options).files
    (name,) = [name for name in files if name != KUSTOMIZATION]
    (document,) = decode(files[name])
    return document


def test_what_pulumi_recorded_becomes_one_file_an_object_in_the_order_of_application():
    deployment = json.loads((STATES / "healed.json").read_text())["checkpoint"]["latest"]

    exported = export(deployment, stack="dev")

    names = list(exported.files)
    assert names[0] == "1-namespace_golden.yaml"
    assert names[-1] == KUSTOMIZATION
    assert yaml.safe_load(exported.files[KUSTOMIZATION])["resources"] == names[:-1] == sorted(names[:-1])
    assert "3-service.serving.knative.dev_golden_lambda-t1-p1.yaml" in names
    assert exported.left_out == (
        "Secret golden/sec2: its data is secret",
        "Secret golden/sec: its data is secret",
        "job (kubernetes:batch/v1:Job): a Job that is removed when it is done, and would run again",
    )
    for name in names[:-1]:
        (document,) = decode(exported.files[name])
        assert file_name(document) == name
        assert "pulumi" not in exported.files[name]


def test_exporting_twice_gives_the_same_texts():
    deployment = json.loads((STATES / "healed.json").read_text())["checkpoint"]["latest"]

    other = {**deployment, "resources": [*reversed(deployment["resources"])]}

    assert export(deployment, stack="dev").files == export(other, stack="dev").files


def test_kinds_come_before_their_objects_and_rules_after_what_they_judge():
    documents = [
        made("ValidatingAdmissionPolicyBinding", "b", "", "admissionregistration.k8s.io/v1"),
        made("Zone", "z", api="example.com/v1"),
        made("Role", "r", api="rbac.authorization.k8s.io/v1"),
        made("Namespace", "ns", ""),
        made("CustomResourceDefinition", "zones.example.com", "", "apiextensions.k8s.io/v1"),
        made("ValidatingAdmissionPolicy", "p", "", "admissionregistration.k8s.io/v1"),
    ]

    names = list(export(recorded(*documents), stack="dev").files)

    assert [name.split("_")[0] for name in names[:-1]] == [
        "0-customresourcedefinition.apiextensions.k8s.io",
        "1-namespace",
        "2-role.rbac.authorization.k8s.io",
        "3-validatingadmissionpolicy.admissionregistration.k8s.io",
        "3-zone.example.com",
        "4-validatingadmissionpolicybinding.admissionregistration.k8s.io",
    ]


def test_what_the_engine_and_the_server_note_is_left_out_and_what_people_note_is_kept():
    document = made(
        status={"phase": "x"},
        metadata={
            "name": "one",
            "namespace": "ns",
            "uid": "u",
            "resourceVersion": "7",
            "annotations": {"pulumi.com/autonamed": "true", "pulumi.com/skipAwait": "true", "team": "a"},
            "labels": {},
        },
    )

    found = only(recorded(document))

    assert found == made(metadata={"name": "one", "namespace": "ns", "annotations": {"team": "a"}})


def test_a_definition_is_written_in_the_servers_spelling():
    schema = {"x_kubernetes_preserve_unknown_fields": True}
    definition = made(
        "CustomResourceDefinition", "z.e.com", "", "apiextensions.k8s.io/v1", spec={"versions": [schema]}
    )

    found = only(recorded(definition))

    assert found["spec"]["versions"] == [{"x-kubernetes-preserve-unknown-fields": True}]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        pytest.param(
            resource({"bucket": "b"}, token="aws:s3/bucket:Bucket"),
            "r0 (aws:s3/bucket:Bucket): not an object of Kubernetes",
            id="aws",
        ),
        pytest.param(
            resource(made(), token="kubernetes:core/v1:ConfigMapPatch"),
            "r0 (kubernetes:core/v1:ConfigMapPatch): a patch of an object that is made elsewhere",
            id="patch",
        ),
        pytest.param(
            resource(made(), external=True),
            "r0 (kubernetes:v1:ConfigMap): only read by the stack, made elsewhere",
            id="read",
        ),
        pytest.param(
            resource(made("Job", api="batch/v1", spec={"ttlSecondsAfterFinished": 60})),
            "r0 (kubernetes:batch/v1:Job): a Job that is removed when it is done, and would run again",
            id="job",
        ),
        pytest.param(
            resource(made("Secret", data={"a": "Yg=="})), "Secret ns/one: its data is secret", id="secret"
        ),
        pytest.param(
            resource(made("Secret", stringData=CIPHER)), "Secret ns/one: its data is secret", id="encrypted"
        ),
        pytest.param(
            resource(made(data={"a": CIPHER})),
            "ConfigMap ns/one: some of its values are secret",
            id="secret-elsewhere",
        ),
        pytest.param(
            resource({**made(), "metadata": CIPHER}),
            "a ConfigMap: some of its values are secret",
            id="secret-name",
        ),
        pytest.param(
            resource(made(data={"a": "04da6b54-80e4-46f7-96ec-b56ff0331ba9"})),
            "ConfigMap ns/one: some of its values are of a kind that manifests have not",
            id="unknown",
        ),
    ],
)
def test_what_no_manifest_can_hold_is_named_there_and_in_the_answer(raw, reason):
    exported = export({"resources": [raw, resource(made(name="two"), 1)]}, stack="dev")

    assert exported.left_out == (reason,)
    assert f"# Not here: {reason}\n" in exported.files[KUSTOMIZATION]
    assert list(exported.files) == ["2-configmap_ns_two.yaml", KUSTOMIZATION]


def test_components_providers_and_what_waits_for_deletion_are_no_objects():
    deployment = recorded(made())
    deployment["resources"] += [
        {"urn": "urn:pulumi:dev::p::a:b:C::c", "type": "a:b:C", "custom": False},
        resource({"version": "4"}, 1, token="pulumi:providers:kubernetes"),
        resource(made(data={"old": "1"}), 2, delete=True),
    ]

    assert only(deployment) == made()
    assert export(deployment, stack="dev").left_out == ()


def test_a_secret_becomes_a_reference_into_the_store():
    secret = {
        **made("Secret", "token", stringData=CIPHER, type="kubernetes.io/basic-auth"),
        "metadata": {"name": "token", "namespace": "ns", "labels": {"a": "b"}},
    }

    found = only(recorded(secret), store=SecretStore.parse("vault"))

    assert found == {
        "apiVersion": "external-secrets.io/v1",
        "kind": "ExternalSecret",
        "metadata": {"name": "token", "namespace": "ns", "labels": {"a": "b"}},
        "spec": {
            "refreshInterval": "1h",
            "secretStoreRef": {"kind": "ClusterSecretStore", "name": "vault"},
            "target": {
                "name": "token",
                "template": {"type": "kubernetes.io/basic-auth", "metadata": {"labels": {"a": "b"}}},
            },
            "dataFrom": [{"extract": {"key": "ns/token"}}],
        },
    }


def test_a_secret_without_data_hides_nothing_and_stays():
    token = made("Secret", "token", type="kubernetes.io/service-account-token")

    assert only(recorded(token), store=SecretStore.parse("vault")) == token


def test_secrets_are_written_where_that_was_asked_for():
    opened = {
        "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270",
        "plaintext": '{"a":"Yg=="}',
    }

    assert only(recorded(made("Secret", data=opened)), plain=True) == made("Secret", data={"a": "Yg=="})
    assert export(recorded(made("Secret", data=opened)), stack="dev").files == {}


@pytest.mark.parametrize(
    ("text", "store"),
    [("vault", ("ClusterSecretStore", "vault")), ("SecretStore/own", ("SecretStore", "own"))],
)
def test_a_store_is_the_clusters_unless_said_otherwise(text, store):
    assert SecretStore.parse(text) == SecretStore(kind=store[0], name=store[1])


@pytest.mark.parametrize("text", ["", "Vault/x", "SecretStore/"])
def test_a_store_that_is_none_is_refused(text):
    with pytest.raises(ValueError, match=f"^{text}$"):
        SecretStore.parse(text)


def test_one_object_of_two_clusters_is_refused():
    with pytest.raises(ExportRefused, match="dev has /namespaces/ns/ConfigMap/one twice"):
        export(recorded(made(), made()), stack="dev")


def test_a_deployment_with_open_operations_is_refused_with_the_remedy():
    with pytest.raises(ExportRefused, match=r"1 operations of the stack were interrupted.*run `refresh`"):
        export({**recorded(made()), "pending_operations": [{}]}, stack="dev")


def test_an_export_knows_its_own_kustomization_and_no_other():
    assert written_before(kustomization(["a.yaml", "b"], "dev")) == ["a.yaml", "b"]
    assert written_before(kustomization(["../a.yaml", "..", "b/c.yaml"], "dev")) == []
    assert written_before("kind: Kustomization\nresources:\n- a.yaml\n") is None


@pytest.mark.parametrize(
    "value",
    ["1e3", "12e45", "0x1F", "0o17", "1_0", "on", "no", "null", "~", "2026-01-31", "1:20", "=", ".5", "-"],
)
def test_a_text_that_some_tool_reads_as_something_else_is_quoted(value):
    assert f"a: '{value}'" in dump({"a": value})


def test_a_text_of_several_lines_is_written_as_lines():
    assert dump({"a": "b\nc\n"}) == "a: |\n  b\n  c\n"


SCALARS = (
    st.none() | st.booleans() | st.integers() | st.text() | st.from_regex(r"[-+0-9eEx_.:]+", fullmatch=True)
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(min_size=1), inner), max_leaves=10
)


@given(st.dictionaries(st.text(min_size=1), VALUES, min_size=1))
def test_what_is_written_is_read_back_as_kubernetes_tools_read_it(document):
    text = dump(document)

    assert decode(text) == [document]
    assert yaml.safe_load(text) == document


NAMES = st.from_regex(r"[a-z0-9:.-]{1,253}", fullmatch=True)


@given(st.lists(st.tuples(NAMES, NAMES, NAMES), min_size=2, max_size=2, unique=True))
def test_different_objects_have_different_files(keys):
    names = [file_name(made("Kind", name, space, f"{group}/v1")) for group, space, name in keys]

    assert names[0] != names[1]
    assert all(len(name.encode()) <= 255 and "/" not in name for name in names)
