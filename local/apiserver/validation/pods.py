"""Rules of a pod's spec, alone or in a template."""

from typing import Any

from local.apiserver.errors import Cause
from local.apiserver.objects import Object
from local.apiserver.schemas.quantities import parse
from local.apiserver.validation.fields import (
    bad,
    dns_label,
    duplicate,
    missing,
    port_number,
    required,
    unsupported,
)

RESTART_POLICIES = ("Always", "OnFailure", "Never")
PULL_POLICIES = ("Always", "IfNotPresent", "Never")
DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")


def pod_causes(spec: Object, path: str = "spec") -> list[Cause]:
    """Return what is wrong with a pod's spec."""
    causes = _volumes(spec, path)
    if not spec.get("containers"):
        causes.append(required(f"{path}.containers"))
    volumes = {volume.get("name") for volume in spec.get("volumes") or ()}
    names: set[str] = set()
    for group in ("initContainers", "containers"):
        for index, container in enumerate(spec.get(group) or ()):
            causes += _container(container, f"{path}.{group}[{index}]", names, volumes)
    if spec.get("restartPolicy") not in RESTART_POLICIES:
        causes.append(unsupported(f"{path}.restartPolicy", spec.get("restartPolicy"), RESTART_POLICIES))
    if spec.get("dnsPolicy") not in DNS_POLICIES:
        causes.append(unsupported(f"{path}.dnsPolicy", spec.get("dnsPolicy"), DNS_POLICIES))
    return causes


def _volumes(spec: Object, path: str) -> list[Cause]:
    causes: list[Cause] = []
    seen = set()
    for index, volume in enumerate(spec.get("volumes") or ()):
        name, where = volume.get("name", ""), f"{path}.volumes[{index}]"
        if name:
            causes += dns_label(f"{where}.name", name)
        if name in seen:
            causes.append(duplicate(f"{where}.name", name))
        seen.add(name)
        if len(volume) > 2:
            causes.append(
                Cause("FieldValueForbidden", "Forbidden: may not specify more than 1 volume type", where)
            )
    return causes


def _container(container: Object, path: str, names: set[str], volumes: set[Any]) -> list[Cause]:
    causes: list[Cause] = []
    name = container.get("name")
    if name:
        causes += dns_label(f"{path}.name", name)
        if name in names:
            causes.append(duplicate(f"{path}.name", name))
        names.add(name)
    if not container.get("image"):
        causes.append(required(f"{path}.image"))
    if container.get("imagePullPolicy") not in PULL_POLICIES:
        causes.append(unsupported(f"{path}.imagePullPolicy", container.get("imagePullPolicy"), PULL_POLICIES))
    causes += _mounts(container, path, volumes) + _ports(container, path) + _resources(container, path)
    return causes + _environment(container, path)


def _mounts(container: Object, path: str, volumes: set[Any]) -> list[Cause]:
    causes = []
    seen = set()
    for index, mount in enumerate(container.get("volumeMounts") or ()):
        where = f"{path}.volumeMounts[{index}]"
        if mount.get("name") not in volumes:
            causes.append(missing(f"{where}.name", mount.get("name")))
        if mount.get("mountPath") in seen:
            text = "must be unique"
            causes.append(bad(f"{where}.mountPath", mount.get("mountPath"), text))
        seen.add(mount.get("mountPath"))
    return causes


def _ports(container: Object, path: str) -> list[Cause]:
    causes: list[Cause] = []
    for index, port in enumerate(container.get("ports") or ()):
        causes += port_number(f"{path}.ports[{index}].containerPort", port.get("containerPort"))
    return causes


def _resources(container: Object, path: str) -> list[Cause]:
    causes = []
    resources = container.get("resources") or {}
    limits = resources.get("limits") or {}
    for name, request in (resources.get("requests") or {}).items():
        limit = parse(limits[name]) if name in limits else None
        wanted = parse(request)
        if limit is not None and wanted is not None and wanted > limit:
            text = f"must be less than or equal to {name} limit of {limits[name]}"
            causes.append(bad(f"{path}.resources.requests", request, text))
    return causes


def _environment(container: Object, path: str) -> list[Cause]:
    causes = []
    for index, variable in enumerate(container.get("env") or ()):
        if variable.get("value") and variable.get("valueFrom"):
            text = "may not be specified when `value` is not empty"
            causes.append(bad(f"{path}.env[{index}].valueFrom", "", text))
    return causes
