"""Kinds of objects: what a type token or an object's apiVersion and kind mean on the wire.

A `Kind` knows its group/version, its plural (the resource in URL paths) and its scope. Kubernetes' own kinds
come from a table, so that the common case costs no discovery call; everything else is looked up by
`cluster.Cluster`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

_NAMESPACED = {
    "": "ConfigMap configmaps Endpoints endpoints Event events LimitRange limitranges"
    " PersistentVolumeClaim persistentvolumeclaims Pod pods PodTemplate podtemplates"
    " ReplicationController replicationcontrollers ResourceQuota resourcequotas Secret secrets"
    " ServiceAccount serviceaccounts Service services Binding bindings",
    "apps": "ControllerRevision controllerrevisions DaemonSet daemonsets Deployment deployments"
    " ReplicaSet replicasets StatefulSet statefulsets",
    "extensions": "DaemonSet daemonsets Deployment deployments Ingress ingresses"
    " NetworkPolicy networkpolicies ReplicaSet replicasets",
    "autoscaling": "HorizontalPodAutoscaler horizontalpodautoscalers",
    "batch": "CronJob cronjobs Job jobs",
    "coordination.k8s.io": "Lease leases LeaseCandidate leasecandidates",
    "discovery.k8s.io": "EndpointSlice endpointslices",
    "events.k8s.io": "Event events",
    "networking.k8s.io": "Ingress ingresses NetworkPolicy networkpolicies",
    "policy": "PodDisruptionBudget poddisruptionbudgets",
    "rbac.authorization.k8s.io": "RoleBinding rolebindings Role roles",
    "resource.k8s.io": "ResourceClaim resourceclaims ResourceClaimTemplate resourceclaimtemplates",
    "storage.k8s.io": "CSIStorageCapacity csistoragecapacities",
}
_CLUSTER = {
    "": "Namespace namespaces Node nodes PersistentVolume persistentvolumes",
    "admissionregistration.k8s.io": "MutatingAdmissionPolicy mutatingadmissionpolicies"
    " MutatingAdmissionPolicyBinding mutatingadmissionpolicybindings"
    " MutatingWebhookConfiguration mutatingwebhookconfigurations"
    " ValidatingAdmissionPolicy validatingadmissionpolicies"
    " ValidatingAdmissionPolicyBinding validatingadmissionpolicybindings"
    " ValidatingWebhookConfiguration validatingwebhookconfigurations",
    "apiextensions.k8s.io": "CustomResourceDefinition customresourcedefinitions",
    "apiregistration.k8s.io": "APIService apiservices",
    "certificates.k8s.io": "CertificateSigningRequest certificatesigningrequests",
    "flowcontrol.apiserver.k8s.io": "FlowSchema flowschemas"
    " PriorityLevelConfiguration prioritylevelconfigurations",
    "networking.k8s.io": "IngressClass ingressclasses IPAddress ipaddresses ServiceCIDR servicecidrs",
    "node.k8s.io": "RuntimeClass runtimeclasses",
    "rbac.authorization.k8s.io": "ClusterRoleBinding clusterrolebindings ClusterRole clusterroles",
    "resource.k8s.io": "DeviceClass deviceclasses ResourceSlice resourceslices",
    "scheduling.k8s.io": "PriorityClass priorityclasses",
    "storage.k8s.io": "CSIDriver csidrivers CSINode csinodes StorageClass storageclasses"
    " VolumeAttachment volumeattachments VolumeAttributesClass volumeattributesclasses",
}


def _entries(groups: dict[str, str], namespaced: bool) -> dict[tuple[str, str], tuple[str, bool]]:
    """Return (group, kind) -> (plural, namespaced) for one of the tables above."""
    return {
        (group, kind): (plural, namespaced)
        for group, words in groups.items()
        for kind, plural in _pairs(words.split())
    }


def _pairs(words: list[str]) -> list[tuple[str, str]]:
    """Return the words two by two."""
    return list(zip(words[::2], words[1::2], strict=True))


_KINDS = _entries(_NAMESPACED, True) | _entries(_CLUSTER, False)
_GROUPS = frozenset(group for group, _ in _KINDS)


@dataclass(frozen=True)
class Kind:
    """One kind of one group/version.

    `api_version` as on the wire (`v1`, `apps/v1`), `plural` as in URL paths.
    """

    api_version: str
    kind: str
    plural: str
    namespaced: bool

    @property
    def group(self) -> str:
        """The API group; empty for the core group."""
        return group_of(self.api_version)

    @property
    def builtin(self) -> bool:
        """Whether it is one of Kubernetes' own kinds, whose objects pass through Go structs."""
        return is_builtin(self.api_version)

    def path(self, namespace: str | None, name: str = "") -> str:
        """Return the URL path of the collection, or with `name` of one object."""
        root = f"/apis/{self.api_version}" if "/" in self.api_version else f"/api/{self.api_version}"
        scope = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        return f"{root}{scope}/{self.plural}" + (f"/{name}" if name else "")

    def __str__(self) -> str:
        return f"{self.api_version}/{self.kind}"


def group_of(api_version: str) -> str:
    """Return the group of an apiVersion: `apps/v1` -> `apps`, `v1` -> empty."""
    return api_version.rpartition("/")[0]


def is_builtin(api_version: str) -> bool:
    """Say whether the apiVersion is one of Kubernetes' own groups."""
    return group_of(api_version) in _GROUPS


def builtin_kind(api_version: str, kind: str) -> Kind | None:
    """Return the kind from the table of Kubernetes' own kinds; None if it is not there."""
    entry = _KINDS.get((group_of(api_version), kind))
    return Kind(api_version, kind, *entry) if entry else None


def is_list(name: str, document: Mapping[str, object]) -> bool:
    """Say whether a kind is that of a list, whose items are the objects (`List`, `ConfigMapList`)."""
    return name.endswith("List") and isinstance(document.get("items"), list)


def custom_kind(definition: dict[str, object], version: str) -> Kind:
    """Return the kind that a CustomResourceDefinition's `spec` makes, at one of its versions.

    Raises KeyError or TypeError for a malformed one.
    """
    names = definition["names"]
    if not isinstance(names, dict):
        raise TypeError("spec.names is no object")
    namespaced = definition.get("scope", "Namespaced") == "Namespaced"
    return Kind(f"{definition['group']}/{version}", str(names["kind"]), str(names["plural"]), namespaced)


def parse_token(token: str) -> tuple[str, str]:
    """Return (apiVersion, kind) of a type token: `kubernetes:core/v1:Pod` -> (`v1`, `Pod`).

    Raises ValueError for a token of another form.
    """
    parts = token.split(":")
    if len(parts) != 3 or parts[0] != "kubernetes" or not parts[2]:
        raise ValueError(
            f"{token!r} is no type of this provider; expected kubernetes:<group>/<version>:<Kind>"
        )
    return parts[1].removeprefix("core/"), parts[2]


def type_of(urn: str) -> str:
    """Return the type token of a URN: the last part of its qualified type."""
    return urn.split("::", 3)[2].rsplit("$", 1)[-1]


def name_of(urn: str) -> str:
    """Return the resource name of a URN (it may hold `::` itself)."""
    return urn.split("::", 3)[3]
