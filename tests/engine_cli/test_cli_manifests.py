"""`manifests`: a stack's objects in a folder for a Git repository, kept up to date, secrets left out."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.engine_cli.conftest import Shop

SECRET = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "token", "namespace": "ns"},
    "data": {
        "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270",
        "plaintext": '{"token":"aHVudGVyMg=="}',
    },
}


def settings(name: str = "settings") -> dict[str, Any]:
    metadata = {"name": name, "namespace": "ns"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": "1"}}


def deploy(shop: Shop, *documents: dict[str, Any], stack: str = "dev") -> None:
    """Make the stack's state one of these objects, secrets sealed by the stack's passphrase."""
    resources: list[dict[str, Any]] = [
        {
            "urn": f"urn:pulumi:{stack}::shop::pulumi:pulumi:Stack::shop-{stack}",
            "type": "pulumi:pulumi:Stack",
            "custom": False,
        },
        {
            "urn": f"urn:pulumi:{stack}::shop::pulumi:providers:kubernetes::k8s",
            "type": "pulumi:providers:kubernetes",
            "custom": True,
            "id": "p",
        },
    ]
    for document in documents:
        token = f"kubernetes:core/v1:{document['kind']}"
        name = document["metadata"]["name"]
        resources.append(
            {
                "urn": f"urn:pulumi:{stack}::shop::{token}::{name}",
                "type": token,
                "custom": True,
                "id": f"ns/{name}",
                "inputs": document,
                "outputs": document,
                "provider": f"urn:pulumi:{stack}::shop::pulumi:providers:kubernetes::k8s::p",
            }
        )
    salt = json.loads(shop.ok("export", "-s", stack))["deployment"]["secrets_providers"]
    state = {"version": 3, "deployment": {"manifest": {}, "secrets_providers": salt, "resources": resources}}
    shop.ok("import", "-s", stack, "--file", str(shop.write("state.json", json.dumps(state))))


def written(folder: Path) -> dict[str, str]:
    """The files below a folder by their path."""
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_objects_are_written_and_secrets_left_out_and_named_without_a_passphrase(dev: Shop) -> None:
    deploy(dev, settings(), SECRET)
    del dev.env["PULUMI_CONFIG_PASSPHRASE"]

    ended = dev.run("manifests", "out")

    assert (ended.code, ended.out) == (0, f"1 manifests in {dev.folder}/out\n")
    assert ended.err == (
        "left out of dev: Secret ns/token: its data is secret\n"
        "Secrets are left out unless --secret-store names where External Secrets finds them; "
        "--show-secrets writes them in plain text\n"
    )
    files = written(dev.folder / "out")
    assert yaml.safe_load(files["2-configmap_ns_settings.yaml"]) == settings()
    assert yaml.safe_load(files["kustomization.yaml"])["resources"] == ["2-configmap_ns_settings.yaml"]
    assert len(files) == 2


def test_the_folder_follows_the_stack_and_keeps_what_others_put_there(dev: Shop) -> None:
    deploy(dev, settings("old"), settings("kept"))
    dev.ok("manifests", "out")
    dev.write("out/README.md", "ours")
    deploy(dev, settings("kept"), settings("new"))

    dev.ok("manifests", "out")

    assert list(written(dev.folder / "out")) == [
        "2-configmap_ns_kept.yaml",
        "2-configmap_ns_new.yaml",
        "README.md",
        "kustomization.yaml",
    ]


def test_a_folder_with_somebody_elses_kustomization_is_left_alone(dev: Shop) -> None:
    deploy(dev, settings())
    dev.write("out/kustomization.yaml", "resources: [theirs.yaml]\n")

    ended = dev.run("manifests", "out")

    assert ended.code == 1
    assert "out/kustomization.yaml was written by somebody else: name a folder" in ended.err
    assert list(written(dev.folder / "out")) == ["kustomization.yaml"]


def test_secrets_are_references_into_a_store_where_one_is_named(dev: Shop) -> None:
    deploy(dev, SECRET)

    dev.ok("manifests", "out", "--secret-store", "SecretStore/vault")

    text = written(dev.folder / "out")["2-externalsecret.external-secrets.io_ns_token.yaml"]
    assert yaml.safe_load(text)["spec"]["secretStoreRef"] == {"kind": "SecretStore", "name": "vault"}


def test_secrets_are_shown_on_request_to_their_owner_only(dev: Shop) -> None:
    deploy(dev, SECRET)

    dev.ok("manifests", "out", "--show-secrets")

    path = dev.folder / "out" / "2-secret_ns_token.yaml"
    assert yaml.safe_load(path.read_text())["data"] == {"token": "aHVudGVyMg=="}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_all_stacks_get_a_folder_each_and_those_of_removed_stacks_are_emptied(dev: Shop) -> None:
    dev.ok("stack", "init", "stg", "--no-select")
    dev.ok("stack", "init", "empty", "--no-select")
    deploy(dev, settings())
    deploy(dev, settings("other"), stack="stg")
    dev.ok("manifests", "out", "--all")
    assert list(written(dev.folder / "out")) == [
        "dev/2-configmap_ns_settings.yaml",
        "dev/kustomization.yaml",
        "kustomization.yaml",
        "stg/2-configmap_ns_other.yaml",
        "stg/kustomization.yaml",
    ]
    dev.ok("stack", "rm", "stg", "--yes", "--force")

    said = dev.ok("manifests", "out", "--all", "--project", "shop")

    assert said == f"1 manifests in {dev.folder}/out\n"
    files = written(dev.folder / "out")
    assert list(files) == ["dev/2-configmap_ns_settings.yaml", "dev/kustomization.yaml", "kustomization.yaml"]
    assert yaml.safe_load(files["kustomization.yaml"])["resources"] == ["dev"]


def test_stacks_of_another_project_are_written_too(dev: Shop) -> None:
    """As those of functions are: their project has no folder."""
    deploy(dev, settings())
    dev.write("Pulumi.yaml", "name: other\nruntime: python\n")

    dev.ok("manifests", "one", "--project", "shop", "-s", "dev")
    dev.ok("manifests", "all", "--project", "shop", "--all")

    assert list(written(dev.folder / "one")) == ["2-configmap_ns_settings.yaml", "kustomization.yaml"]
    assert "dev/kustomization.yaml" in written(dev.folder / "all")


@pytest.mark.parametrize(
    ("argv", "code", "said"),
    [
        pytest.param(["out"], 1, "stack 'dev' has nothing to write: it has no objects", id="empty"),
        pytest.param(["out", "-s", "nope"], 6, "no stack named 'nope' found", id="no-stack"),
        pytest.param(["out", "--all"], 1, "no stack of the project 'shop' has anything to write", id="all"),
        pytest.param(
            ["out", "--secret-store", "Vault/x"], 2, "--secret-store is 'Vault/x': give the name", id="store"
        ),
        pytest.param([], 2, "the following arguments are required: folder", id="no-folder"),
    ],
)
def test_what_cannot_be_written_is_told(dev: Shop, argv: list[str], code: int, said: str) -> None:
    ended = dev.run("manifests", *argv)

    assert ended.code == code
    assert said in ended.err
    assert not (dev.folder / "out").exists()
