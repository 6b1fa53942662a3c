"""The program behind the golden files: one resource of each kind that the platform and its functions use.

The golden files say what Pulumi's own engine and pulumi-kubernetes did with it and with each of its edits
(see `edits`). Only the namespace is free here, so that several can be on one cluster at a time.
"""

import copy
from collections.abc import Callable, Collection, Mapping
from typing import Any

import pulumi
from pulumi_kubernetes import (
    admissionregistration,
    apiextensions,
    apps,
    autoscaling,
    batch,
    core,
    networking,
    policy,
    rbac,
)

from tests.golden.edits import EDITS, MORE_EDITS, Edit

NS = "golden"


class Group(pulumi.ComponentResource):
    def __init__(self, name, opts=None):
        super().__init__("golden:index:Group", name, {}, opts)


POD = {
    "serviceAccountName": "fn",
    "automountServiceAccountToken": False,
    "securityContext": {
        "runAsNonRoot": True,
        "runAsUser": 1000,
        "seccompProfile": {"type": "RuntimeDefault"},
    },
    "containers": [
        {
            "name": "user",
            "image": "registry.local/fn@sha256:" + "a" * 64,
            "ports": [{"containerPort": 8080}],
            "env": [{"name": "PARSER_ID", "value": "p1"}, {"name": "EMPTY", "value": ""}],
            "resources": {
                "requests": {"cpu": "0.1", "memory": "128Mi"},
                "limits": {"cpu": "500m", "memory": "0.5Gi"},
            },
            "readinessProbe": {"httpGet": {"path": "/health", "port": 8080}, "periodSeconds": 10},
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            },
        }
    ],
}


def meta(name, **more):
    return {"name": name, "namespace": NS, "labels": {"third-party-id": "t1", "parser-id": "p1"}, **more}


def custom(api_version, kind, name, spec):
    return apiextensions.CustomResource, {
        "api_version": api_version,
        "kind": kind,
        "metadata": meta(name),
        "spec": spec,
    }


def parts():
    rule = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}
    job_pod = {**copy.deepcopy(POD), "restartPolicy": "Never"}
    return {
        "namespace": (
            core.v1.Namespace,
            {"metadata": {"name": NS, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}}},
        ),
        "configmap": (
            core.v1.ConfigMap,
            {"metadata": meta("cm"), "data": {"THIRD_PARTY_ID": "t1", "n": "1"}},
        ),
        "configmap-autonamed": (core.v1.ConfigMap, {"metadata": {"namespace": NS}, "data": {"a": "1"}}),
        "secret": (core.v1.Secret, {"metadata": meta("sec"), "string_data": {"password": "hunter2"}}),
        "secret-marked": (
            core.v1.Secret,
            {"metadata": meta("sec2"), "string_data": {"k": pulumi.Output.secret("top")}},
        ),
        "serviceaccount": (
            core.v1.ServiceAccount,
            {"metadata": meta("fn"), "automount_service_account_token": False},
        ),
        "role": (rbac.v1.Role, {"metadata": meta("fn"), "rules": [rule]}),
        "rolebinding": (
            rbac.v1.RoleBinding,
            {
                "metadata": meta("fn"),
                "role_ref": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "fn"},
                "subjects": [{"kind": "ServiceAccount", "name": "fn", "namespace": NS}],
            },
        ),
        "networkpolicy": (
            networking.v1.NetworkPolicy,
            {
                "metadata": meta("deny"),
                "spec": {
                    "podSelector": {},
                    "policyTypes": ["Ingress", "Egress"],
                    "egress": [
                        {
                            "to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["169.254.169.254/32"]}}],
                            "ports": [{"port": 443, "protocol": "TCP"}],
                        }
                    ],
                },
            },
        ),
        "quota": (
            core.v1.ResourceQuota,
            {
                "metadata": meta("quota", annotations={"pulumi.com/skipAwait": "true"}),
                "spec": {"hard": {"pods": "20", "requests.cpu": "4", "limits.memory": "16384Mi"}},
            },
        ),
        "limitrange": (
            core.v1.LimitRange,
            {
                "metadata": meta("limits"),
                "spec": {
                    "limits": [
                        {"type": "Container", "default": {"cpu": "500m"}, "defaultRequest": {"cpu": "0.1"}}
                    ]
                },
            },
        ),
        "service": (
            core.v1.Service,
            {
                "metadata": meta("svc", annotations={"pulumi.com/skipAwait": "true"}),
                "spec": {"selector": {"app": "builder"}, "ports": [{"port": 80, "targetPort": 8080}]},
            },
        ),
        "deployment": (
            apps.v1.Deployment,
            {
                "metadata": meta("builder", annotations={"pulumi.com/skipAwait": "true"}),
                "spec": {
                    "replicas": 1,
                    "selector": {"matchLabels": {"app": "builder"}},
                    "template": {"metadata": {"labels": {"app": "builder"}}, "spec": copy.deepcopy(POD)},
                },
            },
        ),
        "hpa": (
            autoscaling.v2.HorizontalPodAutoscaler,
            {
                "metadata": meta("builder"),
                "spec": {
                    "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "builder"},
                    "minReplicas": 1,
                    "maxReplicas": 5,
                    "metrics": [
                        {
                            "type": "Resource",
                            "resource": {
                                "name": "cpu",
                                "target": {"type": "Utilization", "averageUtilization": 70},
                            },
                        }
                    ],
                },
            },
        ),
        "pdb": (
            policy.v1.PodDisruptionBudget,
            {
                "metadata": meta("builder"),
                "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "builder"}}},
            },
        ),
        "job": (
            batch.v1.Job,
            {
                "metadata": meta("build-1", annotations={"pulumi.com/skipAwait": "true"}),
                "spec": {
                    "backoffLimit": 0,
                    "activeDeadlineSeconds": 1800,
                    "ttlSecondsAfterFinished": 3600,
                    "suspend": True,
                    "template": {"spec": job_pod},
                },
            },
        ),
        "cronjob": (
            batch.v1.CronJob,
            {
                "metadata": meta("replay"),
                "spec": {
                    "schedule": "*/5 * * * *",
                    "suspend": True,
                    "jobTemplate": {"spec": {"template": {"spec": copy.deepcopy(job_pod)}}},
                },
            },
        ),
        "admission": (
            admissionregistration.v1.ValidatingAdmissionPolicy,
            {
                "metadata": {"name": "golden-no-privilege"},
                "spec": {
                    "failurePolicy": "Fail",
                    "matchConstraints": {
                        "resourceRules": [
                            {
                                "apiGroups": [""],
                                "apiVersions": ["v1"],
                                "operations": ["CREATE"],
                                "resources": ["pods"],
                            }
                        ]
                    },
                    "validations": [
                        {"expression": "object.spec.hostNetwork != true", "message": "no host network"}
                    ],
                },
            },
        ),
        "ksvc": custom(
            "serving.knative.dev/v1",
            "Service",
            "lambda-t1-p1",
            {
                "template": {
                    "metadata": {
                        "annotations": {
                            "autoscaling.knative.dev/min-scale": "0",
                            "autoscaling.knative.dev/max-scale": "10",
                        }
                    },
                    "spec": {"containerConcurrency": 10, "timeoutSeconds": 60, **copy.deepcopy(POD)},
                }
            },
        ),
        "trigger": custom(
            "eventing.knative.dev/v1",
            "Trigger",
            "lambda-t1-p1",
            {
                "broker": "knative-lambda-broker-dev",
                "filter": {"attributes": {"type": "network.notifi.lambda.parser.start", "subject": "p1"}},
                "delivery": {
                    "retry": 5,
                    "backoffPolicy": "exponential",
                    "backoffDelay": "PT1S",
                    "timeout": "PT30S",
                },
                "subscriber": {
                    "ref": {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "name": "lambda-t1-p1"}
                },
            },
        ),
        "broker": custom(
            "eventing.knative.dev/v1",
            "Broker",
            "knative-lambda-broker-dev",
            {
                "config": {
                    "apiVersion": "eventing.knative.dev/v1alpha1",
                    "kind": "RabbitmqBrokerConfig",
                    "name": "c",
                }
            },
        ),
        "rabbitmqcluster": custom(
            "rabbitmq.com/v1beta1",
            "RabbitmqCluster",
            "rabbitmq-cluster-dev",
            {
                "replicas": 3,
                "resources": {"requests": {"cpu": "500m", "memory": "2Gi"}},
                "rabbitmq": {"additionalConfig": "heartbeat = 60\nconsumer_timeout = 3600000\n"},
            },
        ),
        "queue": custom(
            "rabbitmq.com/v1beta1",
            "Queue",
            "dlq",
            {
                "name": "lambda-dlq-queue-dev",
                "type": "quorum",
                "durable": True,
                "rabbitmqClusterReference": {"name": "rabbitmq-cluster-dev"},
                "arguments": {
                    "x-message-ttl": 604800000,
                    "x-max-length": 50000,
                    "x-overflow": "reject-publish",
                },
            },
        ),
        "servicemonitor": custom(
            "monitoring.coreos.com/v1",
            "ServiceMonitor",
            "builder",
            {
                "selector": {"matchLabels": {"app": "builder"}},
                "endpoints": [{"port": "http", "interval": "30s"}],
            },
        ),
        "prometheusrule": custom(
            "monitoring.coreos.com/v1",
            "PrometheusRule",
            "builder",
            {
                "groups": [
                    {
                        "name": "dlq",
                        "rules": [{"alert": "DLQAboveThreshold", "expr": "dlq_depth > 100", "for": "10m"}],
                    }
                ]
            },
        ),
        "receiver": custom(
            "notification.toolkit.fluxcd.io/v1",
            "Receiver",
            "lambda-lifecycle",
            {
                "type": "cdevents",
                "secretRef": {"name": "token"},
                "resources": [
                    {"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository", "name": "config"}
                ],
            },
        ),
    }


def placed(value: Any, namespace: str) -> Any:
    """Return golden values as they are in another namespace than `golden`; `default` has its own stand-in."""
    if isinstance(value, dict):
        return {key: placed(item, namespace) for key, item in value.items()}
    if isinstance(value, list):
        return [placed(item, namespace) for item in value]
    if not isinstance(value, str):
        return value
    for golden, here in _places(namespace):
        if value == golden or value.startswith(f"{golden}/"):
            return here + value.removeprefix(golden)
    return value


def golden(value: Any, namespace: str) -> Any:
    """Return values from another namespace as they would be in `golden`."""
    if isinstance(value, dict):
        return {key: golden(item, namespace) for key, item in value.items()}
    if isinstance(value, list):
        return [golden(item, namespace) for item in value]
    if not isinstance(value, str):
        return value
    for there, here in _places(namespace):
        if value == here or value.startswith(f"{here}/"):
            return there + value.removeprefix(here)
    return value


def _places(namespace: str) -> list[tuple[str, str]]:
    return [
        (NS, namespace),
        ("default", f"{namespace}-default"),
        (f"{NS}-no-privilege", f"{namespace}-no-privilege"),
    ]


def program(
    edits: Mapping[str, str] | None = None,
    *,
    only: Collection[str] = (),
    namespace: str = NS,
    change: Mapping[str, Edit] | None = None,
) -> Callable[[], None]:
    """The Pulumi program in a namespace: every part, or those in `only`, with edits by part.

    `change` maps parts to edits that have no name.
    """
    named = {
        part: {**EDITS.get(part, {}), **MORE_EDITS.get(part, {})}[edit]
        for part, edit in (edits or {}).items()
    }
    wanted = {**named, **(change or {})}

    def run() -> None:
        group = Group("golden")
        made: dict[str, pulumi.CustomResource] = {}
        for name, (kind, arguments) in parts().items():
            if only and name not in only and name != "namespace":
                continue
            if name in wanted:
                wanted[name](arguments)
            options = pulumi.ResourceOptions(parent=group, depends_on=[made["namespace"]] if made else [])
            made[name] = kind(name, opts=options, **placed(arguments, namespace))
        if "configmap" in made:
            pulumi.export("configmap", made["configmap"].metadata["name"])
        if "secret" in made:
            pulumi.export("password", made["secret"].data)

    return run
