"""Discovery: which groups, versions and resources there are, in the old form and in the aggregated one."""

import functools
from typing import Any

from aiohttp import web

from local.apiserver.kinds import KINDS, POD, SERVICEACCOUNT, Kind
from local.apiserver.replies import json_reply
from local.apiserver.reviews import REVIEWS

VERSION = {
    "major": "1",
    "minor": "34",
    "gitVersion": "v1.34.2+knative-lambda-local",
    "gitCommit": "",
    "gitTreeState": "",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "",
    "compiler": "",
    "platform": "local",
}
VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
STATUS_VERBS = ["get", "patch", "update"]
AGGREGATED = "g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
Document = dict[str, Any]


def document(request: web.BaseRequest) -> web.Response | None:
    """Return the discovery document of a path, None where there is none."""
    path = request.path.rstrip("/")
    accept = request.headers.get("Accept", "").replace(" ", "")
    if path in ("/api", "/apis") and AGGREGATED in accept:
        reply = json_reply(aggregated(core=path == "/api"))
        reply.headers["Content-Type"] = f"application/json;{AGGREGATED}"
        return reply
    found = plain(path)
    return json_reply(found) if found is not None else None


@functools.cache
def plain(path: str) -> Document | None:
    """Return the unaggregated document of a path without trailing slash, None where there is none."""
    if path == "":
        return {
            "paths": ["/api", "/api/v1", "/apis", "/healthz", "/livez", "/openapi/v3", "/readyz", "/version"]
        }
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
    if path == "/apis":
        groups = [_group(name) for name in _groups() if name]
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
    parts = path.strip("/").split("/")
    if parts[0] == "apis" and len(parts) == 2 and parts[1] in _groups():
        return {"kind": "APIGroup", "apiVersion": "v1", **_group(parts[1])}
    return _resource_list(parts)


def _resource_list(parts: list[str]) -> Document | None:
    group, version = ("", parts[1]) if parts[0] == "api" and len(parts) == 2 else ("", "")
    if parts[0] == "apis" and len(parts) == 3:
        group, version = parts[1], parts[2]
    kinds = _kinds(group, version)
    resources = [item for kind in kinds for item in _resources(kind)] + _review_resources(group, version)
    if not resources:
        return None
    name = f"{group}/{version}" if group else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": name, "resources": resources}


def aggregated(*, core: bool) -> Document:
    """Return the aggregated discovery of the core group, or of all others."""
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": [_aggregated_group(name) for name in _groups() if (name == "") is core],
    }


@functools.cache
def _groups() -> dict[str, list[str]]:
    """Return the versions of each group, in the order of the registry."""
    groups: dict[str, list[str]] = {}
    served = [(kind.group, kind.version) for kind in KINDS] + [(item.group, item.version) for item in REVIEWS]
    for group, version in served:
        versions = groups.setdefault(group, [])
        if version not in versions:
            versions.append(version)
    return groups


def _group(name: str) -> Document:
    versions = [{"groupVersion": f"{name}/{version}", "version": version} for version in _groups()[name]]
    return {"name": name, "versions": versions, "preferredVersion": versions[0]}


def _kinds(group: str, version: str) -> list[Kind]:
    return [kind for kind in KINDS if (kind.group, kind.version) == (group, version)]


def _resources(kind: Kind) -> list[Document]:
    base: Document = {
        "name": kind.plural,
        "singularName": kind.singular,
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": VERBS,
    }
    if kind.short_names:
        base["shortNames"] = list(kind.short_names)
    if kind.categories:
        base["categories"] = list(kind.categories)
    return [base, *(_subresource(kind, *row) for row in _subresources(kind))]


def _subresources(kind: Kind) -> list[tuple[str, str, list[str]]]:
    """Return (name, kind, verbs) of a kind's subresources."""
    rows = [("status", kind.kind, STATUS_VERBS)] if kind.status else []
    if kind.scale:
        rows.append(("scale", "Scale", STATUS_VERBS))
    if kind is POD:
        rows.append(("log", "Pod", ["get"]))
    if kind is SERVICEACCOUNT:
        rows.append(("token", "TokenRequest", ["create"]))
    return rows


def _subresource(kind: Kind, name: str, kind_name: str, verbs: list[str]) -> Document:
    return {
        "name": f"{kind.plural}/{name}",
        "singularName": "",
        "namespaced": kind.namespaced,
        "kind": kind_name,
        "verbs": verbs,
        **_foreign(kind_name),
    }


def _foreign(kind_name: str) -> Document:
    """Return the group and version of subresource objects that are of another group than their parent."""
    homes = {"Scale": ("autoscaling", "v1"), "TokenRequest": ("authentication.k8s.io", "v1")}
    if kind_name not in homes:
        return {}
    group, version = homes[kind_name]
    return {"group": group, "version": version}


def _review_resources(group: str, version: str) -> list[Document]:
    return [
        {
            "name": item.plural,
            "singularName": item.kind.lower(),
            "namespaced": item.namespaced,
            "kind": item.kind,
            "verbs": ["create"],
        }
        for item in REVIEWS
        if (item.group, item.version) == (group, version)
    ]


def _aggregated_group(name: str) -> Document:
    versions = [
        {"version": version, "resources": _aggregated_resources(name, version), "freshness": "Current"}
        for version in _groups()[name]
    ]
    return {"metadata": {"name": name} if name else {}, "versions": versions}


def _aggregated_resources(group: str, version: str) -> list[Document]:
    resources = [_aggregated_kind(kind) for kind in _kinds(group, version)]
    for item in _review_resources(group, version):
        kind = {"group": group, "version": version, "kind": item["kind"]}
        resources.append(
            _aggregated(item["name"], item["singularName"], kind, item["namespaced"], ["create"])
        )
    return resources


def _aggregated_kind(kind: Kind) -> Document:
    own = {"group": kind.group, "version": kind.version, "kind": kind.kind}
    result = _aggregated(kind.plural, kind.singular, own, kind.namespaced, VERBS)
    if kind.short_names:
        result["shortNames"] = list(kind.short_names)
    if kind.categories:
        result["categories"] = list(kind.categories)
    subresources = [
        {"subresource": name, "responseKind": own | {"kind": kind_name} | _foreign(kind_name), "verbs": verbs}
        for name, kind_name, verbs in _subresources(kind)
    ]
    return result | ({"subresources": subresources} if subresources else {})


def _aggregated(plural: str, singular: str, kind: Document, namespaced: bool, verbs: list[str]) -> Document:
    return {
        "resource": plural,
        "responseKind": kind,
        "scope": "Namespaced" if namespaced else "Cluster",
        "singularResource": singular,
        "verbs": verbs,
    }
