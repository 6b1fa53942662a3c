"""What each HTTP verb does on a resource: from a request and its target to store calls and a reply."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from aiohttp import web

from local.apiserver import errors, objects, podlogs, reviews, scale
from local.apiserver.errors import ApiError, bad_request
from local.apiserver.kinds import NAMESPACE, POD, SERVICEACCOUNT
from local.apiserver.objects import Object
from local.apiserver.replies import json_reply, list_body, object_body, raw_reply, transform
from local.apiserver.requests import Target, bad_option, patch_type, read_body, write_options
from local.apiserver.storage import Entry
from local.apiserver.streams import stream_gone, stream_watch
from local.apiserver.validation.fields import bad, disallowed
from local.apiserver.watch import Watch

if TYPE_CHECKING:
    from local.apiserver.server import ApiServer

CONNECTING = frozenset(
    {"exec", "attach", "portforward", "proxy", "eviction", "ephemeralcontainers", "binding"}
)
"""Subresources that need a real node."""


class Handlers:
    """The verbs. One object per server; it knows the watches that are open."""

    def __init__(self, server: "ApiServer") -> None:
        self._server = server
        self._store = server.store
        self._watches: set[Watch] = set()

    @property
    def open_watches(self) -> int:
        """How many watches are open."""
        return len(self._watches)

    def close_watches(self) -> None:
        """End every open watch; the server stops."""
        for watch in tuple(self._watches):
            watch.close()

    async def resource(self, request: web.BaseRequest, target: Target) -> web.StreamResponse:
        """Answer a request on an object, a collection or a subresource."""
        if target.subresource not in ("", "status"):
            return await self._subresource(request, target)
        if target.subresource and not target.kind.status and target.kind is not NAMESPACE:
            raise errors.path_not_found()
        method = request.method
        if not target.name:
            if method in ("GET", "HEAD"):
                return await self._collection(request, target)
            if method == "POST":
                return await self._create(request, target)
            if method == "DELETE":
                return await self._delete_collection(request, target)
            raise errors.method_not_allowed(target.kind)
        if method in ("GET", "HEAD"):
            return self._get(request, target)
        if method == "PUT":
            return await self._update(request, target)
        if method == "PATCH":
            return await self._patch(request, target)
        if method == "DELETE" and not target.subresource:
            return await self._delete(request, target)
        raise errors.method_not_allowed(target.kind)

    def _get(self, request: web.BaseRequest, target: Target) -> web.StreamResponse:
        entry = self._store.entry(target.kind, target.namespace, target.name)
        shape = transform(request.headers.get("Accept", ""))
        return raw_reply(
            object_body(target.kind, entry, shape, request.query.get("includeObject", "Metadata"))
        )

    async def _collection(self, request: web.BaseRequest, target: Target) -> web.StreamResponse:
        query = request.query
        labels, fields = query.get("labelSelector", ""), query.get("fieldSelector", "")
        revision = query.get("resourceVersion", "")
        shape = transform(request.headers.get("Accept", ""))
        include = query.get("includeObject", "Metadata")
        if query.get("watch") in ("1", "true"):
            return await self._watch(request, target)
        if revision.isdecimal() and int(revision) > self._store.storage.revision:
            text = f"Too large resource version: {revision}, current: {self._store.storage.revision}"
            raise ApiError(504, "Timeout", text, {"retryAfterSeconds": 1})
        entries = self._store.entries(target.kind, target.namespace, labels=labels, fields=fields)
        return raw_reply(list_body(target.kind, entries, self._store.storage.revision, shape, include))

    async def _watch(self, request: web.BaseRequest, target: Target) -> web.StreamResponse:
        query = request.query
        if query.get("sendInitialEvents"):
            text = "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled"
            raise bad_option("ListOptions", disallowed("sendInitialEvents", text))
        try:
            watch = self._store.watch(
                target.kind,
                target.namespace,
                since=query.get("resourceVersion") or None,
                labels=query.get("labelSelector", ""),
                fields=query.get("fieldSelector", ""),
            )
        except ApiError as error:
            if error.code != 410:
                raise
            return await stream_gone(request, error)
        self._watches.add(watch)
        try:
            return await stream_watch(request, target.kind, watch, self._store.storage)
        finally:
            watch.close()
            self._watches.discard(watch)

    async def _create(self, request: web.BaseRequest, target: Target) -> web.StreamResponse:
        body = await self._object(request)
        options = write_options(request.query, request.headers.get("User-Agent", ""))
        objects.check_identity(target.kind, body, target.namespace, None)
        if target.kind.namespaced and target.namespace is None:
            raise errors.method_not_allowed(target.kind)
        body = _placed(body, target)
        created = self._store.create(
            target.kind, body, manager=options.manager, dry_run=options.dry_run, policy=options.policy
        )
        return self._written(request, target, created, 201, options.policy.warnings)

    async def _update(self, request: web.BaseRequest, target: Target) -> web.StreamResponse:
        body = await self._object(request)
        options = write_options(request.query, request.headers.get("User-Agent", ""))
        objects.check_identity(target.kind, body, target.namespace, target.name)
        updated = self._store.update(
            target.kind,
            _placed(body, target),
            manager=options.manager,
            subresource=target.subresource,
            dry_run=options.dry_run,
            policy=options.policy,
        )
        return self._written(request, target, updated, 200, options.policy.warnings)

    async def _patch(self, request: web.BaseRequest, target: Target) -> web.StreamResponse:
        media = request.headers.get("Content-Type", "")
        kind_of_patch = patch_type(media)
        body = read_body(await request.read(), media)
        applying = kind_of_patch == "apply"
        options = write_options(request.query, request.headers.get("User-Agent", ""), applying=applying)
        where = (target.kind, target.namespace, target.name, body)
        if kind_of_patch == "apply":
            fresh = self._find(target) is None
            result = self._store.apply(
                *where,
                manager=options.manager,
                force=options.force,
                subresource=target.subresource,
                dry_run=options.dry_run,
            )
            return self._written(request, target, result, 201 if fresh else 200, ())
        if options.force:
            raise bad_request("PatchOptions: force: Forbidden: may not be specified for non-apply patch")
        result = self._store.patch(
            *where,
            patch_type=kind_of_patch,
            manager=options.manager,
            subresource=target.subresource,
            dry_run=options.dry_run,
            policy=options.policy,
        )
        return self._written(request, target, result, 200, options.policy.warnings)

    async def _delete(self, request: web.BaseRequest, target: Target) -> web.StreamResponse:
        options = await self._delete_options(request)
        preconditions = options.get("preconditions") or {}
        last = self._store.delete(
            target.kind,
            target.namespace,
            target.name,
            propagation=_propagation(options),
            uid=preconditions.get("uid"),
            revision=preconditions.get("resourceVersion"),
            dry_run=_is_dry(request, options),
        )
        metadata = last["metadata"]
        if self._store.storage.find(target.kind, metadata.get("namespace", ""), target.name) is not None:
            return json_reply(last)
        return json_reply(_deleted(target, metadata["uid"]))

    async def _delete_collection(self, request: web.BaseRequest, target: Target) -> web.StreamResponse:
        if target.kind.namespaced and target.namespace is None:
            raise errors.method_not_allowed(target.kind)
        options = await self._delete_options(request)
        query = request.query
        entries = self._store.entries(
            target.kind,
            target.namespace,
            labels=query.get("labelSelector", ""),
            fields=query.get("fieldSelector", ""),
        )
        for entry in entries:
            metadata = entry.object["metadata"]
            if (
                self._store.storage.find(target.kind, metadata.get("namespace", ""), metadata["name"])
                is not None
            ):
                self._store.delete(
                    target.kind,
                    metadata.get("namespace"),
                    metadata["name"],
                    propagation=_propagation(options),
                    dry_run=_is_dry(request, options),
                )
        return raw_reply(list_body(target.kind, entries, self._store.storage.revision, ""))

    async def _subresource(self, request: web.BaseRequest, target: Target) -> web.StreamResponse:
        kind, name = target.kind, target.subresource
        if kind is POD and name == "log" and request.method == "GET":
            return await podlogs.stream_log(self._server, request, target)
        if kind is POD and name in CONNECTING:
            raise errors.not_implemented(
                f"pods/{name} is not offered by the local platform; look at the pod's log (kubectl logs), or "
                "delete the pod"
            )
        if kind is SERVICEACCOUNT and name == "token" and request.method == "POST":
            body = await self._object(request)
            return json_reply(reviews.request_token(self._server, target, body), status=201)
        if kind.scale and name == "scale":
            body = None if request.method in ("GET", "HEAD") else await request.read()
            return json_reply(scale.handle(self._store, request, target, body))
        raise errors.path_not_found()

    def _written(
        self, request: web.BaseRequest, target: Target, obj: Object, status: int, warnings: Any
    ) -> web.StreamResponse:
        shape = transform(request.headers.get("Accept", ""))
        stored = self._store.storage.find(
            target.kind, obj["metadata"].get("namespace", ""), obj["metadata"].get("name", "")
        )
        entry = stored if stored is not None and stored.object is obj else Entry(obj)
        return raw_reply(object_body(target.kind, entry, shape), status=status, warnings=warnings)

    def _find(self, target: Target) -> Entry | None:
        namespace = target.namespace or "" if target.kind.namespaced else ""
        return self._store.storage.find(target.kind, namespace, target.name)

    @staticmethod
    async def _object(request: web.BaseRequest) -> Any:
        body = read_body(await request.read(), request.headers.get("Content-Type", ""))
        if not isinstance(body, dict):
            raise bad_request(f"the request's body must be a JSON object, not {type(body).__name__}")
        return body

    async def _delete_options(self, request: web.BaseRequest) -> Mapping[str, Any]:
        body = await request.read()
        options = read_body(body, request.headers.get("Content-Type", "")) if body else {}
        if not isinstance(options, dict):
            raise bad_request("DeleteOptions must be a JSON object")
        if "propagationPolicy" in request.query:
            options = {**options, "propagationPolicy": request.query["propagationPolicy"]}
        return options


def _placed(body: Object, target: Target) -> Object:
    """Return the body with the namespace of the path in it."""
    if not target.kind.namespaced:
        return body
    return {**body, "metadata": {**(body.get("metadata") or {}), "namespace": target.namespace}}


def _propagation(options: Mapping[str, Any]) -> Any:
    policy = options.get("propagationPolicy")
    if policy is None and options.get("orphanDependents") is not None:
        policy = "Orphan" if options["orphanDependents"] else "Background"
    if policy not in (None, "Background", "Foreground", "Orphan"):
        allowed = 'must be one of "Background", "Foreground", "Orphan"'
        raise bad_option("DeleteOptions", bad("propagationPolicy", policy, allowed))
    return policy or "Background"


def _is_dry(request: web.BaseRequest, options: Mapping[str, Any]) -> bool:
    return request.query.get("dryRun") == "All" or "All" in (options.get("dryRun") or ())


def _deleted(target: Target, uid: str) -> Object:
    details: Object = {"name": target.name}
    if target.kind.group:
        details["group"] = target.kind.group
    details |= {"kind": target.kind.plural, "uid": uid}
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
