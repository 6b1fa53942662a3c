"""The whole path where pods really run: the service's Deployment, a build's Job, its monitor, a function.

Tests use parsers of their own, so that they need no order.
"""

import datetime
import urllib.request

import pytest

from tests.cluster.server import eventually
from tests.node.conftest import FUNCTIONS, REAL_EXECUTOR, REGISTRY
from tests.node.environment import Environment

pytestmark = [pytest.mark.node, pytest.mark.timeout(450)]

CODE_WITH_A_PACKAGE = """\
from semver import Version

def handler(event):
    return str(Version.parse(event["v"]).bump_major())
"""
CODE = "def handler(event):\n    return {'greeting': 'hello, ' + event['name']}\n"
SERVING = "/apis/serving.knative.dev/v1/namespaces/{}/services"
TRIGGERS = "/apis/eventing.knative.dev/v1/namespaces/{}/triggers"


def test_an_event_becomes_a_function_that_answers(environment: Environment) -> None:
    environment.put_code("greeter", parser_py=CODE)

    started = environment.send("build.start", "greeter")
    reported = eventually(lambda: environment.reported("build.complete", "greeter"), seconds=120)

    assert started["status"] == "started"
    assert reported.data["job_name"] == started["job_name"]
    assert reported.data["image_digest"] == digest_in_registry(started["image_uri"])
    assert reported.status == 200
    name = started["service_name"]
    function = environment.get(f"{SERVING}/{name}")["spec"]["template"]
    image = function["spec"]["containers"][0]["image"]
    assert image == f"{REGISTRY}/{FUNCTIONS}@{reported.data['image_digest']}"
    trigger = environment.get(f"{TRIGGERS}/{name}")["spec"]
    assert trigger["subscriber"]["ref"]["name"] == name
    with environment.running(name, function) as url:
        answer = environment.post(url, "parser.start", "greeter", {"name": "cluster"})
    assert answer["result"]["body"] == {"greeting": "hello, cluster"}
    assert environment.read("/functions/tp/greeter")["phase"] == "ready"


@pytest.mark.skipif(not REAL_EXECUTOR, reason="RUN needs a real executor: name a Kaniko in KANIKO_IMAGE")
def test_packages_that_code_asks_for_are_in_its_function(environment: Environment) -> None:
    environment.put_code("packaged", parser_py=CODE_WITH_A_PACKAGE, requirements_txt="semver==3.0.4\n")

    started = environment.send("build.start", "packaged")
    eventually(lambda: environment.reported("build.complete", "packaged"), seconds=180)

    function = environment.get(f"{SERVING}/{started['service_name']}")["spec"]["template"]
    with environment.running(started["service_name"], function) as url:
        answer = environment.post(url, "parser.start", "packaged", {"v": "1.2.3"})
    assert answer["result"]["body"] == "2.0.0"


def test_what_was_built_is_deleted_by_an_event(environment: Environment) -> None:
    environment.put_code("brief", parser_py=CODE)
    started = environment.send("build.start", "brief")
    eventually(lambda: environment.reported("build.complete", "brief"), seconds=120)

    answer = environment.send("service.delete", "brief")

    assert answer["status"] == "deleted"
    name = started["service_name"]
    assert not [path for path in (SERVING, TRIGGERS) if environment.exists(f"{path}/{name}")]
    eventually(lambda: not environment.pods("build", "brief"))


def test_a_build_that_fails_is_reported_by_its_monitor_with_the_log(environment: Environment) -> None:
    environment.put_code("broken", parser_py=CODE, requirements_txt="there-is-no-such-package-here==0\n")

    started = environment.send("build.start", "broken")
    reported = eventually(lambda: environment.reported("build.failed", "broken"), seconds=120)

    assert reported.status == 200
    assert reported.data["job_name"] == started["job_name"]
    assert "RUN python -m pip install" in reported.data["log_tail"]
    assert not environment.exists(f"{SERVING}/{started['service_name']}")
    eventually(lambda: not environment.pods("build", "broken"))


def test_a_build_waits_suspended_for_its_turn_and_its_log_is_followed_to_its_end(
    environment: Environment,
) -> None:
    environment.put_code("followed", parser_py=CODE)
    started = environment.send("build.start", "followed")

    log = environment.log(started["build_id"])

    assert "FROM " in log
    assert f"Pushed {started['image_uri']}@sha256:" in log
    job = environment.get(f"/apis/batch/v1/namespaces/{{}}/jobs/{started['job_name']}")
    told = {one["type"]: (one["status"], one["reason"]) for one in job["status"]["conditions"]}
    assert told["Suspended"] == ("False", "JobResumed")
    assert environment.log(started["build_id"]) == log, "kept as it was"


def test_the_monitor_reports_within_seconds_and_within_its_memory(environment: Environment) -> None:
    environment.put_code("watched", parser_py=CODE)
    environment.send("build.start", "watched")
    reported = eventually(lambda: environment.reported("build.complete", "watched"), seconds=120)

    def ended() -> dict:
        (pod,) = environment.pods("build", "watched")
        states = {item["name"]: item["state"] for item in pod["status"]["containerStatuses"]}
        return states if all("terminated" in state for state in states.values()) else {}

    states = eventually(ended)
    finished = datetime.datetime.fromisoformat(states["kaniko"]["terminated"]["finishedAt"])
    # The kubelet's times are whole seconds.
    assert reported.at - finished.timestamp() < 5
    assert states["cloudevents-sidecar"]["terminated"]["reason"] == "Completed"


def test_the_service_can_do_its_work_and_nothing_else(environment: Environment) -> None:
    """By what its own pod gives it: token, user, files."""
    (pod,) = environment.pods("service")
    inside = environment.run_in(pod, PROBE)

    assert inside == {
        "user": [1000, 1000],
        "written": ["/tmp"],
        "configmaps/absent": 404,
        "secrets": 403,
        "secrets/knative-lambda-state": 403,
        "pods": 200,
        "pods/any": 403,
        "configmaps": 403,
        "other namespaces' jobs": 403,
    }


PROBE = """
import json, os, pathlib, ssl, urllib.error, urllib.request
account = pathlib.Path("/var/run/secrets/kubernetes.io/serviceaccount")
trust = ssl.create_default_context(cafile=account / "ca.crt")
root = "https://" + os.environ["KUBERNETES_SERVICE_HOST"]
def status(path):
    token = {"Authorization": "Bearer " + (account / "token").read_text()}
    try:
        request = urllib.request.Request(root + path, headers=token)
        return urllib.request.urlopen(request, context=trust).status
    except urllib.error.HTTPError as error:
        return error.code
def writable(folder):
    try:
        pathlib.Path(folder, "probe").write_text("")
    except OSError:
        return False
    pathlib.Path(folder, "probe").unlink()
    return True
home = "/api/v1/namespaces/" + (account / "namespace").read_text() + "/"
names = ("configmaps/absent", "secrets", "secrets/knative-lambda-state", "pods", "pods/any", "configmaps")
print(json.dumps({
    "user": [os.getuid(), os.getgid()],
    "written": [folder for folder in ("/", "/app", "/packages", "/tmp") if writable(folder)],
    **{name: status(home + name) for name in names},
    "other namespaces' jobs": status("/apis/batch/v1/namespaces/default/jobs/any"),
}))
"""


def test_the_environment_has_its_network_policies(environment: Environment) -> None:
    """Nothing enforces them on this node; that they say the right thing is tests/components' business."""
    found = environment.get("/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies")["items"]

    names = {policy["metadata"]["name"].removeprefix("knative-lambda-") for policy in found}
    assert names >= {"default-deny", "dns", "functions", "builds", "service"}


def digest_in_registry(image: str) -> str:
    repository, _, tag = image.removeprefix(f"{REGISTRY}/").rpartition(":")
    accept = {"Accept": "application/vnd.oci.image.manifest.v1+json"}
    request = urllib.request.Request(f"http://{REGISTRY}/v2/{repository}/manifests/{tag}", headers=accept)
    with urllib.request.urlopen(request, timeout=10) as response:
        return response.headers["Docker-Content-Digest"]
