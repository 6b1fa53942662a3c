"""Who may do what: tokens, roles and bindings."""

import secrets
from typing import Any

import pytest

from local_apiserver.client import Answer, Api, configmap, until

RBAC = "rbac.authorization.k8s.io/v1"


@pytest.fixture
def bot(api: Api) -> Api:
    """A service account of its own, by a requested token."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "bot"}}
    assert api.post("serviceaccounts", account).status == 201
    request = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"expirationSeconds": 3600},
    }
    answer = api.post("serviceaccounts/bot/token", request)
    assert answer.status == 201
    assert answer.body["status"]["expirationTimestamp"]
    return api.as_token(answer.body["status"]["token"])


def _allow(api: Api, **rule: list[str]) -> None:
    role = {
        "apiVersion": RBAC,
        "kind": "Role",
        "metadata": {"name": "r"},
        "rules": [{"apiGroups": [""], **rule}],
    }
    subject = {"kind": "ServiceAccount", "name": "bot", "namespace": api.namespace}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"}
    binding = {
        "apiVersion": RBAC,
        "kind": "RoleBinding",
        "metadata": {"name": "b"},
        "roleRef": reference,
        "subjects": [subject],
    }
    assert api.post(f"{RBAC}/roles", role).status == 201
    assert api.post(f"{RBAC}/rolebindings", binding).status == 201
    until(lambda: _may(api, rule["verbs"][0], rule["resources"][0]), lambda allowed: allowed)


def _may(api: Api, verb: str, resource: str) -> bool:
    """A real server reads roles from a cache that lags a moment behind."""
    attributes = {"verb": verb, "resource": resource, "namespace": api.namespace, "name": "a"}
    user = f"system:serviceaccount:{api.namespace}:bot"
    return _review(api, "SubjectAccessReview", {"user": user, "resourceAttributes": attributes}).body[
        "status"
    ]["allowed"]


def _review(api: Api, kind: str, spec: dict[str, Any]) -> Answer:
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": kind, "spec": spec}
    return api.post(f"/apis/authorization.k8s.io/v1/{kind.lower()}s", body)


def test_an_unknown_token_is_a_401(api: Api):
    answer = api.as_token("no-such-token").get("configmaps")

    assert answer.status == 401
    assert answer.body["message"] == "Unauthorized"
    assert answer.body["reason"] == "Unauthorized"


def test_without_a_token_nothing_is_to_be_had_but_health_and_version(local_api: Api):
    anonymous = local_api.as_token("")

    assert anonymous.get("configmaps").status == 401
    assert anonymous.get("/api").status == 401
    for path in ("/healthz", "/livez", "/readyz"):
        assert anonymous.get(path).body == "ok"
    assert anonymous.get("/version").body["major"] == "1"


def test_a_service_account_may_nothing_at_first(bot: Api):
    answer = bot.get("configmaps/a")

    who = f"system:serviceaccount:{bot.namespace}:bot"
    assert answer.status == 403
    assert answer.body["reason"] == "Forbidden"
    assert answer.body["message"] == (
        f'configmaps "a" is forbidden: User "{who}" cannot get resource "configmaps" in API group "" '
        f'in the namespace "{bot.namespace}"'
    )
    assert answer.body["details"] == {"name": "a", "kind": "configmaps"}


def test_a_cluster_scoped_refusal_says_so(bot: Api):
    answer = bot.get("/api/v1/namespaces")

    assert answer.status == 403
    assert answer.body["message"].endswith(
        'cannot list resource "namespaces" in API group "" at the cluster scope'
    )


def test_a_bound_role_allows_its_verbs_on_its_resources_only(api: Api, bot: Api):
    _allow(api, resources=["configmaps"], verbs=["get", "list"])
    api.post("configmaps", configmap("a"))

    assert bot.get("configmaps/a").status == 200
    assert bot.get("configmaps").status == 200
    assert bot.get("secrets").status == 403
    assert bot.delete("configmaps/a").status == 403
    assert bot.post("configmaps", configmap("b")).status == 403
    assert bot.get("/api/v1/namespaces/default/configmaps").status == 403


def test_resource_names_narrow_a_rule(api: Api, bot: Api):
    _allow(api, resources=["configmaps"], resourceNames=["a"], verbs=["get"])
    api.post("configmaps", configmap("a"))
    api.post("configmaps", configmap("b"))

    assert bot.get("configmaps/a").status == 200
    assert bot.get("configmaps/b").status == 403


def test_a_subresource_needs_its_own_rule(api: Api, bot: Api):
    _allow(api, resources=["pods"], verbs=["get"])

    answer = bot.get("pods/p/log")

    assert answer.status == 403
    assert 'cannot get resource "pods/log" in API group ""' in answer.body["message"]


def test_watching_is_a_verb_of_its_own(api: Api, bot: Api):
    _allow(api, resources=["configmaps"], verbs=["list"])

    assert bot.get("configmaps").status == 200
    assert bot.get("configmaps", watch="1", timeoutSeconds="1").status == 403


def test_a_cluster_role_may_be_bound_across_the_cluster(api: Api, bot: Api):
    name = f"contract-{secrets.token_hex(4)}"
    rule = {"apiGroups": ["*"], "resources": ["namespaces"], "verbs": ["get"]}
    role = {"apiVersion": RBAC, "kind": "ClusterRole", "metadata": {"name": name}, "rules": [rule]}
    binding = {
        "apiVersion": RBAC,
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
        "subjects": [
            {
                "kind": "Group",
                "apiGroup": "rbac.authorization.k8s.io",
                "name": f"system:serviceaccounts:{api.namespace}",
            }
        ],
    }
    root = f"/apis/{RBAC}"
    api.post(f"{root}/clusterroles", role)
    api.post(f"{root}/clusterrolebindings", binding)

    try:
        bot.until("/api/v1/namespaces/default", lambda answer: answer.status == 200)
    finally:
        api.delete(f"{root}/clusterrolebindings/{name}")
        api.delete(f"{root}/clusterroles/{name}")
    bot.until("/api/v1/namespaces/default", lambda answer: answer.status == 403)


def test_an_account_can_ask_what_it_may(api: Api, bot: Api):
    _allow(api, resources=["configmaps"], verbs=["get"])

    def asked(verb: str) -> bool:
        attributes = {"verb": verb, "resource": "configmaps", "namespace": api.namespace}
        answer = _review(bot, "SelfSubjectAccessReview", {"resourceAttributes": attributes})
        assert answer.status == 201
        return answer.body["status"]["allowed"]

    assert asked("get") is True
    assert asked("delete") is False


def test_only_the_administrator_can_ask_what_others_may(api: Api, bot: Api):
    _allow(api, resources=["configmaps"], verbs=["get"])

    assert _may(api, "get", "configmaps") is True
    assert _may(api, "delete", "configmaps") is False
    assert _review(bot, "SubjectAccessReview", {"user": "x"}).status == 403


def test_a_token_says_who_it_is(api: Api, bot: Api):
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": bot.token}}

    answer = api.post("/apis/authentication.k8s.io/v1/tokenreviews", body)

    assert answer.body["status"]["authenticated"] is True
    assert answer.body["status"]["user"]["username"] == f"system:serviceaccount:{api.namespace}:bot"


def test_a_token_for_an_account_that_is_not_there_is_a_404(api: Api):
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}

    assert api.post("serviceaccounts/nobody/token", request).status == 404


def test_the_administrator_may_act_as_another(api: Api):
    headers = {"Authorization": f"Bearer {api.token}", "Impersonate-User": "somebody"}

    reply = api.pool.request("GET", api.url + api.path("configmaps"), headers=headers)

    assert reply.status == 403
    assert b'User \\"somebody\\" cannot list resource' in reply.data


def test_tokens_of_a_pod_can_be_revoked(local_api: Api, running):
    tokens = running.server.tokens
    token = tokens.mint(local_api.namespace, "default", "pod-uid")
    assert tokens.authenticate(token).name == f"system:serviceaccount:{local_api.namespace}:default"

    tokens.revoke_pod("pod-uid")

    assert tokens.authenticate(token) is None


def test_a_token_is_good_for_its_lifetime_only(running):
    tokens = running.server.tokens

    assert tokens.authenticate(tokens.mint("default", "default", lifetime_seconds=0)) is None
    assert tokens.authenticate(tokens.mint("default", "default", lifetime_seconds=60)) is not None
