"""When objects count as ready, kind by kind."""

import pytest

from engine.kubernetes.readiness import READY, pod_problems, rule_for


class World:
    """Related objects by kind."""

    def __init__(self, **kinds):
        self.kinds = kinds

    def list(self, api_version, kind, labels=""):
        return self.kinds.get(kind, [])

    def get(self, api_version, kind, name):
        return next((item for item in self.kinds.get(kind, []) if item["metadata"]["name"] == name), None)


def judged(api_version, kind, document, **world):
    rule = rule_for(api_version, kind)
    return rule.judge(
        {"metadata": {"name": "x", "uid": "u", "generation": 1}, "spec": {}, **document}, World(**world)
    )


def conditions_of(*pairs, reason=""):
    return [
        {"type": name, "status": value, "reason": reason, "message": f"{name} message"}
        for name, value in pairs
    ]


def deployment(revision="1", reason="NewReplicaSetAvailable", available="True", observed=1, **spec):
    return {
        "metadata": {
            "name": "x",
            "uid": "u",
            "generation": 1,
            "annotations": {"deployment.kubernetes.io/revision": revision},
        },
        "spec": {"selector": {"matchLabels": {"app": "x"}}, "template": {"spec": spec}},
        "status": {
            "observedGeneration": observed,
            "conditions": conditions_of(("Available", available))
            + conditions_of(("Progressing", "True"), reason=reason),
        },
    }


def replica_set(revision="1", wanted=1, ready=1, owner="u"):
    annotations = {"deployment.kubernetes.io/revision": revision}
    metadata = {"name": "x-1", "annotations": annotations, "ownerReferences": [{"uid": owner}]}
    return {"metadata": metadata, "spec": {"replicas": wanted}, "status": {"readyReplicas": ready}}


CLAIM = {"persistentVolumeClaim": {"claimName": "data"}}


@pytest.mark.parametrize(
    ("document", "world", "ready"),
    [
        pytest.param(deployment(), {"ReplicaSet": [replica_set()]}, True, id="available"),
        pytest.param(deployment(available="False"), {"ReplicaSet": [replica_set()]}, False, id="unavailable"),
        pytest.param(deployment(observed=0), {"ReplicaSet": [replica_set()]}, False, id="not observed"),
        pytest.param(deployment(), {}, False, id="no replica set"),
        pytest.param(deployment(), {"ReplicaSet": [replica_set(owner="other")]}, False, id="someone else's"),
        pytest.param(deployment(), {"ReplicaSet": [replica_set(wanted=2)]}, False, id="too few pods"),
        pytest.param(
            deployment(), {"ReplicaSet": [replica_set(wanted=0, ready=0)]}, True, id="scaled to zero"
        ),
        pytest.param(
            deployment("2", reason="ReplicaSetUpdated"),
            {"ReplicaSet": [replica_set("2")]},
            False,
            id="rolling out",
        ),
        pytest.param(
            deployment("2"), {"ReplicaSet": [replica_set("1"), replica_set("2")]}, True, id="rolled out"
        ),
        pytest.param(deployment(volumes=[CLAIM]), {"ReplicaSet": [replica_set()]}, False, id="no claim"),
        pytest.param(
            deployment(volumes=[CLAIM]),
            {
                "ReplicaSet": [replica_set()],
                "PersistentVolumeClaim": [{"metadata": {"name": "data"}, "status": {"phase": "Bound"}}],
            },
            True,
            id="claim bound",
        ),
    ],
)
def test_a_deployment_is_ready_when_its_newest_pods_are(document, world, ready):
    assert judged("apps/v1", "Deployment", document, **world).ready is ready


STATEFUL = {
    "observedGeneration": 1,
    "replicas": 2,
    "readyReplicas": 2,
    "currentReplicas": 2,
    "currentRevision": "a",
    "updateRevision": "a",
}
DAEMONS = {
    "observedGeneration": 1,
    "desiredNumberScheduled": 1,
    "currentNumberScheduled": 1,
    "updatedNumberScheduled": 1,
    "numberAvailable": 1,
    "numberReady": 1,
}
SLICE = {"metadata": {"name": "x-1"}, "endpoints": [{"conditions": {"ready": False}}]}
LATE = {"metadata": {"name": "late"}, "volumeBindingMode": "WaitForFirstConsumer"}


@pytest.mark.parametrize(
    ("api_version", "kind", "document", "world", "ready"),
    [
        pytest.param(
            "apps/v1", "StatefulSet", {"spec": {"replicas": 2}, "status": STATEFUL}, {}, True, id="set"
        ),
        pytest.param(
            "apps/v1",
            "StatefulSet",
            {"spec": {"replicas": 2}, "status": {**STATEFUL, "updateRevision": "b"}},
            {},
            False,
            id="set rolling",
        ),
        pytest.param(
            "apps/v1", "StatefulSet", {"spec": {"replicas": 3}, "status": STATEFUL}, {}, False, id="set short"
        ),
        pytest.param("apps/v1", "DaemonSet", {"status": DAEMONS}, {}, True, id="daemons"),
        pytest.param(
            "apps/v1", "DaemonSet", {"status": {**DAEMONS, "numberReady": 0}}, {}, False, id="daemons short"
        ),
        pytest.param(
            "batch/v1",
            "Job",
            {"status": {"startTime": "t", "conditions": conditions_of(("Complete", "True"))}},
            {},
            True,
            id="job",
        ),
        pytest.param("batch/v1", "Job", {"status": {"startTime": "t"}}, {}, False, id="job running"),
        pytest.param("v1", "Pod", {"status": {"phase": "Succeeded"}}, {}, True, id="pod done"),
        pytest.param(
            "v1",
            "Pod",
            {
                "status": {
                    "conditions": conditions_of(
                        ("PodScheduled", "True"), ("Initialized", "True"), ("Ready", "True")
                    )
                }
            },
            {},
            True,
            id="pod",
        ),
        pytest.param("v1", "Pod", {"status": {"phase": "Pending"}}, {}, False, id="pod pending"),
        pytest.param(
            "v1", "Service", {"spec": {"selector": {"a": "b"}}}, {}, True, id="service without pods"
        ),
        pytest.param(
            "v1",
            "Service",
            {"spec": {"selector": {"a": "b"}}},
            {"EndpointSlice": [SLICE]},
            False,
            id="service waiting",
        ),
        pytest.param(
            "v1", "Service", {"spec": {"clusterIP": "None"}}, {"EndpointSlice": [SLICE]}, True, id="headless"
        ),
        pytest.param("v1", "Service", {"spec": {"type": "LoadBalancer"}}, {}, False, id="balancer"),
        pytest.param("v1", "PersistentVolumeClaim", {"status": {"phase": "Bound"}}, {}, True, id="claim"),
        pytest.param(
            "v1", "PersistentVolumeClaim", {"status": {"phase": "Pending"}}, {}, False, id="claim pending"
        ),
        pytest.param(
            "v1",
            "PersistentVolumeClaim",
            {"spec": {"storageClassName": "late"}, "status": {"phase": "Pending"}},
            {"StorageClass": [LATE]},
            True,
            id="claim that waits for a pod",
        ),
        pytest.param(
            "v1",
            "ResourceQuota",
            {"spec": {"hard": {"cpu": "1"}}, "status": {"hard": {"cpu": "1000m"}}},
            {},
            True,
            id="quota",
        ),
        pytest.param("v1", "ResourceQuota", {"spec": {"hard": {"cpu": "1"}}}, {}, False, id="quota not seen"),
        pytest.param(
            "v1",
            "Secret",
            {"type": "kubernetes.io/service-account-token"},
            {},
            False,
            id="token without data",
        ),
        pytest.param("v1", "Secret", {"type": "Opaque"}, {}, True, id="secret"),
        pytest.param(
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            {"status": {"conditions": conditions_of(("Established", "True"))}},
            {},
            True,
            id="definition",
        ),
    ],
)
def test_each_kind_has_its_own_idea_of_ready(api_version, kind, document, world, ready):
    verdict = judged(api_version, kind, document, **world)

    assert verdict.ready is ready
    assert verdict == READY or verdict.reasons


@pytest.mark.parametrize("kind", ["ConfigMap", "Namespace", "ServiceAccount"])
def test_simple_kinds_are_ready_at_once(kind):
    assert rule_for("v1", kind) is None
    assert rule_for("serving.knative.dev/v1", "Service") is None


def test_a_failed_job_will_never_be_ready():
    failed = [{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "too often"}]
    verdict = judged("batch/v1", "Job", {"status": {"conditions": failed}})

    assert (verdict.failed, verdict.reasons) == (True, ("[BackoffLimitExceeded] too often",))


def test_the_troubles_of_pods_are_told():
    pod = {
        "metadata": {"name": "p", "namespace": "n"},
        "status": {
            "conditions": [
                {"type": "Ready", "status": "False", "message": "containers with unready status: [a]"}
            ],
            "containerStatuses": [
                {
                    "name": "a",
                    "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}},
                },
                {"name": "b", "state": {"waiting": {"reason": "ContainerCreating"}}},
                {
                    "name": "c",
                    "state": {},
                    "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}},
                },
            ],
        },
    }

    assert pod_problems([pod]) == (
        "[Pod n/p]: containers with unready status: [a]",
        "[Pod n/p]: container a: [ImagePullBackOff] no such image",
        "[Pod n/p]: container c: terminated with exit code 137 (OOMKilled)",
    )
