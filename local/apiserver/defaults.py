"""Values that a kind gets where its author left them out, written into a freshly decoded object.

Only what clients and our controllers rely on. For built-in kinds these are the server's own defaults; for
Knative's kinds what its webhooks fill in.
"""

from collections.abc import Callable, Iterator
from typing import Any

from local.apiserver import kinds
from local.apiserver.kinds import Kind

Object = dict[str, Any]
FILE_MODE = 0o644


def set_defaults(kind: Kind, obj: Object) -> None:
    """Fill in the defaults of a kind, in place."""
    fill = DEFAULTS.get(kind)
    if fill is not None:
        fill(obj)


def _fill(target: Object, **values: Any) -> None:
    for key, value in values.items():
        target.setdefault(key, value)


def pod_spec(spec: Object) -> None:
    """Fill in a pod's spec, alone or in a template."""
    _fill(
        spec,
        restartPolicy="Always",
        dnsPolicy="ClusterFirst",
        terminationGracePeriodSeconds=30,
        securityContext={},
        schedulerName="default-scheduler",
    )
    if spec.get("serviceAccountName"):
        spec.setdefault("serviceAccount", spec["serviceAccountName"])
    for container in containers(spec):
        _container(container)
    for volume in spec.get("volumes") or ():
        _volume(volume)


def containers(spec: Object) -> Iterator[Object]:
    """Yield the init containers and the containers of a pod's spec."""
    yield from spec.get("initContainers") or ()
    yield from spec.get("containers") or ()


def _container(container: Object) -> None:
    image = container.get("image", "")
    _fill(container, terminationMessagePath="/dev/termination-log", terminationMessagePolicy="File")
    container.setdefault("imagePullPolicy", "Always" if _is_latest(image) else "IfNotPresent")
    for port in container.get("ports") or ():
        port.setdefault("protocol", "TCP")
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if name in container:
            _probe(container[name])
    for variable in container.get("env") or ():
        _field_ref(variable.get("valueFrom") or {})


def _is_latest(image: str) -> bool:
    name = image.rpartition("/")[2]
    return "@" not in name and (":" not in name or name.endswith(":latest"))


def _probe(probe: Object) -> None:
    _fill(probe, timeoutSeconds=1, periodSeconds=10, successThreshold=1, failureThreshold=3)
    if "httpGet" in probe:
        _fill(probe["httpGet"], path="/", scheme="HTTP")


def _field_ref(source: Object) -> None:
    if "fieldRef" in source:
        source["fieldRef"].setdefault("apiVersion", "v1")


def _volume(volume: Object) -> None:
    if set(volume) == {"name"}:
        volume["emptyDir"] = {}
    for kind in ("configMap", "secret", "projected", "downwardAPI"):
        if kind in volume:
            volume[kind].setdefault("defaultMode", FILE_MODE)
    for source in volume.get("projected", {}).get("sources") or ():
        if "serviceAccountToken" in source:
            source["serviceAccountToken"].setdefault("expirationSeconds", 3600)
        for item in source.get("downwardAPI", {}).get("items") or ():
            _field_ref(item)
    for item in volume.get("downwardAPI", {}).get("items") or ():
        _field_ref(item)


def _pod(pod: Object) -> None:
    spec = pod.get("spec", {})
    pod_spec(spec)
    spec.setdefault("enableServiceLinks", True)
    for container in containers(spec):
        resources = container.get("resources", {})
        limits = resources.get("limits")
        if limits:
            resources["requests"] = {**limits, **resources.get("requests", {})}


def _template(spec: Object) -> None:
    if spec.get("template"):
        pod_spec(spec["template"].setdefault("spec", {}))


def _job(job: Object) -> None:
    spec = job.get("spec", {})
    if "completions" not in spec and "parallelism" not in spec:
        spec["completions"] = 1
    _fill(
        spec,
        parallelism=1,
        backoffLimit=6,
        completionMode="NonIndexed",
        suspend=False,
        podReplacementPolicy="TerminatingOrFailed",
    )
    _template(spec)
    labels = spec.get("template", {}).get("metadata", {}).get("labels")
    if labels and not job["metadata"].get("labels"):
        job["metadata"]["labels"] = dict(labels)


def _cron_job(cron: Object) -> None:
    spec = cron.get("spec", {})
    _fill(
        spec,
        concurrencyPolicy="Allow",
        suspend=False,
        successfulJobsHistoryLimit=3,
        failedJobsHistoryLimit=1,
    )
    _template(spec.get("jobTemplate", {}).get("spec", {}))


def _deployment(deployment: Object) -> None:
    spec = deployment.get("spec", {})
    _fill(spec, replicas=1, revisionHistoryLimit=10, progressDeadlineSeconds=600)
    strategy = spec.setdefault("strategy", {})
    strategy.setdefault("type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        _fill(strategy.setdefault("rollingUpdate", {}), maxUnavailable="25%", maxSurge="25%")
    _template(spec)


def _replicated(obj: Object) -> None:
    spec = obj.get("spec", {})
    spec.setdefault("replicas", 1)
    _template(spec)


def _templated(obj: Object) -> None:
    _template(obj.get("spec", {}))


def _service(service: Object) -> None:
    spec = service.get("spec", {})
    _fill(spec, type="ClusterIP", sessionAffinity="None")
    if spec["type"] != "ExternalName":
        spec.setdefault("internalTrafficPolicy", "Cluster")
    for port in spec.get("ports") or ():
        _fill(port, protocol="TCP", targetPort=port.get("port"))


def _secret(secret: Object) -> None:
    secret.setdefault("type", "Opaque")


def _namespace(namespace: Object) -> None:
    name = namespace["metadata"].get("name")
    if name:
        namespace["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = name


def _binding(binding: Object) -> None:
    group = kinds.ROLE.group
    binding.get("roleRef", {}).setdefault("apiGroup", group)
    for subject in binding.get("subjects") or ():
        if subject.get("kind") in ("User", "Group"):
            subject.setdefault("apiGroup", group)


def _autoscaler(autoscaler: Object) -> None:
    autoscaler.get("spec", {}).setdefault("minReplicas", 1)


def _network_policy(policy: Object) -> None:
    spec = policy.get("spec", {})
    spec.setdefault("policyTypes", ["Ingress", *(["Egress"] if spec.get("egress") else [])])
    for rule in (*(spec.get("ingress") or ()), *(spec.get("egress") or ())):
        for port in rule.get("ports") or ():
            port.setdefault("protocol", "TCP")


def _claim(claim: Object) -> None:
    claim.get("spec", {}).setdefault("volumeMode", "Filesystem")


def _revision_spec(spec: Object) -> None:
    _fill(spec, containerConcurrency=0, timeoutSeconds=300, enableServiceLinks=False)
    serving = spec.get("containers") or ()
    for container in serving:
        if len(serving) == 1:
            container.setdefault("name", "user-container")
        container.setdefault("resources", {})
        probe = container.setdefault("readinessProbe", {"tcpSocket": {"port": 0}})
        probe.setdefault("successThreshold", 1)


def _knative_template(obj: Object) -> None:
    template = obj.get("spec", {}).get("template")
    if template:
        _revision_spec(template.get("spec", {}))


def _knative_service(service: Object) -> None:
    _knative_template(service)
    if "spec" in service:
        service["spec"].setdefault("traffic", [{"latestRevision": True, "percent": 100}])


def _revision(revision: Object) -> None:
    _revision_spec(revision.get("spec", {}))


def _trigger(trigger: Object) -> None:
    spec = trigger.get("spec", {})
    _fill(spec, broker="default", filter={})
    trigger["metadata"].setdefault("labels", {})["eventing.knative.dev/broker"] = spec["broker"]
    reference = (spec.get("subscriber") or {}).get("ref")
    if reference and "namespace" in trigger["metadata"]:
        reference.setdefault("namespace", trigger["metadata"]["namespace"])


DEFAULTS: dict[Kind, Callable[[Object], None]] = {
    kinds.POD: _pod,
    kinds.JOB: _job,
    kinds.CRONJOB: _cron_job,
    kinds.DEPLOYMENT: _deployment,
    kinds.REPLICASET: _replicated,
    kinds.STATEFULSET: _replicated,
    kinds.DAEMONSET: _templated,
    kinds.SERVICE: _service,
    kinds.SECRET: _secret,
    kinds.NAMESPACE: _namespace,
    kinds.ROLEBINDING: _binding,
    kinds.CLUSTERROLEBINDING: _binding,
    kinds.HPA: _autoscaler,
    kinds.NETWORKPOLICY: _network_policy,
    kinds.PERSISTENTVOLUMECLAIM: _claim,
    kinds.KSERVICE: _knative_service,
    kinds.CONFIGURATION: _knative_template,
    kinds.REVISION: _revision,
    kinds.TRIGGER: _trigger,
}
"""The defaults of each kind that has any."""
