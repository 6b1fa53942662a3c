"""Bearer tokens: who a request comes from.

Departure from a real server: tokens are random strings known to this process, not signed JWTs; clients that
look into a token find nothing.
"""

import secrets
import time
from dataclasses import dataclass

MASTERS = "system:masters"


@dataclass(frozen=True)
class User:
    """An authenticated caller."""

    name: str
    groups: tuple[str, ...] = ()

    @property
    def is_admin(self) -> bool:
        """Whether the caller may do everything."""
        return MASTERS in self.groups


def service_account_user(namespace: str, name: str) -> User:
    """Return the user that a service account's tokens stand for."""
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated")
    return User(f"system:serviceaccount:{namespace}:{name}", groups)


def named_user(name: str, groups: tuple[str, ...] = ()) -> User:
    """Return a user by name, with the groups that every user or service account of that name is in."""
    match name.split(":"):
        case ["system", "serviceaccount", namespace, account]:
            return service_account_user(namespace, account)
        case _:
            return User(name, (*groups, "system:authenticated"))


@dataclass(frozen=True)
class _Grant:
    user: User
    pod_uid: str
    expires: float


class Tokens:
    """The known tokens: the administrator's, and those minted for service accounts."""

    def __init__(self, admin_token: str = "") -> None:
        self.admin_token = admin_token or secrets.token_urlsafe(24)
        self._admin = User("kubernetes-admin", (MASTERS, "system:authenticated"))
        self._grants: dict[str, _Grant] = {}

    def mint(
        self,
        namespace: str,
        service_account: str,
        pod_uid: str = "",
        *,
        lifetime_seconds: float | None = None,
    ) -> str:
        """Return a new token of a service account; without a lifetime it is good until it is revoked."""
        token = secrets.token_urlsafe(24)
        expires = time.monotonic() + lifetime_seconds if lifetime_seconds is not None else float("inf")
        self._grants[token] = _Grant(service_account_user(namespace, service_account), pod_uid, expires)
        return token

    def authenticate(self, token: str) -> User | None:
        """Return whose token it is, None for an unknown or expired one."""
        if secrets.compare_digest(token.encode(), self.admin_token.encode()):
            return self._admin
        grant = self._grants.get(token)
        if grant is None or grant.expires > time.monotonic():
            return grant.user if grant else None
        del self._grants[token]
        return None

    def revoke_pod(self, pod_uid: str) -> None:
        """Forget the tokens that were minted for a pod; the node calls it when the pod is gone."""
        self._grants = {token: grant for token, grant in self._grants.items() if grant.pod_uid != pod_uid}
