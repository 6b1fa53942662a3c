"""The scale subresource: `spec.replicas` of a workload as an autoscaling/v1 Scale object."""

from aiohttp import web

from local.apiserver import errors
from local.apiserver.objects import Object
from local.apiserver.patches import json_patch, merge_patch
from local.apiserver.requests import Target, patch_type, read_body, write_options
from local.apiserver.store import Store


def handle(store: Store, request: web.BaseRequest, target: Target, body: bytes | None) -> Object:
    """Answer GET, PUT and PATCH of a workload's scale; `body` is None for GET."""
    live = store.get(target.kind, target.namespace, target.name)
    if body is None:
        return _scale(live)
    media = request.headers.get("Content-Type", "")
    document = read_body(body, media)
    if request.method == "PATCH":
        patch = json_patch if patch_type(media) == "json" else merge_patch
        document = patch(_scale(live), document)
    elif request.method != "PUT":
        raise errors.method_not_allowed(target.kind)
    wanted = document["spec"].get("replicas", 0) if isinstance(document.get("spec"), dict) else None
    if not isinstance(wanted, int) or wanted < 0:
        raise errors.bad_request(
            f"spec.replicas: Invalid value: {wanted}: must be greater than or equal to 0"
        )
    revision = (document.get("metadata") or {}).get("resourceVersion")
    if revision and revision != live["metadata"]["resourceVersion"]:
        raise errors.stale(target.kind, target.name)
    options = write_options(request.query, request.headers.get("User-Agent", ""))
    changed = {**live, "spec": {**live["spec"], "replicas": wanted}}
    return _scale(store.update(target.kind, changed, manager=options.manager, dry_run=options.dry_run))


def _scale(obj: Object) -> Object:
    metadata = obj["metadata"]
    copied = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    selector = obj["spec"].get("selector", {}).get("matchLabels") or {}
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {key: metadata[key] for key in copied if key in metadata},
        "spec": {"replicas": obj["spec"].get("replicas", 0)},
        "status": {
            "replicas": obj.get("status", {}).get("replicas", 0),
            "selector": ",".join(f"{key}={value}" for key, value in sorted(selector.items())),
        },
    }
