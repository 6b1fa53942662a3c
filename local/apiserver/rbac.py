"""Authorization by roles and bindings, read from the store at every question.

Departures: no aggregated cluster roles, and no check that who writes a role holds its rights.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from local.apiserver.kinds import CLUSTERROLE, CLUSTERROLEBINDING, ROLE, ROLEBINDING
from local.apiserver.store import Store
from local.apiserver.tokens import User

OPEN_TO_ALL = frozenset({"selfsubjectaccessreviews", "selfsubjectrulesreviews", "selfsubjectreviews"})
"""Resources that every authenticated user may create, to ask about itself."""


@dataclass(frozen=True, kw_only=True)
class Attributes:
    """What a request wants: the verb on a resource, or on a path where `path` is set."""

    verb: str
    group: str = ""
    resource: str = ""
    """The plural, with the subresource behind a slash: `pods/log`."""
    namespace: str = ""
    name: str = ""
    path: str = ""


def is_allowed(store: Store, user: User, request: Attributes) -> bool:
    """Say whether any rule that is bound to the user allows the request."""
    if user.is_admin or (request.verb == "create" and request.resource in OPEN_TO_ALL):
        return True
    return any(_covers(rule, request) for rule in rules_of(store, user, request.namespace))


def rules_of(store: Store, user: User, namespace: str) -> Iterator[dict[str, Any]]:
    """Yield the rules bound to a user, cluster-wide and in a namespace."""
    for entry in store.storage.entries(CLUSTERROLEBINDING):
        yield from _bound_rules(store, user, entry.object, "")
    if namespace:
        for entry in store.storage.entries(ROLEBINDING, namespace):
            yield from _bound_rules(store, user, entry.object, namespace)


def denial(user: User, request: Attributes) -> str:
    """Return the reason of a refusal, as the real server words it."""
    if request.path:
        return f'User "{user.name}" cannot {request.verb} path "{request.path}"'
    where = f'in the namespace "{request.namespace}"' if request.namespace else "at the cluster scope"
    return (
        f'User "{user.name}" cannot {request.verb} resource "{request.resource}" '
        f'in API group "{request.group}" {where}'
    )


def _bound_rules(
    store: Store, user: User, binding: dict[str, Any], namespace: str
) -> Iterator[dict[str, Any]]:
    if not any(_is_subject(subject, user, namespace) for subject in binding.get("subjects") or ()):
        return
    reference = binding["roleRef"]
    kind, where = (ROLE, namespace) if reference["kind"] == "Role" else (CLUSTERROLE, "")
    role = store.storage.find(kind, where, reference["name"])
    if role is not None:
        yield from role.object.get("rules") or ()


def _is_subject(subject: dict[str, Any], user: User, namespace: str) -> bool:
    if subject["kind"] == "ServiceAccount":
        owner = subject.get("namespace") or namespace
        return user.name == f"system:serviceaccount:{owner}:{subject['name']}"
    if subject["kind"] == "Group":
        return subject["name"] in user.groups
    return bool(subject["name"] == user.name)


def _covers(rule: dict[str, Any], request: Attributes) -> bool:
    if not _has(rule.get("verbs"), request.verb):
        return False
    if request.path:
        return any(_path_matches(pattern, request.path) for pattern in rule.get("nonResourceURLs") or ())
    names = rule.get("resourceNames")
    return (
        _has(rule.get("apiGroups"), request.group)
        and _has_resource(rule.get("resources") or (), request.resource)
        and (not names or request.name in names)
    )


def _has(allowed: Sequence[str] | None, wanted: str) -> bool:
    return allowed is not None and ("*" in allowed or wanted in allowed)


def _has_resource(allowed: Sequence[str], wanted: str) -> bool:
    subresource = wanted.partition("/")[2]
    return "*" in allowed or wanted in allowed or (bool(subresource) and f"*/{subresource}" in allowed)


def _path_matches(pattern: str, path: str) -> bool:
    return pattern in ("*", path) or (pattern.endswith("*") and path.startswith(pattern[:-1]))
