"""The kinds that the local API server serves, as constants and as a registry.

A kind is known by identity: there is one `Kind` object for each, and dictionaries may be keyed by it.
"""

import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, eq=False, kw_only=True)
class Kind:
    """One kind of one group and version, and how it appears in paths and in discovery."""

    group: str
    """The API group; empty for the core group."""
    version: str
    kind: str
    plural: str
    """The resource's name in paths, such as `configmaps`."""
    namespaced: bool = True
    singular: str = ""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    status: bool = True
    """Whether status is a subresource, so that plain writes cannot touch it."""
    scale: bool = False
    """Whether there is a scale subresource on `spec.replicas`."""
    custom: bool = False
    """Whether it is a custom resource on a real cluster: values stay as written, no strategic patches."""

    @functools.cached_property
    def api_version(self) -> str:
        """`v1` for the core group, `group/version` otherwise."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @functools.cached_property
    def resource(self) -> str:
        """The name in error texts: `jobs.batch`, `pods`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @functools.cached_property
    def root(self) -> str:
        """The path of the group and version: `/api/v1`, `/apis/batch/v1`."""
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"

    def path(self, namespace: str | None = None, name: str | None = None) -> str:
        """Return the path of the collection (all namespaces where None) or of one object."""
        parts = [self.root]
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        if name:
            parts.append(name)
        return "/".join(parts)

    def __repr__(self) -> str:
        return f"Kind({self.api_version} {self.kind})"


class KindRegistry:
    """Finds kinds by where they are in the API."""

    def __init__(self, kinds: Iterable[Kind]) -> None:
        self._all = tuple(kinds)
        self._by_path = {(kind.group, kind.version, kind.plural): kind for kind in self._all}
        self._by_name = {(kind.api_version, kind.kind): kind for kind in self._all}

    def __iter__(self) -> Iterator[Kind]:
        return iter(self._all)

    def at(self, group: str, version: str, plural: str) -> Kind | None:
        """Return the kind served at a path, None where there is none."""
        return self._by_path.get((group, version, plural))

    def named(self, api_version: str, kind: str) -> Kind | None:
        """Return the kind of an object's `apiVersion` and `kind`."""
        return self._by_name.get((api_version, kind))

    def of(self, obj: dict[str, object]) -> Kind | None:
        """Return the kind that an object says it is."""
        return self.named(str(obj.get("apiVersion", "")), str(obj.get("kind", "")))


def _kind(
    api_version: str,
    kind: str,
    plural: str,
    short: str = "",
    *,
    categories: tuple[str, ...] = (),
    namespaced: bool = True,
    status: bool = True,
    scale: bool = False,
    custom: bool = False,
) -> Kind:
    group, _, version = api_version.rpartition("/")
    return Kind(
        group=group,
        version=version,
        kind=kind,
        plural=plural,
        singular=kind.lower(),
        short_names=tuple(short.split()),
        categories=categories,
        namespaced=namespaced,
        status=status,
        scale=scale,
        custom=custom,
    )


_ALL = ("all",)
NAMESPACE: Final = _kind("v1", "Namespace", "namespaces", "ns", namespaced=False)
POD: Final = _kind("v1", "Pod", "pods", "po", categories=_ALL)
SERVICE: Final = _kind("v1", "Service", "services", "svc", categories=_ALL)
CONFIGMAP: Final = _kind("v1", "ConfigMap", "configmaps", "cm", status=False)
SECRET: Final = _kind("v1", "Secret", "secrets", status=False)
SERVICEACCOUNT: Final = _kind("v1", "ServiceAccount", "serviceaccounts", "sa", status=False)
EVENT: Final = _kind("v1", "Event", "events", "ev", status=False)
ENDPOINTS: Final = _kind("v1", "Endpoints", "endpoints", "ep", status=False)
NODE: Final = _kind("v1", "Node", "nodes", "no", namespaced=False)
RESOURCEQUOTA: Final = _kind("v1", "ResourceQuota", "resourcequotas", "quota")
LIMITRANGE: Final = _kind("v1", "LimitRange", "limitranges", "limits", status=False)
PERSISTENTVOLUMECLAIM: Final = _kind("v1", "PersistentVolumeClaim", "persistentvolumeclaims", "pvc")
PERSISTENTVOLUME: Final = _kind("v1", "PersistentVolume", "persistentvolumes", "pv", namespaced=False)
DEPLOYMENT: Final = _kind("apps/v1", "Deployment", "deployments", "deploy", categories=_ALL, scale=True)
REPLICASET: Final = _kind("apps/v1", "ReplicaSet", "replicasets", "rs", categories=_ALL, scale=True)
STATEFULSET: Final = _kind("apps/v1", "StatefulSet", "statefulsets", "sts", categories=_ALL, scale=True)
DAEMONSET: Final = _kind("apps/v1", "DaemonSet", "daemonsets", "ds", categories=_ALL)
JOB: Final = _kind("batch/v1", "Job", "jobs", categories=_ALL)
CRONJOB: Final = _kind("batch/v1", "CronJob", "cronjobs", "cj", categories=_ALL)
HPA: Final = _kind(
    "autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", "hpa", categories=_ALL
)
LEASE: Final = _kind("coordination.k8s.io/v1", "Lease", "leases", status=False)
ENDPOINTSLICE: Final = _kind("discovery.k8s.io/v1", "EndpointSlice", "endpointslices", status=False)
NETWORKPOLICY: Final = _kind(
    "networking.k8s.io/v1", "NetworkPolicy", "networkpolicies", "netpol", status=False
)
INGRESS: Final = _kind("networking.k8s.io/v1", "Ingress", "ingresses", "ing")
PDB: Final = _kind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets", "pdb")
_RBAC = "rbac.authorization.k8s.io/v1"
ROLE: Final = _kind(_RBAC, "Role", "roles", status=False)
ROLEBINDING: Final = _kind(_RBAC, "RoleBinding", "rolebindings", status=False)
CLUSTERROLE: Final = _kind(_RBAC, "ClusterRole", "clusterroles", namespaced=False, status=False)
CLUSTERROLEBINDING: Final = _kind(
    _RBAC, "ClusterRoleBinding", "clusterrolebindings", namespaced=False, status=False
)
PRIORITYCLASS: Final = _kind(
    "scheduling.k8s.io/v1", "PriorityClass", "priorityclasses", "pc", namespaced=False, status=False
)
STORAGECLASS: Final = _kind(
    "storage.k8s.io/v1", "StorageClass", "storageclasses", "sc", namespaced=False, status=False
)
_KNATIVE = ("all", "knative", "serving")
_SERVING = "serving.knative.dev/v1"
KSERVICE: Final = _kind(_SERVING, "Service", "services", "kservice ksvc", categories=_KNATIVE, custom=True)
CONFIGURATION: Final = _kind(
    _SERVING, "Configuration", "configurations", "config cfg", categories=_KNATIVE, custom=True
)
REVISION: Final = _kind(_SERVING, "Revision", "revisions", "rev", categories=_KNATIVE, custom=True)
ROUTE: Final = _kind(_SERVING, "Route", "routes", "rt", categories=_KNATIVE, custom=True)
_EVENTING = ("all", "knative", "eventing")
BROKER: Final = _kind("eventing.knative.dev/v1", "Broker", "brokers", categories=_EVENTING, custom=True)
TRIGGER: Final = _kind("eventing.knative.dev/v1", "Trigger", "triggers", categories=_EVENTING, custom=True)
RABBITMQBROKERCONFIG: Final = _kind(
    "eventing.knative.dev/v1alpha1", "RabbitmqBrokerConfig", "rabbitmqbrokerconfigs", custom=True
)
RABBITMQCLUSTER: Final = _kind(
    "rabbitmq.com/v1beta1", "RabbitmqCluster", "rabbitmqclusters", "rmq", categories=_ALL, custom=True
)
SERVICEMONITOR: Final = _kind(
    "monitoring.coreos.com/v1", "ServiceMonitor", "servicemonitors", "smon", custom=True
)
PODMONITOR: Final = _kind("monitoring.coreos.com/v1", "PodMonitor", "podmonitors", "pmon", custom=True)
PROMETHEUSRULE: Final = _kind(
    "monitoring.coreos.com/v1", "PrometheusRule", "prometheusrules", "promrule", custom=True
)

KINDS: Final = KindRegistry(value for value in list(globals().values()) if isinstance(value, Kind))
"""Every kind that is served."""
