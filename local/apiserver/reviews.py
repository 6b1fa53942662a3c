"""Objects that are only ever posted, to ask something: access reviews, token reviews and token requests."""

import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiohttp import web

from local.apiserver import errors
from local.apiserver.errors import bad_request
from local.apiserver.kinds import SERVICEACCOUNT
from local.apiserver.objects import Object
from local.apiserver.rbac import OPEN_TO_ALL, Attributes, denial, is_allowed, rules_of
from local.apiserver.replies import json_reply
from local.apiserver.requests import Target, read_body
from local.apiserver.tokens import User

if TYPE_CHECKING:
    from local.apiserver.server import ApiServer

DEFAULT_TOKEN_SECONDS = 3600
SHORTEST_TOKEN_SECONDS = 600


@dataclass(frozen=True)
class Review:
    """One kind of question."""

    group: str
    kind: str
    plural: str
    namespaced: bool = False
    version: str = "v1"


_AUTHORIZATION, _AUTHENTICATION = "authorization.k8s.io", "authentication.k8s.io"
REVIEWS = (
    Review(_AUTHENTICATION, "SelfSubjectReview", "selfsubjectreviews"),
    Review(_AUTHENTICATION, "TokenReview", "tokenreviews"),
    Review(_AUTHORIZATION, "LocalSubjectAccessReview", "localsubjectaccessreviews", namespaced=True),
    Review(_AUTHORIZATION, "SelfSubjectAccessReview", "selfsubjectaccessreviews"),
    Review(_AUTHORIZATION, "SelfSubjectRulesReview", "selfsubjectrulesreviews"),
    Review(_AUTHORIZATION, "SubjectAccessReview", "subjectaccessreviews"),
)


def find(path: str) -> Review | None:
    """Return the review that is posted to a path, None where there is none."""
    parts = path.strip("/").split("/")
    for review in REVIEWS:
        if parts[:3] == ["apis", review.group, review.version] and parts[-1] == review.plural:
            return review
    return None


async def answer(server: "ApiServer", user: User, request: web.BaseRequest, review: Review) -> web.Response:
    """Answer a posted review with its status filled in."""
    body = read_body(await request.read(), request.headers.get("Content-Type", ""))
    if not isinstance(body, dict):
        raise bad_request(f"a {review.kind} must be a JSON object")
    if review.plural not in OPEN_TO_ALL:
        attributes = Attributes(verb="create", group=review.group, resource=review.plural)
        if not is_allowed(server.store, user, attributes):
            text = f"{review.plural}.{review.group} is forbidden: {denial(user, attributes)}"
            raise errors.ApiError(403, "Forbidden", text, {"group": review.group, "kind": review.plural})
    status = _status(server, user, review, body.get("spec") or {})
    head = {"kind": review.kind, "apiVersion": f"{review.group}/{review.version}"}
    metadata = body.get("metadata") or {"creationTimestamp": None}
    return json_reply(
        {**head, "metadata": metadata, "spec": body.get("spec") or {}, "status": status}, status=201
    )


def _status(server: "ApiServer", user: User, review: Review, spec: Object) -> Object:
    if review.kind == "SelfSubjectReview":
        return {"userInfo": _info(user)}
    if review.kind == "TokenReview":
        found = server.tokens.authenticate(str(spec.get("token", "")))
        return {"authenticated": True, "user": _info(found)} if found else {"authenticated": False}
    if review.kind == "SelfSubjectRulesReview":
        return _rules(server, user, str(spec.get("namespace", "")))
    asked = user if review.kind == "SelfSubjectAccessReview" else _named_user(spec)
    attributes = _attributes(spec)
    if is_allowed(server.store, asked, attributes):
        return {"allowed": True, "reason": f'RBAC: allowed for "{asked.name}"'}
    return {"allowed": False, "reason": denial(asked, attributes)}


def _info(user: User) -> Object:
    return {"username": user.name, "groups": list(user.groups)}


def _named_user(spec: Object) -> User:
    return User(str(spec.get("user", "")), tuple(spec.get("groups") or ()))


def _attributes(spec: Object) -> Attributes:
    wanted = spec.get("resourceAttributes")
    if wanted is None:
        path = spec.get("nonResourceAttributes") or {}
        return Attributes(verb=path.get("verb", ""), path=path.get("path", ""))
    resource = wanted.get("resource", "")
    if wanted.get("subresource"):
        resource += f"/{wanted['subresource']}"
    return Attributes(
        verb=wanted.get("verb", ""),
        group=wanted.get("group", ""),
        resource=resource,
        namespace=wanted.get("namespace", ""),
        name=wanted.get("name", ""),
    )


def _rules(server: "ApiServer", user: User, namespace: str) -> Object:
    everything = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
    rules: list[Any] = [everything] if user.is_admin else [*rules_of(server.store, user, namespace)]
    return {
        "resourceRules": [rule for rule in rules if rule.get("resources")],
        "nonResourceRules": [rule for rule in rules if rule.get("nonResourceURLs")],
        "incomplete": False,
    }


def request_token(server: "ApiServer", target: Target, body: Object) -> Object:
    """Mint a service account's token for a TokenRequest; return it with the status filled in."""
    server.store.get(SERVICEACCOUNT, target.namespace, target.name)
    spec = body.get("spec") or {}
    seconds = spec.get("expirationSeconds") or DEFAULT_TOKEN_SECONDS
    if seconds < SHORTEST_TOKEN_SECONDS:
        text = f"Invalid value: {seconds}: may not specify a duration less than 10 minutes"
        raise errors.ApiError(
            422,
            "Invalid",
            f'TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: {text}',
        )
    pod_uid = (spec.get("boundObjectRef") or {}).get("uid", "")
    token = server.tokens.mint(target.namespace or "", target.name, pod_uid, lifetime_seconds=seconds)
    expires = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)
    return {
        "kind": "TokenRequest",
        "apiVersion": "authentication.k8s.io/v1",
        "metadata": {"name": target.name, "namespace": target.namespace},
        "spec": {"expirationSeconds": seconds, **spec},
        "status": {"token": token, "expirationTimestamp": expires.strftime("%Y-%m-%dT%H:%M:%SZ")},
    }
