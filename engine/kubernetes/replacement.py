"""Which fields of which kinds cannot be changed in place, so that a change replaces the object."""

from engine.kubernetes.kinds import group_of

Path = tuple[str | int, ...]
"""A place in an object: keys and list indices."""

_ALWAYS = ("metadata.name", "metadata.namespace")

_FIELDS: dict[tuple[str, str], tuple[str, ...]] = {
    ("", "ConfigMap"): ("data", "binaryData"),
    ("", "Secret"): ("type", "data", "stringData"),
    ("apps", "Deployment"): ("spec.selector",),
    ("apps", "DaemonSet"): ("spec.selector",),
    ("apps", "StatefulSet"): (
        "spec.podManagementPolicy",
        "spec.revisionHistoryLimit",
        "spec.selector",
        "spec.serviceName",
        "spec.volumeClaimTemplates",
    ),
    ("batch", "Job"): ("spec.completions", "spec.parallelism", "spec.selector", "spec.template"),
    ("", "PersistentVolumeClaim"): (
        "spec.accessModes",
        "spec.selector",
        "spec.storageClassName",
        "spec.volumeName",
    ),
    ("", "Service"): ("spec.clusterIP",),
    ("", "ResourceQuota"): ("spec.scopes",),
    ("rbac.authorization.k8s.io", "RoleBinding"): ("roleRef",),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): ("roleRef",),
    ("storage.k8s.io", "StorageClass"): ("parameters", "provisioner"),
    ("", "PersistentVolume"): tuple(
        f"spec.{source}"
        for source in [
            "awsElasticBlockStore",
            "azureDisk",
            "azureFile",
            "cephfs",
            "cinder",
            "csi",
            "fc",
            "flexVolume",
            "flocker",
            "gcePersistentDisk",
            "glusterfs",
            "hostPath",
            "iscsi",
            "local",
            "nfs",
            "photonPersistentDisk",
            "portworxVolume",
            "quobyte",
            "rbd",
            "scaleIO",
            "storageos",
            "vsphereVolume",
        ]
    ),
}
_KEPT_BY_POD = frozenset(("activeDeadlineSeconds", "ephemeralContainers", "tolerations"))
_KEPT_BY_CONTAINER = frozenset(("name", "envFrom", "startupProbe", "resizePolicy", "restartPolicy"))
"""What a change of a Pod does not replace it for; the API server may refuse it then."""
_NOT_IN = {("apps/v1beta1", "Deployment"), ("apps/v1beta1", "DaemonSet")}
_ONLY_IN = {("policy/v1beta1", "PodDisruptionBudget"): ("spec",)}


def replacing_fields(
    api_version: str, kind: str, *, mutable_data: bool = False, patch: bool = False
) -> tuple[Path, ...]:
    """Return the paths below which a change replaces an object of this kind.

    `mutable_data` takes the data of ConfigMaps and Secrets out (the switches enableConfigMapMutable and
    enableSecretMutable, for objects that are not immutable). A `patch` has no fields but the object's name.
    """
    if patch:
        return tuple(map(_path, _ALWAYS))
    fields: tuple[str, ...] = _ONLY_IN.get((api_version, kind), ())
    if (api_version, kind) not in _NOT_IN:
        fields += _FIELDS.get((group_of(api_version), kind), ())
    if mutable_data:
        fields = tuple(field for field in fields if field not in ("data", "binaryData", "stringData"))
    return tuple(_path(field) for field in _ALWAYS + fields)


def replaces(path: Path, fields: tuple[Path, ...], kind: str, *, deleted: bool) -> bool:
    """Say whether a change at the path replaces the object."""
    if any(path[: len(field)] == field for field in fields):
        return True
    if kind == "Pod" and path[0] == "spec":
        return _replaces_pod(path)
    return deleted and path == ("metadata",)


def _replaces_pod(path: Path) -> bool:
    """Say whether a change below `spec` replaces a Pod; a container as a whole does, its name does not."""
    if len(path) > 3 and path[1] in ("containers", "initContainers"):
        return path[3] not in _KEPT_BY_CONTAINER
    return len(path) == 1 or path[1] not in _KEPT_BY_POD


def _path(field: str) -> Path:
    return tuple(field.split("."))
