"""Errors of the API, each one a `Status` object that goes to the caller as it is.

The texts follow the real server's, because clients and people match on them. Every function returns an
`ApiError` to raise; none has a side effect.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from local.apiserver.kinds import Kind


@dataclass(frozen=True)
class Cause:
    """One entry of `details.causes`: why (`FieldValueRequired`, ...), what in words, and the field's path."""

    reason: str
    message: str
    field: str

    def as_dict(self) -> dict[str, str]:
        """Return the cause as it is sent."""
        return {"reason": self.reason, "message": self.message, "field": self.field}


class ApiError(Exception):
    """A request that is answered with a Status of `code` (HTTP) and `reason` (machine-readable)."""

    def __init__(self, code: int, reason: str, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details

    def status(self) -> dict[str, Any]:
        """Return the error as a v1 Status object."""
        body: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            body["reason"] = self.reason
        if self.details is not None:
            body["details"] = self.details
        body["code"] = self.code
        return body


def details(kind: Kind, name: str = "", *, uses_kind: bool = False, **more: Any) -> dict[str, Any]:
    """Return a Status's `details` about an object, which names its resource or, in some answers, its kind."""
    result: dict[str, Any] = {"name": name} if name else {}
    if kind.group:
        result["group"] = kind.group
    result["kind"] = kind.kind if uses_kind else kind.plural
    return result | more


def not_found(kind: Kind, name: str) -> ApiError:
    """Return the 404 of an object that does not exist."""
    return ApiError(404, "NotFound", f'{kind.resource} "{name}" not found', details(kind, name))


def path_not_found() -> ApiError:
    """Return the 404 of a path or a kind that the server does not serve."""
    return ApiError(404, "NotFound", "the server could not find the requested resource", {})


def already_exists(kind: Kind, name: str) -> ApiError:
    """Return the 409 of a create under a name that is taken."""
    return ApiError(409, "AlreadyExists", f'{kind.resource} "{name}" already exists', details(kind, name))


def conflict(kind: Kind, name: str, why: str) -> ApiError:
    """Return the 409 of a write that lost against another one, or whose precondition does not hold."""
    text = f'Operation cannot be fulfilled on {kind.resource} "{name}": {why}'
    return ApiError(409, "Conflict", text, details(kind, name))


def stale(kind: Kind, name: str) -> ApiError:
    """Return the 409 of a write that carries an old resourceVersion."""
    return conflict(
        kind,
        name,
        "the object has been modified; please apply your changes to the latest version and try again",
    )


def apply_conflict(causes: Sequence[Cause]) -> ApiError:
    """Return the 409 of a server-side apply that would take fields from other managers."""
    plural = "s" if len(causes) > 1 else ""
    text = f"Apply failed with {len(causes)} conflict{plural}: {_conflict_text(causes)}"
    return ApiError(409, "Conflict", text, {"causes": [cause.as_dict() for cause in causes]})


def _conflict_text(causes: Sequence[Cause]) -> str:
    if len(causes) == 1:
        return f"{causes[0].message}: {causes[0].field}"
    managers: dict[str, list[str]] = {}
    for cause in causes:
        managers.setdefault(cause.message, []).append(f"- {cause.field}")
    lines: list[str] = []
    for message, fields in managers.items():
        lines += [f"{message.replace('conflict', 'conflicts', 1)}:", *fields]
    return "\n".join(lines)


def invalid(kind: Kind, name: str, causes: Sequence[Cause]) -> ApiError:
    """Return the 422 of an object that breaks the rules of its kind; all causes at once."""
    texts = [f"{cause.field}: {cause.message}" for cause in causes]
    shown = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    text = f'{kind.kind}{"." + kind.group if kind.group else ""} "{name}" is invalid: {shown}'
    info = details(kind, name, uses_kind=True, causes=[cause.as_dict() for cause in causes])
    return ApiError(422, "Invalid", text, info)


def bad_request(message: str) -> ApiError:
    """Return the 400 of a request that cannot be understood."""
    return ApiError(400, "BadRequest", message)


def forbidden(kind: Kind, name: str, why: str, causes: Sequence[Cause] = ()) -> ApiError:
    """Return the 403 of a request that the caller may not make, or that the state of things forbids."""
    text = f'{kind.resource} "{name}" is forbidden: {why}' if name else f"{kind.resource} is forbidden: {why}"
    info = details(kind, name)
    if causes:
        info["causes"] = [cause.as_dict() for cause in causes]
    return ApiError(403, "Forbidden", text, info)


def unauthorized() -> ApiError:
    """Return the 401 of a request without a known token."""
    return ApiError(401, "Unauthorized", "Unauthorized")


def expired(message: str) -> ApiError:
    """Return the 410 of a watch or a continued list whose resourceVersion is no longer kept."""
    return ApiError(410, "Expired", message)


def method_not_allowed(kind: Kind) -> ApiError:
    """Return the 405 of a verb that the resource does not have."""
    text = "the server does not allow this method on the requested resource"
    return ApiError(405, "MethodNotAllowed", text, details(kind))


def not_implemented(what: str) -> ApiError:
    """Return the 501 of what the local platform leaves out; `what` says it and what to do instead."""
    return ApiError(501, "NotImplemented", what)
