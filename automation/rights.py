"""Which rights an object grants: what a Role allows, who is bound to it, which IAM role an account takes on.

Pure, over plain Kubernetes manifests. What a Role allows and who has it are told apart: a reader of a plan
sees both lines change.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any, Final

_ROLES: Final = frozenset({"Role", "ClusterRole"})
_BINDINGS: Final = frozenset({"RoleBinding", "ClusterRoleBinding"})
_IAM_ROLE: Final = "eks.amazonaws.com/role-arn"


@dataclass(frozen=True)
class Right:
    """Somebody may do something."""

    holder: str
    """A role, or an account."""
    what: str

    def __str__(self) -> str:
        return f"{self.holder}: {self.what}"


def granted(manifest: Mapping[str, Any]) -> Iterator[Right]:
    """Yield the rights that an object grants; other objects than the three kinds grant none."""
    kind = manifest.get("kind")
    holder = f"{kind} {_name(manifest)}"
    if kind in _ROLES:
        for rule in manifest.get("rules") or ():
            yield from (Right(holder, what) for what in _allowed(rule))
    elif kind in _BINDINGS:
        role = manifest.get("roleRef") or {}
        for subject in manifest.get("subjects") or ():
            account = f"{subject.get('kind')} {_name({'metadata': subject})}"
            yield Right(account, f"has {role.get('kind')} {role.get('name')} by {holder}")
    elif kind == "ServiceAccount":
        arn = ((manifest.get("metadata") or {}).get("annotations") or {}).get(_IAM_ROLE)
        if arn:
            yield Right(holder, f"takes on {arn}")


def _allowed(rule: Mapping[str, Any]) -> Iterator[str]:
    """Yield one text for each verb on each resource, so that a wider rule shows what it adds."""
    verbs = rule.get("verbs") or ()
    names = rule.get("resourceNames") or ("",)
    for verb, group, resource, name in product(
        verbs, rule.get("apiGroups") or ("",), rule.get("resources") or (), names
    ):
        of = f"{resource}.{group}" if group else resource
        yield f"{verb} {of}" + (f" named {name}" if name else "")
    yield from (f"{verb} {url}" for verb, url in product(verbs, rule.get("nonResourceURLs") or ()))


def _name(manifest: Mapping[str, Any]) -> str:
    metadata = manifest.get("metadata") or {}
    return "/".join(str(metadata[key]) for key in ("namespace", "name") if metadata.get(key))
