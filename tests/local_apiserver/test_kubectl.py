"""A real kubectl against the local server."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from local_apiserver.client import Api, configmap, job

KUBECTL = shutil.which("kubectl")
pytestmark = pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed")


class Kubectl:
    """kubectl in one namespace of the local server, with a home of its own."""

    def __init__(self, kubeconfig: Path, namespace: str) -> None:
        self._home = kubeconfig.parent
        self._base = [KUBECTL or "", f"--kubeconfig={kubeconfig}", f"--namespace={namespace}"]

    def __call__(self, *arguments: str, stdin: object = None, fails: bool = False) -> str:
        done = subprocess.run(
            [*self._base, *arguments],
            input=None if stdin is None else yaml.safe_dump(stdin),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={"HOME": str(self._home), "PATH": "/usr/bin:/bin"},
        )
        assert (done.returncode != 0) is fails, done.stdout + done.stderr
        return done.stderr if fails else done.stdout

    def json(self, *arguments: str) -> dict:
        return json.loads(self(*arguments, "-o", "json"))


@pytest.fixture
def kubectl(kubeconfig: Path, local_api: Api) -> Kubectl:
    return Kubectl(kubeconfig, local_api.namespace)


def test_apply_creates_changes_and_sees_when_nothing_changed(kubectl: Kubectl):
    assert kubectl("apply", "-f", "-", stdin=configmap("a", k="1")) == "configmap/a created\n"
    assert kubectl("apply", "-f", "-", stdin=configmap("a", k="1")) == "configmap/a unchanged\n"
    assert kubectl("apply", "-f", "-", stdin=configmap("a", k="2")) == "configmap/a configured\n"
    assert kubectl.json("get", "cm", "a")["data"] == {"k": "2"}


def test_server_side_apply_reports_conflicts_and_forces(kubectl: Kubectl):
    kubectl("apply", "--server-side", "--field-manager=one", "-f", "-", stdin=configmap("a", k="1"))

    told = kubectl(
        "apply", "--server-side", "--field-manager=two", "-f", "-", stdin=configmap("a", k="2"), fails=True
    )
    assert 'conflict with "one": .data.k' in told

    force = ("--server-side", "--force-conflicts", "--field-manager=two")
    assert (
        kubectl("apply", *force, "-f", "-", stdin=configmap("a", k="2")) == "configmap/a serverside-applied\n"
    )


def test_a_field_that_is_not_known_is_refused_before_anything_is_stored(kubectl: Kubectl):
    told = kubectl("apply", "-f", "-", stdin=configmap("a") | {"nosuch": 1}, fails=True)

    assert 'unknown field "nosuch"' in told
    assert kubectl("get", "cm", "a", "--ignore-not-found") == ""


def test_get_prints_columns(kubectl: Kubectl, local_api: Api):
    kubectl("create", "-f", "-", stdin=job("j"))
    pod = job("p")["spec"]["template"] | {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}}
    kubectl("create", "-f", "-", stdin=pod)

    lines = [line.split() for line in kubectl("get", "pods,jobs").splitlines() if line]

    assert lines[0] == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert lines[1][:4] == ["pod/p", "0/1", "Pending", "0"]
    assert lines[2] == ["NAME", "STATUS", "COMPLETIONS", "DURATION", "AGE"]
    assert lines[3][:3] == ["job.batch/j", "Running", "0/1"]


def test_get_all_finds_knative_services_by_short_name_and_category(kubectl: Kubectl, local_api: Api):
    service = {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"name": "fn"},
        "spec": {"template": {"spec": {"containers": [{"image": "fn:1"}]}}},
    }
    kubectl("apply", "-f", "-", stdin=service)
    status = {"url": "http://fn.example", "conditions": [{"type": "Ready", "status": "True"}]}
    local_api.patch("serving.knative.dev/v1/services/fn/status", {"status": status})

    lines = [line.split() for line in kubectl("get", "ksvc").splitlines()]
    assert lines[0] == ["NAME", "URL", "LATESTCREATED", "LATESTREADY", "READY", "REASON"]
    assert lines[1] == ["fn", "http://fn.example", "True"]
    assert "service.serving.knative.dev/fn" in kubectl("get", "all")


def test_label_annotate_and_patch_change_an_object(kubectl: Kubectl):
    kubectl("create", "configmap", "a", "--from-literal=k=1")

    kubectl("label", "cm", "a", "tier=web")
    kubectl("annotate", "cm", "a", "note=x")
    kubectl("patch", "cm", "a", "-p", '{"data":{"k":"2"}}')
    kubectl("patch", "cm", "a", "--type=json", "-p", '[{"op":"add","path":"/data/z","value":"3"}]')

    found = kubectl.json("get", "cm", "-l", "tier=web")["items"][0]
    assert found["data"] == {"k": "2", "z": "3"}
    assert found["metadata"]["annotations"] == {"note": "x"}


def test_create_commands_that_send_protobuf_work(kubectl: Kubectl):
    kubectl("create", "serviceaccount", "bot")
    kubectl("create", "secret", "generic", "s", "--from-literal=a=b")
    kubectl("create", "role", "r", "--verb=get,list", "--resource=pods")
    kubectl("create", "rolebinding", "b", "--role=r", "--serviceaccount=x:bot")
    kubectl("create", "deployment", "d", "--image=web:1", "--replicas=0")
    kubectl("create", "job", "j", "--image=web:1", "--", "sleep", "1")

    assert kubectl.json("get", "secret", "s")["data"] == {"a": "Yg=="}
    assert kubectl.json("get", "role", "r")["rules"] == [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}
    ]
    assert kubectl.json("get", "deploy", "d")["spec"]["replicas"] == 0
    container = kubectl.json("get", "job", "j")["spec"]["template"]["spec"]["containers"][0]
    assert container["command"] == ["sleep", "1"]


def test_scale_sets_replicas(kubectl: Kubectl):
    kubectl("create", "deployment", "d", "--image=web:1", "--replicas=0")

    kubectl("scale", "deployment", "d", "--replicas=2")

    assert kubectl.json("get", "deploy", "d")["spec"]["replicas"] == 2


def test_describe_shows_an_object_and_its_events(kubectl: Kubectl, local_api: Api):
    kubectl("create", "-f", "-", stdin=job("j"))
    uid = kubectl.json("get", "job", "j")["metadata"]["uid"]
    about = {
        "kind": "Job",
        "apiVersion": "batch/v1",
        "name": "j",
        "namespace": local_api.namespace,
        "uid": uid,
    }
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "j.1"},
        "involvedObject": about,
        "reason": "Tested",
        "message": "seen by describe",
        "type": "Normal",
    }
    assert local_api.post("events", event).status == 201

    told = kubectl("describe", "job", "j")

    assert "seen by describe" in told
    assert "Image:" in told
    assert "Tested" in kubectl("get", "events")


def test_wait_ends_on_a_condition_and_on_deletion(kubectl: Kubectl, local_api: Api):
    kubectl("create", "-f", "-", stdin=job("j"))
    condition = {"type": "Complete", "status": "True"}
    local_api.patch("batch/v1/jobs/j/status", {"status": {"conditions": [condition]}})

    assert "condition met" in kubectl("wait", "--for=condition=Complete", "job/j", "--timeout=20s")
    kubectl("delete", "job", "j")
    kubectl("wait", "--for=delete", "job/j", "--timeout=20s")


def test_explain_knows_fields(kubectl: Kubectl):
    assert "env" in kubectl("explain", "job.spec.template.spec.containers")
    assert "<integer>" in kubectl("explain", "ksvc.spec.template.spec.containerConcurrency")


def test_delete_waits_until_the_object_is_gone(kubectl: Kubectl):
    kubectl("create", "configmap", "a")

    assert "deleted" in kubectl("delete", "cm", "a")
    assert "NotFound" in kubectl("get", "cm", "a", fails=True)


def test_auth_answers_what_one_may(kubectl: Kubectl, local_api: Api):
    assert kubectl("auth", "can-i", "create", "pods") == "yes\n"
    assert "kubernetes-admin" in kubectl("auth", "whoami")
    account = f"system:serviceaccount:{local_api.namespace}:default"
    kubectl("auth", "can-i", "create", "pods", f"--as={account}", fails=True)


def test_a_namespace_can_be_made_and_taken_away(kubectl: Kubectl):
    kubectl("create", "namespace", "from-kubectl")

    kubectl("delete", "namespace", "from-kubectl")

    assert kubectl("get", "namespace", "from-kubectl", "--ignore-not-found") == ""


def test_diff_sees_what_an_apply_would_change(kubectl: Kubectl):
    kubectl("apply", "-f", "-", stdin=configmap("a", k="1"))

    kubectl("diff", "-f", "-", stdin=configmap("a", k="1"))
    kubectl("diff", "-f", "-", stdin=configmap("a", k="2"), fails=True)


def test_exec_is_refused_with_what_to_do_instead(kubectl: Kubectl):
    pod = job("p")["spec"]["template"] | {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}}
    kubectl("create", "-f", "-", stdin=pod)

    assert "pods/exec is not offered by the local platform" in kubectl("exec", "p", "--", "true", fails=True)


def test_an_unknown_kind_is_told_as_such(kubectl: Kubectl):
    assert 'the server doesn\'t have a resource type "nosuch"' in kubectl("get", "nosuch", fails=True)
