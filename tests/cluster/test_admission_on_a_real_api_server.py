"""What the admission policies of an environment refuse, on a real API server.

The namespace has a random name and no pod security level, so that what refuses a pod is ours.
Pods are dry runs but for one, which goes with the namespace.
"""

import copy
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from tests.cluster.pods import build_objects, changed, function_objects, relabelled
from tests.cluster.server import Manifest, Refused, Server, refusal

pytestmark = pytest.mark.cluster


def of_first(change: Callable[[Manifest], object]) -> Callable[[Manifest], object]:
    return lambda spec: change(spec["containers"][0])


def of_second(change: Callable[[Manifest], object]) -> Callable[[Manifest], object]:
    return lambda spec: change(spec["containers"][1])


def security(**values: Any) -> Callable[[Manifest], object]:
    return lambda container: container["securityContext"].update(values)


def add_volume(**source: Any) -> Callable[[Manifest], object]:
    return lambda spec: spec["volumes"].append({"name": "extra", **source})


def init_container(spec: Manifest) -> None:
    extra = {**copy.deepcopy(spec["containers"][0]), "name": "first", "image": "registry.evil/x:1"}
    spec["initContainers"] = [{key: value for key, value in extra.items() if key != "readinessProbe"}]


FUNCTION, BUILD = "function", "build"
TOKEN = {"sources": [{"serviceAccountToken": {"path": "token"}}]}
REFUSED = [
    pytest.param(
        FUNCTION,
        lambda spec: spec.update(hostNetwork=True, hostIPC=True),
        "function pod: namespaces of the node: hostNetwork, hostIPC; none are allowed; remove these fields",
        id="host-namespaces",
    ),
    pytest.param(
        BUILD, lambda spec: spec.update(hostPID=True), "the node: hostPID; none", id="build-host-pid"
    ),
    pytest.param(
        FUNCTION,
        add_volume(hostPath={"path": "/var/run"}),
        "directories of the node: extra=/var/run; no hostPath volume is allowed; use an emptyDir",
        id="host-path",
    ),
    pytest.param(
        BUILD,
        add_volume(hostPath={"path": "/"}),
        "build pod: directories of the node: extra=/;",
        id="build-host-path",
    ),
    pytest.param(
        FUNCTION,
        of_first(lambda container: container.update(image="docker.io/library/python:3.11")),
        "images of foreign registries: function=docker.io/library/python:3.11;"
        " allowed are gcr.io/knative-releases, registry.test; push the image there, or add its registry",
        id="foreign-registry",
    ),
    pytest.param(
        FUNCTION,
        of_first(lambda container: container.update(image="registry.test.evil/x:1")),
        "function=registry.test.evil/x:1",
        id="registry-that-begins-alike",
    ),
    pytest.param(
        FUNCTION,
        of_first(lambda container: container.update(image="python:3.11")),
        "foreign registries: function=python:3.11",
        id="image-without-a-registry",
    ),
    pytest.param(BUILD, init_container, "foreign registries: first=registry.evil/x:1", id="init-container"),
    pytest.param(
        FUNCTION,
        of_first(lambda container: container["resources"]["limits"].pop("memory")),
        "containers without limits: function; every container needs resources.limits of cpu and memory",
        id="no-memory-limit",
    ),
    pytest.param(
        BUILD,
        of_second(lambda container: container.update(resources={})),
        "containers without limits: cloudevents-sidecar;",
        id="no-limits",
    ),
    pytest.param(
        FUNCTION,
        of_first(security(privileged=True, allowPrivilegeEscalation=True)),
        "privileged containers: function; none are allowed; remove securityContext.privileged",
        id="privileged",
    ),
    pytest.param(
        BUILD,
        of_first(security(privileged=True, allowPrivilegeEscalation=True)),
        "build pod: privileged containers: kaniko;",
        id="privileged-executor",
    ),
    pytest.param(
        FUNCTION,
        of_first(security(allowPrivilegeEscalation=True)),
        "may gain privileges: function; set securityContext.allowPrivilegeEscalation to false",
        id="escalation",
    ),
    pytest.param(
        BUILD,
        of_first(lambda container: container["securityContext"].pop("allowPrivilegeEscalation")),
        "may gain privileges: kaniko;",
        id="escalation-left-open",
    ),
    pytest.param(
        FUNCTION,
        of_first(security(capabilities={"add": ["CHOWN"]})),
        "added capabilities: function=CHOWN; no capability; remove the others",
        id="capability",
    ),
    pytest.param(
        BUILD,
        of_first(security(capabilities={"add": ["CHOWN", "SYS_ADMIN", "NET_RAW"]})),
        "capabilities: kaniko=SYS_ADMIN+NET_RAW; the container kaniko may add CHOWN, DAC_OVERRIDE, FOWNER,",
        id="capability-beyond-kanikos",
    ),
    pytest.param(
        BUILD,
        of_second(security(capabilities={"add": ["CHOWN"]})),
        "added capabilities: cloudevents-sidecar=CHOWN",
        id="kanikos-capability-elsewhere",
    ),
    pytest.param(
        FUNCTION,
        of_first(security(runAsUser=0, runAsNonRoot=False)),
        "containers that may run as root: function; set runAsNonRoot: true and a runAsUser other than 0",
        id="root",
    ),
    pytest.param(
        FUNCTION,
        of_first(lambda container: container.update(securityContext={"allowPrivilegeEscalation": False})),
        "may run as root: function;",
        id="root-left-open",
    ),
    pytest.param(
        BUILD,
        of_second(security(runAsUser=0, runAsNonRoot=False)),
        "may run as root: cloudevents-sidecar; set runAsNonRoot: true and a runAsUser other than 0 in all"
        " containers but kaniko",
        id="root-beside-the-executor",
    ),
    pytest.param(
        FUNCTION,
        lambda spec: spec.pop("automountServiceAccountToken"),
        "pod: automountServiceAccountToken: true; no token may be mounted by default; set it to false",
        id="token",
    ),
    pytest.param(
        BUILD,
        lambda spec: spec.update(automountServiceAccountToken=True),
        "build pod: automountServiceAccountToken: true;",
        id="build-token",
    ),
    pytest.param(
        FUNCTION,
        add_volume(projected=TOKEN),
        "volumes with a service account's token: extra; a function has no access to the API",
        id="projected-token",
    ),
    pytest.param(
        BUILD,
        lambda spec: spec.update(serviceAccountName="knative-lambda-builder"),
        "build pod: service account: knative-lambda-builder; a build runs as kaniko-builder",
        id="services-account",
    ),
]


@pytest.mark.parametrize(("kind", "change", "message"), REFUSED)
def test_a_pod_outside_the_rules_is_refused_with_what_to_do(
    server: Server, guarded: str, kind: str, change: Callable[[Manifest], object], message: str
) -> None:
    (_, made) = function_objects(guarded) if kind == FUNCTION else build_objects(guarded)

    assert message in refusal(server, changed(made, change))


@pytest.mark.parametrize("make", [function_objects, build_objects])
def test_our_own_pods_pass(
    server: Server, guarded: str, make: Callable[[str], tuple[Manifest, Manifest]]
) -> None:
    assert refusal(server, changed(make(guarded)[1], lambda spec: None)) == ""


def test_other_pods_and_other_namespaces_are_none_of_the_policies_business(
    server: Server, guarded: str
) -> None:
    bad = changed(function_objects(guarded)[1], lambda spec: spec.update(hostPID=True))
    unlabelled = {**bad, "metadata": {**bad["metadata"], "labels": {}}}
    elsewhere = {**bad, "metadata": {**bad["metadata"], "namespace": "default"}}
    elsewhere["spec"] = {**bad["spec"], "serviceAccountName": "default"}

    assert "function pod" in refusal(server, bad)
    assert refusal(server, unlabelled) == ""
    assert refusal(server, elsewhere) == ""


def test_a_pod_from_before_a_rule_can_still_be_let_go_but_not_given_another_foreign_image(
    server: Server, guarded: str
) -> None:
    """Finalizers are taken off by updates, which must pass while the spec stays as it is."""
    made = changed(function_objects(guarded)[1], lambda spec: spec["containers"][0].update(image="evil/x:1"))
    path = f"/api/v1/namespaces/{guarded}/pods"
    name = f"old-{uuid.uuid4().hex[:8]}"
    server.call(path, {**made, "metadata": {"name": name, "namespace": guarded}})

    server.patch(f"{path}/{name}", {"metadata": {"labels": made["metadata"]["labels"]}})
    server.patch(f"{path}/{name}", {"metadata": {"annotations": {"touched": "yes"}}})
    another = {"spec": {"containers": [{"name": "function", "image": "evil/x:2"}]}}
    with pytest.raises(Refused, match="foreign registries: function=evil/x:2"):
        server.patch(f"{path}/{name}", another)


def test_the_service_cannot_make_pods_that_escape_the_policies_by_their_labels(
    server: Server, guarded: str
) -> None:
    token = server.token(guarded, "knative-lambda-builder")
    service, job = function_objects(guarded)[0], build_objects(guarded)[0]
    message = (
        "pods labelled app.kubernetes.io/component: {}; knative-lambda-builder makes Jobs labelled build"
    )

    assert refusal(server, service, token) == ""
    assert refusal(server, job, token) == ""
    assert message.format("function") in refusal(server, relabelled(job, "function"), token)
    assert message.format("other") in refusal(server, relabelled(service, "other"), token)
    unlabelled = copy.deepcopy(job)
    unlabelled["spec"]["template"]["metadata"] = {}
    assert message.format("none") in refusal(server, unlabelled, token)
    assert refusal(server, relabelled(job, "function")) == ""
