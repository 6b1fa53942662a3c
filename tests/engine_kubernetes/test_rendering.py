"""Render mode: files instead of a cluster."""

import stat

import pytest
import yaml

from engine.kubernetes import KubernetesProviders
from engine.provider import ProviderError
from engine.values import Secret

from .settings_map import URN, inputs

CRD_URN = "urn:pulumi:dev::project::kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition::zones"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    return tmp_path / "out"


@pytest.fixture
def provider(folder):
    provider = KubernetesProviders()()
    provider.configure({"renderYamlToDirectory": str(folder)})
    return provider


def test_objects_become_files_for_their_owner_only(provider, folder):
    created = provider.create(urn=URN, inputs=inputs(a="1"))
    path = folder / "1-manifest" / "v1-configmap-default-settings.yaml"

    assert created.id == "default/settings"
    assert yaml.safe_load(path.read_text()) == inputs(a="1")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert created.outputs["__inputs"] == inputs(a="1")


def test_definitions_go_into_a_folder_that_is_applied_first(provider, folder):
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "zones.example.com"},
    }
    provider.create(urn=CRD_URN, inputs=definition)

    name = "apiextensions.k8s.io_v1-customresourcedefinition-default-zones.example.com.yaml"
    assert [path.name for path in (folder / "0-crd").iterdir()] == [name]


def test_a_preview_writes_nothing(provider, folder):
    provider.create(urn=URN, inputs=inputs(a="1"), preview=True)

    assert not folder.exists()


def test_updates_and_deletions_keep_up_with_the_program(provider, folder):
    created = provider.create(urn=URN, inputs=inputs(a="1"))
    path = folder / "1-manifest" / "v1-configmap-default-settings.yaml"
    arguments = {"urn": URN, "id": created.id, "old_inputs": inputs(a="1"), "old_outputs": created.outputs}
    updated = provider.update(**arguments, news=inputs(a="2"))
    assert yaml.safe_load(path.read_text())["data"] == {"a": "2"}
    assert updated["__fieldManager"] == created.outputs["__fieldManager"]

    provider.delete(**{**arguments, "old_outputs": updated})
    provider.delete(**{**arguments, "old_outputs": updated})

    assert not path.exists()


def test_a_refresh_keeps_what_is_recorded(provider):
    created = provider.create(urn=URN, inputs=inputs(a="1"))
    read = provider.read(urn=URN, id=created.id, inputs=inputs(a="1"), outputs=created.outputs)

    assert (read.id, read.inputs, read.outputs) == (created.id, inputs(a="1"), created.outputs)


def test_secrets_are_written_with_a_warning(provider, folder, caplog):
    provider.create(urn=URN, inputs={**inputs(), "data": Secret({"a": "hidden"})})

    assert "hidden" in (folder / "1-manifest" / "v1-configmap-default-settings.yaml").read_text()
    assert "secret in plain text" in caplog.text


def test_everything_is_rendered_each_time_where_that_is_asked_for(folder):
    always = KubernetesProviders()()
    always.configure({"renderYamlToDirectory": str(folder), "alwaysRender": "true"})
    recorded = {**inputs(a="1"), "__inputs": inputs(a="1")}

    assert always.diff(
        urn=URN, id="x", old_inputs=inputs(a="1"), old_outputs=recorded, news=inputs(a="1")
    ).changes


def test_a_folder_that_cannot_be_written_is_named(provider, folder):
    folder.write_text("in the way")

    with pytest.raises(ProviderError, match="cannot be written"):
        provider.create(urn=URN, inputs=inputs(a="1"))
