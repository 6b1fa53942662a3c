"""What each account may and may not do, by the authorizer of a real API server."""

import pytest

from tests.cluster.server import Server

pytestmark = pytest.mark.cluster

SERVICE, MONITOR, CODE = "knative-lambda-builder", "kaniko-builder", "lambda-tp-p"
APPLIED = [
    ("", "configmaps"),
    ("", "serviceaccounts"),
    ("batch", "jobs"),
    ("serving.knative.dev", "services"),
    ("eventing.knative.dev", "triggers"),
]
LISTED = [("batch", "jobs"), ("serving.knative.dev", "services")]
"""Builds that nobody reports, and rollouts that are watched, are looked for by their labels."""
MAY = [
    *((SERVICE, verb, *what) for what in APPLIED for verb in ("get", "create", "patch", "delete", "watch")),
    *((SERVICE, "list", *what) for what in LISTED),
    (SERVICE, "list", "", "pods"),
    (SERVICE, "get", "", "pods/log"),
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
    *((SERVICE, "list", *what) for what in APPLIED if what not in LISTED),
    *((SERVICE, verb, "", "pods") for verb in ("get", "watch", "delete", "patch")),
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
