"""YAML and Kustomize components, run by the engine as a program declares them."""

import json
import shutil
import warnings

import pytest

from engine import Engine, FileBackend, StackRef
from engine.errors import UpdateFailed
from engine.kubernetes import KubernetesProviders
from engine.kubernetes.refusals import refused

from .tinyserver import Answer, status

STACK = StackRef("project", "dev")

MANIFEST = """
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: space}
data: {since: 2024-01-02}
---
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Secret
  metadata: {name: hidden, namespace: space}
  stringData: {password: hunter2}
---
apiVersion: v1
kind: Namespace
metadata: {name: space}
"""


class Cluster:
    """Takes every create and forgets nothing."""

    def __init__(self):
        self.made = []

    def __call__(self, request):
        if request.method == "POST":
            self.made.append(request.body)
            metadata = {**request.body["metadata"], "uid": f"u{len(self.made)}", "resourceVersion": "1"}
            return Answer(201, {**request.body, "metadata": metadata})
        if request.method == "DELETE":
            return Answer(200, {"kind": "Status", "status": "Success"})
        return status(404, "NotFound", f"nothing at {request.path}")

    def names(self):
        return [item["metadata"]["name"] for item in self.made]


@pytest.fixture
def cluster(server):
    server.handler = Cluster()
    return server.handler


@pytest.fixture
def engine(tmp_path, server):
    providers = KubernetesProviders()
    yield Engine(FileBackend(tmp_path / "state"), {"kubernetes": providers}, passphrase="p")
    providers.close()


@pytest.fixture
def up(engine, server):
    def up(program, operation="up"):
        return getattr(engine, operation)(
            STACK, program, config={"kubernetes:kubeconfig": server.kubeconfig()}
        )

    return up


@pytest.fixture
def resources(engine):
    def resources():
        return {
            item["urn"].split("::", 2)[2]: item for item in engine.export(STACK)["deployment"]["resources"]
        }

    return resources


def test_a_file_of_v1_becomes_resources(up, cluster, resources, tmp_path):
    (tmp_path / "all.yaml").write_text(MANIFEST)

    def program():
        from pulumi_kubernetes.yaml import ConfigFile

        ConfigFile("app", file=str(tmp_path / "all.yaml"))

    up(program)

    assert sorted(cluster.names()) == ["hidden", "settings", "space"]
    component = "kubernetes:yaml:ConfigFile"
    assert {urn for urn in resources() if urn.startswith(component)} == {
        f"{component}::app",
        f"{component}$kubernetes:core/v1:ConfigMap::space/settings",
        f"{component}$kubernetes:core/v1:Secret::space/hidden",
        f"{component}$kubernetes:core/v1:Namespace::space",
    }


def test_a_group_of_v1_transforms_names_and_does_not_wait(up, cluster, resources):
    def label(obj, opts):
        obj["metadata"]["labels"] = {"seen": "yes"}

    def program():
        from pulumi_kubernetes.yaml import ConfigGroup

        # The SDK hands lists to transformations before it takes them apart, and its own for skip_await fails.
        texts = [text for text in MANIFEST.split("---") if "kind: List" not in text]
        ConfigGroup("app", yaml=texts, transformations=[label], resource_prefix="one", skip_await=True)

    up(program)

    assert {item["metadata"]["labels"]["seen"] for item in cluster.made} == {"yes"}
    assert {item["metadata"]["annotations"]["pulumi.com/skipAwait"] for item in cluster.made} == {"true"}
    assert any(urn.endswith("ConfigMap::one-space/settings") for urn in resources())


def test_a_group_of_v2_is_made_in_order(up, cluster, resources, tmp_path):
    (tmp_path / "more.yaml").write_text("{apiVersion: v1, kind: ConfigMap, metadata: {name: more}}")

    def program():
        import pulumi
        from pulumi_kubernetes.yaml.v2 import ConfigGroup

        plain = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "plain", "namespace": "space"}}
        group = ConfigGroup("app", yaml=MANIFEST, files=[f"{tmp_path}/*.yaml"], objs=[plain])
        pulumi.export("count", group.resources.apply(len))

    result = up(program)

    made = cluster.names()
    assert sorted(made) == ["hidden", "more", "plain", "settings", "space"]
    assert made.index("space") < min(made.index(name) for name in ("hidden", "plain", "settings"))
    found = resources()
    component = "kubernetes:yaml/v2:ConfigGroup"
    settings = found[f"{component}$kubernetes:core/v1:ConfigMap::app:space/settings"]
    (dependency,) = settings["dependencies"]
    assert dependency.endswith("kubernetes:core/v1:Namespace::app:space")
    assert settings["inputs"]["data"] == {"since": "2024-01-02"}
    assert f"{component}$kubernetes:core/v1:ConfigMap::app:default/more" in found
    assert json.dumps(found).find("hunter2") == -1
    assert result.outputs["count"] == 5


def test_prefix_and_waiting_of_v2_follow_the_inputs(up, cluster, resources, tmp_path):
    (tmp_path / "all.yaml").write_text(MANIFEST)

    def program():
        from pulumi_kubernetes.yaml.v2 import ConfigFile

        ConfigFile("app", file=str(tmp_path / "all.yaml"), resource_prefix="", skip_await=True)

    up(program)

    assert "kubernetes:yaml/v2:ConfigFile$kubernetes:core/v1:Namespace::space" in resources()
    assert {item["metadata"]["annotations"]["pulumi.com/skipAwait"] for item in cluster.made} == {"true"}


def test_a_preview_of_v2_makes_nothing(up, cluster):
    def program():
        from pulumi_kubernetes.yaml.v2 import ConfigGroup

        ConfigGroup("app", yaml=MANIFEST)

    up(program, "preview")

    assert cluster.made == []


def test_children_whose_manifest_is_not_known_yet_are_left_to_the_real_run(up, cluster):
    def program():
        from pulumi_kubernetes.core.v1 import ConfigMap
        from pulumi_kubernetes.yaml.v2 import ConfigGroup

        first = ConfigMap("first", metadata={"name": "first"}, data={"a": "1"})
        ConfigGroup("app", yaml=first.id.apply(lambda id: MANIFEST.replace("settings", id.partition("/")[2])))

    up(program, "preview")
    assert cluster.made == []

    up(program)
    assert sorted(cluster.names()) == ["first", "first", "hidden", "space"]


def test_a_manifest_that_cannot_be_read_fails_the_component_by_name(up, cluster):
    def program():
        from pulumi_kubernetes.yaml.v2 import ConfigFile

        ConfigFile("app", file="missing.yaml")

    with pytest.raises(UpdateFailed, match=r"ConfigFile.*app.*missing\.yaml"):
        up(program)


@pytest.mark.skipif(
    not (shutil.which("kubectl") or shutil.which("kustomize")), reason="needs kubectl or kustomize"
)
def test_kustomize_folders_are_built(up, cluster, tmp_path):
    (tmp_path / "kustomization.yaml").write_text("namePrefix: my-\nresources: [all.yaml]\n")
    (tmp_path / "all.yaml").write_text("{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}}")

    def program():
        from pulumi_kubernetes.kustomize import Directory
        from pulumi_kubernetes.kustomize.v2 import Directory as DirectoryV2

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            Directory("one", directory=str(tmp_path))
        DirectoryV2("two", directory=str(tmp_path), namespace="space")

    up(program)

    places = {(item["metadata"]["name"], item["metadata"]["namespace"]) for item in cluster.made}
    assert places == {("my-settings", "default"), ("my-settings", "space")}


def test_kustomize_without_its_program_is_refused_with_the_remedy(up, cluster, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))

    def program():
        from pulumi_kubernetes.kustomize.v2 import Directory

        Directory("app", directory=str(tmp_path))

    with pytest.raises(UpdateFailed, match="need the program kustomize or kubectl"):
        up(program)


@pytest.mark.parametrize(
    "token", ["kubernetes:helm.sh/v3:Release", "kubernetes:helm.sh/v4:Chart", "kubernetes:helm:template"]
)
def test_helm_is_refused_with_the_remedy(token):
    assert token in refused(token)
    assert "Helm itself" in refused(token) or "helm template" in refused(token)


def test_a_chart_is_refused_before_anything_is_made(up, cluster):
    def program():
        from pulumi_kubernetes.helm.v4 import Chart

        Chart("app", chart="nginx")

    with pytest.raises(UpdateFailed, match="helm template"):
        up(program)
    assert cluster.made == []
