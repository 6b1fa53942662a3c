"""Whole environments on a real API server, and what the guards of one refuse there.

Admission policies and accounts are tried in a namespace with a random name and no pod security level, so that
what refuses a pod is ours. Nothing is stored but the environments themselves: pods are dry runs.
"""

import copy
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
import pytest
from pulumi_kubernetes.core.v1 import Namespace, ServiceAccount

from components import naming
from components.access import Access, AccessArgs
from components.admission import Admission, AdmissionArgs
from components.build import BuildArgs
from components.function import FunctionArgs
from components.manifests import function, kaniko
from components.platform import Platform
from components.settings import PlatformSettings
from engine import Engine, FileBackend, StackRef
from engine.kubernetes import KubernetesProviders
from tests.cluster.server import Manifest, Refused, Server, declared_objects

pytestmark = pytest.mark.cluster

REGISTRIES = ("registry.test", "gcr.io/knative-releases")
POLICIES = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
BINDINGS = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings"


def eventually(probe: Callable[[], Any], seconds: float = 60) -> Any:
    """Ask until the answer is true."""
    deadline = time.monotonic() + seconds
    while not (answer := probe()):
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.2)
    return answer


def refusal(server: Server, manifest: Manifest, token: str = "") -> str:
    """The server's reasons against an object; empty if it would take it."""
    try:
        server.would_create(manifest, token)
    except Refused as error:
        return str(error)
    return ""


def function_objects(namespace: str) -> tuple[Manifest, Manifest]:
    """A function's Knative Service, and the pod that Knative would make of its template."""
    args = FunctionArgs(
        function_name="lambda-tp-p",
        namespace=namespace,
        third_party_id="tp",
        parser_id="p",
        image="registry.test/knative-lambdas@sha256:" + "a" * 64,
        broker="broker",
        broker_url="http://broker",
    )
    service = function.knative_service(args)
    template = service["spec"]["template"]
    keep = {
        "serviceAccountName",
        "automountServiceAccountToken",
        "enableServiceLinks",
        "containers",
        "volumes",
    }
    spec = {key: value for key, value in template["spec"].items() if key in keep}
    spec["containers"] = [*spec["containers"], queue_proxy()]
    return service, pod(namespace, "function", template["metadata"]["labels"], spec)


def queue_proxy() -> Manifest:
    """Knative's sidecar (serving, pkg/reconciler/revision/resources/queue.go), which names no limits."""
    return {
        "name": "queue-proxy",
        "image": "gcr.io/knative-releases/knative.dev/serving/cmd/queue@sha256:" + "b" * 64,
        "ports": [{"name": "queue-port", "containerPort": 8012}],
        "resources": {"requests": {"cpu": "25m"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }


def build_objects(namespace: str) -> tuple[Manifest, Manifest]:
    """A build's Job, and the pod that the Job controller would make of its template."""
    args = BuildArgs(
        job_name="kaniko-build-tp-p-00000000",
        namespace=namespace,
        third_party_id="tp",
        parser_id="p",
        build_id="b",
        content_hash="c" * 64,
        context_bucket="bucket",
        context_key="key",
        image="registry.test/i:1",
        cache_repository="registry.test/cache",
        executor_image="registry.test/kaniko:1",
        monitor_image="registry.test/monitor:1",
        broker_url="http://broker",
        region="us-west-2",
        correlation_id="c",
    )
    job = kaniko.job(args)
    template = job["spec"]["template"]
    return job, pod(namespace, "build", template["metadata"]["labels"], template["spec"])


def pod(namespace: str, name: str, labels: dict[str, str], spec: Manifest) -> Manifest:
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


@dataclass(frozen=True)
class Environment:
    name: str
    up: Callable[..., dict[str, int]]
    destroy: Callable[[], object]
    state: Path
    stack: StackRef


@pytest.fixture(scope="module")
def server(real_kubeconfig: str, crds: None) -> Server:
    return Server(real_kubeconfig)


@pytest.fixture(scope="module", params=["stg", "prd"])
def environment(
    request: pytest.FixtureRequest,
    real_kubeconfig: str,
    server: Server,
    shared_providers: KubernetesProviders,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Environment]:
    """An environment's stack, up; destroyed afterwards."""
    state = tmp_path_factory.mktemp(request.param)
    engine = Engine(FileBackend(str(state)), {"kubernetes": shared_providers})
    stack, config = StackRef("knative-lambda", request.param), {"kubernetes:kubeconfig": real_kubeconfig}

    def up(**settings: str) -> dict[str, int]:
        given = PlatformSettings.parse(
            {"environment": request.param, "allowedRegistries": ",".join(REGISTRIES), **settings}
        )
        return engine.up(stack, lambda: Platform("platform", given), config=config).changes

    def destroy() -> object:
        return engine.destroy(stack, config=config)

    up()
    yield Environment(request.param, up, destroy, state, stack)
    destroy()


@pytest.fixture(scope="module")
def guarded(
    real_kubeconfig: str,
    server: Server,
    shared_providers: KubernetesProviders,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    """A namespace of a random name with accounts and admission policies that are in force."""
    namespace = f"guarded-{uuid.uuid4().hex[:8]}"
    engine = Engine(FileBackend(str(tmp_path_factory.mktemp("g"))), {"kubernetes": shared_providers})
    stack, config = StackRef("guards", namespace), {"kubernetes:kubeconfig": real_kubeconfig}

    def program() -> None:
        made = Namespace("namespace", metadata={"name": namespace})
        after = pulumi.ResourceOptions(depends_on=[made])
        Access("access", AccessArgs(namespace=made.metadata["name"]), after)
        ServiceAccount(
            "function", metadata={"name": "lambda-tp-p", "namespace": made.metadata["name"]}, opts=after
        )
        Admission("admission", AdmissionArgs(namespace=namespace, allowed_registries=REGISTRIES), after)

    engine.up(stack, program, config=config)
    token = server.token(namespace, "knative-lambda-builder")
    for component, made in (
        ("function", function_objects(namespace)[1]),
        ("build", build_objects(namespace)[1]),
    ):
        bad = changed(made, lambda spec: spec.update(hostPID=True))
        eventually(
            lambda bad=bad, component=component: f"{component} pod: namespaces" in refusal(server, bad)
        )
    wrong = relabelled(build_objects(namespace)[0], "none-of-ours")
    eventually(lambda: "object: pods labelled" in refusal(server, wrong, token))
    yield namespace
    engine.destroy(stack, config=config)


def changed(made: Manifest, change: Callable[[Manifest], object]) -> Manifest:
    """A copy of a pod whose spec was changed, with limits everywhere."""
    copied = copy.deepcopy(made)
    for container in copied["spec"]["containers"]:
        container["resources"].setdefault("limits", {"cpu": "100m", "memory": "128Mi"})
    change(copied["spec"])
    return copied


def relabelled(manifest: Manifest, component: str) -> Manifest:
    copied = copy.deepcopy(manifest)
    copied["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/component"] = component
    return copied


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


SERVICE, MONITOR, CODE = "knative-lambda-builder", "kaniko-builder", "lambda-tp-p"
APPLIED = [
    ("", "configmaps"),
    ("", "serviceaccounts"),
    ("batch", "jobs"),
    ("serving.knative.dev", "services"),
    ("eventing.knative.dev", "triggers"),
]
MAY = [
    *((SERVICE, verb, *what) for what in APPLIED for verb in ("get", "create", "patch", "delete", "watch")),
    (MONITOR, "get", "", "pods"),
    (MONITOR, "get", "", "pods/log"),
]
MAY_NOT = [
    *((who, verb, "", "secrets") for who in (SERVICE, MONITOR, CODE) for verb in ("get", "list", "create")),
    *(
        (who, verb, "rbac.authorization.k8s.io", what)
        for who in (SERVICE, MONITOR, CODE)
        for what in ("roles", "rolebindings", "clusterroles", "clusterrolebindings")
        for verb in ("create", "patch", "bind", "escalate")
    ),
    *((SERVICE, "deletecollection", *what) for what in APPLIED),
    *((SERVICE, "update", *what) for what in APPLIED),
    (SERVICE, "create", "", "pods"),
    (SERVICE, "create", "", "pods/exec"),
    (SERVICE, "create", "", "serviceaccounts/token"),
    (SERVICE, "impersonate", "", "serviceaccounts"),
    (SERVICE, "patch", "networking.k8s.io", "networkpolicies"),
    (SERVICE, "patch", "", "resourcequotas"),
    (SERVICE, "patch", "", "namespaces"),
    (SERVICE, "patch", "admissionregistration.k8s.io", "validatingadmissionpolicies"),
    (SERVICE, "create", "eventing.knative.dev", "brokers"),
    (SERVICE, "*", "*", "*"),
    (MONITOR, "list", "", "pods"),
    (MONITOR, "create", "", "pods"),
    (MONITOR, "create", "", "pods/exec"),
    (MONITOR, "get", "", "configmaps"),
    (MONITOR, "get", "batch", "jobs"),
    (MONITOR, "create", "batch", "jobs"),
    *(
        (CODE, verb, *what)
        for what in [*APPLIED, ("", "pods")]
        for verb in ("get", "list", "create", "delete")
    ),
]


def may(
    server: Server, account: tuple[str, str], namespace: str, verb: str, group: str, resource: str
) -> bool:
    """What the server's own authorizer says about an account, given by namespace and name."""
    name, _, subresource = resource.partition("/")
    attributes = {"verb": verb, "group": group, "resource": name, "subresource": subresource}
    owner = account[0]
    groups = ["system:serviceaccounts", f"system:serviceaccounts:{owner}", "system:authenticated"]
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": f"system:serviceaccount:{owner}:{account[1]}",
            "groups": groups,
            "resourceAttributes": {**attributes, "namespace": namespace},
        },
    }
    return bool(
        server.call("/apis/authorization.k8s.io/v1/subjectaccessreviews", review)["status"]["allowed"]
    )


@pytest.mark.parametrize(("account", "verb", "group", "resource"), MAY)
def test_an_account_may_do_its_work_and_only_at_home(
    server: Server, guarded: str, account: str, verb: str, group: str, resource: str
) -> None:
    assert may(server, (guarded, account), guarded, verb, group, resource)
    assert not may(server, (guarded, account), "default", verb, group, resource)


@pytest.mark.parametrize(("account", "verb", "group", "resource"), MAY_NOT)
def test_an_account_may_do_nothing_else(
    server: Server, guarded: str, account: str, verb: str, group: str, resource: str
) -> None:
    assert not may(server, (guarded, account), guarded, verb, group, resource)


def test_every_object_of_an_environment_passes_strict_validation(
    server: Server, environment: Environment
) -> None:
    objects = declared_objects(environment.state, environment.stack)

    assert len(objects) == 38
    for manifest in objects:
        server.accepts(manifest)


def test_a_second_update_changes_nothing_and_a_setting_updates_in_place(environment: Environment) -> None:
    assert environment.up().keys() == {"same"}
    assert environment.up(quotaPods="33", apiServerCidr="10.0.0.0/24") | {"same": 0} == {
        "same": 0,
        "update": 3,
    }
    assert environment.up() | {"same": 0} == {"same": 0, "update": 3}


def test_our_pods_fit_into_an_environment_with_all_its_guards(
    server: Server, environment: Environment
) -> None:
    """Quota, defaults, pod security level and admission policies together, on pods as Knative makes them."""
    namespace = naming.namespace(environment.name)
    made = copy.deepcopy(function_objects(namespace)[1])
    made["spec"]["serviceAccountName"] = "default"

    eventually(lambda: refusal(server, made) == "")
    assert refusal(server, build_objects(namespace)[1]) == ""
    sidecar = server.would_create(made)["spec"]["containers"][1]["resources"]
    assert sidecar == {
        "limits": {"cpu": "200m", "memory": "128Mi"},
        "requests": {"cpu": "25m", "memory": "64Mi"},
    }


def test_nothing_leaves_the_cluster_through_a_service_of_its_own(
    server: Server, environment: Environment
) -> None:
    namespace = naming.namespace(environment.name)
    exposed = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "open", "namespace": namespace},
        "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]},
    }

    assert "exceeded quota: knative-lambda-quota" in eventually(lambda: refusal(server, exposed))


def test_destroy_leaves_nothing(server: Server, environment: Environment) -> None:
    """And what was destroyed can be made again, which is what the other tests need of this one."""
    namespace = naming.namespace(environment.name)
    left = [f"/api/v1/namespaces/{namespace}"]
    left += [
        f"{path}/{namespace}-{name}"
        for path in (POLICIES, BINDINGS)
        for name in ("functions", "builds", "labels")
    ]
    assert all(server.exists(path) for path in left)

    environment.destroy()

    remaining = [path for path in left if server.exists(path)]
    environment.up()
    assert remaining == []
