"""Named changes to single parts of the golden program.

`EDITS` maps a part to those whose effects the golden files hold, `MORE_EDITS` to others. An edit changes the
part's keyword arguments in place.
"""

from collections.abc import Callable
from typing import Any

import pulumi

Edit = Callable[[dict[str, Any]], object]


def at(path: str, value: object) -> Edit:
    """An edit: set (or, for None, remove) the value at a dotted path of the keyword arguments."""

    def edit(arguments):
        node = arguments
        *head, last = path.split(".")
        for key in head:
            node = node[int(key)] if isinstance(node, list) else node.setdefault(key, {})
        key = int(last) if isinstance(node, list) else last
        if value is None:
            del node[key]
        else:
            node[key] = value

    return edit


def awaited(image: str, seconds: int) -> Edit:
    """An edit of the deployment: another image, and to wait that long for it to get ready."""

    def edit(arguments):
        arguments["metadata"]["annotations"] = {"pulumi.com/timeoutSeconds": str(seconds)}
        at("spec.template.spec.containers.0.image", image)(arguments)

    return edit


EDITS: dict[str, dict[str, Edit]] = {
    "namespace": {
        "label-added": at("metadata.labels.team", "x"),
        "label-removed": at("metadata.labels", None),
    },
    "configmap": {
        "data-changed": at("data.n", "2"),
        "data-key-added": at("data.z", "1"),
        "data-key-removed": at("data.n", None),
        "label-changed": at("metadata.labels.parser-id", "p2"),
        "renamed": at("metadata.name", "cm-two"),
        "annotation-added": at("metadata.annotations.a", "b"),
    },
    "configmap-autonamed": {"data-changed": at("data.a", "2"), "named": at("metadata.name", "named-now")},
    "secret": {
        "string-data-changed": at("string_data.password", "other"),
        "label-changed": at("metadata.labels.parser-id", "p2"),
        "type-changed": at("type", "example.com/other"),
    },
    "serviceaccount": {"automount-removed": at("automount_service_account_token", None)},
    "role": {"verb-added": at("rules.0.verbs", ["get", "list", "watch"]), "rule-emptied": at("rules", [])},
    "rolebinding": {
        "subject-changed": at("subjects.0.name", "other"),
        "role-changed": at("role_ref.name", "other"),
    },
    "networkpolicy": {
        "port-changed": at("spec.egress.0.ports.0.port", 6443),
        "egress-removed": at("spec.egress", None),
    },
    "quota": {
        "same-quantity-other-words": at(
            "spec.hard", {"pods": "20", "requests.cpu": "4000m", "limits.memory": "16Gi"}
        ),
        "hard-changed": at("spec.hard.pods", "30"),
    },
    "service": {"port-changed": at("spec.ports.0.port", 8080), "type-changed": at("spec.type", "NodePort")},
    "deployment": {
        "image-changed": at("spec.template.spec.containers.0.image", "registry.local/fn:2"),
        "replicas-zero": at("spec.replicas", 0),
        "replicas-removed": at("spec.replicas", None),
        "env-appended": at(
            "spec.template.spec.containers.0.env",
            [
                {"name": "PARSER_ID", "value": "p1"},
                {"name": "EMPTY", "value": ""},
                {"name": "NEW", "value": "1"},
            ],
        ),
        "selector-changed": lambda arguments: (
            at("spec.selector.matchLabels", {"app": "b"})(arguments),
            at("spec.template.metadata.labels", {"app": "b"})(arguments),
        ),
        "cpu-same-other-words": at("spec.template.spec.containers.0.resources.limits.cpu", "0.5"),
        "default-written-out": at("spec.template.spec.hostNetwork", False),
    },
    "hpa": {"max-changed": at("spec.maxReplicas", 10)},
    "pdb": {"min-to-percentage": at("spec.minAvailable", "50%")},
    "job": {
        "image-changed": at("spec.template.spec.containers.0.image", "registry.local/fn:2"),
        "deadline-changed": at("spec.activeDeadlineSeconds", 600),
        "resumed": at("spec.suspend", False),
        "label-changed": at("metadata.labels.parser-id", "p2"),
    },
    "cronjob": {"schedule-changed": at("spec.schedule", "*/10 * * * *")},
    "admission": {"expression-changed": at("spec.validations.0.expression", "true")},
    "ksvc": {
        "image-changed": at("spec.template.spec.containers.0.image", "registry.local/fn:2"),
        "max-scale-changed": at(
            "spec.template.metadata.annotations", {"autoscaling.knative.dev/max-scale": "50"}
        ),
        "timeout-removed": at("spec.template.spec.timeoutSeconds", None),
        "renamed": at("metadata.name", "lambda-t1-p2"),
        "namespace-changed": at("metadata.namespace", "default"),
    },
    "trigger": {
        "filter-changed": at("spec.filter.attributes.subject", "p2"),
        "retry-changed": at("spec.delivery.retry", 3),
    },
    "queue": {"argument-changed": at("spec.arguments.x-max-length", 100000)},
    "rabbitmqcluster": {"replicas-changed": at("spec.replicas", 5)},
    "prometheusrule": {
        "rule-added": at(
            "spec.groups.0.rules",
            [
                {"alert": "DLQAboveThreshold", "expr": "dlq_depth > 100", "for": "10m"},
                {"alert": "Down", "expr": "up == 0"},
            ],
        )
    },
}


MORE_EDITS: dict[str, dict[str, Edit]] = {
    "namespace": {
        "annotation-added": at("metadata.annotations.note", "x"),
        "label-value-changed": at("metadata.labels", {"pod-security.kubernetes.io/enforce": "baseline"}),
    },
    "configmap": {
        "labels-removed": at("metadata.labels", None),
        "data-removed": at("data", None),
        "binary-added": at("binary_data.b", "AAE="),
        "made-immutable": at("immutable", True),
        "moved": at("metadata.namespace", "default"),
    },
    "configmap-autonamed": {
        "label-added": at("metadata.labels.a", "b"),
        "data-emptied": at("data", {}),
    },
    "secret": {
        "key-added": at("string_data.user", "me"),
        "same-in-base64": lambda arguments: (
            at("string_data", None)(arguments),
            at("data", {"password": "aHVudGVyMg=="})(arguments),
        ),
        "annotation-added": at("metadata.annotations.a", "b"),
    },
    "secret-marked": {
        "value-changed": lambda arguments: at("string_data", {"k": pulumi.Output.secret("other")})(arguments),
        "no-longer-marked": at("string_data", {"k": "top"}),
    },
    "serviceaccount": {
        "pull-secret-added": at("image_pull_secrets", [{"name": "sec"}]),
        "renamed": at("metadata.name", "fn-two"),
    },
    "role": {
        "rule-added": lambda arguments: arguments["rules"].append(
            {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get"]}
        ),
        "rules-removed": at("rules", None),
    },
    "rolebinding": {
        "subject-added": lambda arguments: arguments["subjects"].append(
            {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "jane"}
        ),
        "subjects-removed": at("subjects", None),
    },
    "networkpolicy": {
        "ingress-added": at("spec.ingress", [{"from": [{"podSelector": {"matchLabels": {"a": "b"}}}]}]),
        "selector-filled": at("spec.podSelector", {"matchLabels": {"a": "b"}}),
        "exception-removed": at("spec.egress.0.to.0.ipBlock.except", None),
    },
    "quota": {
        "key-removed": at("spec.hard", {"pods": "20", "requests.cpu": "4"}),
        "scopes-added": at("spec.scopes", ["NotTerminating"]),
        "await-asked-for": at("metadata.annotations", None),
    },
    "limitrange": {
        "same-quantity-other-words": at("spec.limits.0.default.cpu", "0.5"),
        "maximum-added": at("spec.limits.0.max", {"cpu": "2"}),
    },
    "service": {
        "selector-changed": at("spec.selector.app", "other"),
        "made-headless": at("spec.clusterIP", "None"),
        "port-named": at("spec.ports.0.name", "http"),
        "session-affinity": at("spec.sessionAffinity", "ClientIP"),
    },
    "deployment": {
        "container-appended": lambda arguments: arguments["spec"]["template"]["spec"]["containers"].append(
            {"name": "side", "image": "registry.local/side:1"}
        ),
        "env-first-removed": at(
            "spec.template.spec.containers.0.env",
            [{"name": "EMPTY", "value": ""}],
        ),
        "env-all-removed": at("spec.template.spec.containers.0.env", None),
        "strategy-added": at("spec.strategy", {"type": "Recreate"}),
        "probe-changed": at("spec.template.spec.containers.0.readinessProbe.periodSeconds", 20),
        "limits-removed": at("spec.template.spec.containers.0.resources.limits", None),
        "restart-annotation": at("spec.template.metadata.annotations", {"restarted.example.com/at": "now"}),
        "empty-list-written-out": at("spec.template.spec.volumes", []),
        "paused": at("spec.paused", True),
        "history-limit-zero": at("spec.revisionHistoryLimit", 0),
    },
    "hpa": {
        "metric-appended": lambda arguments: arguments["spec"]["metrics"].append(
            {
                "type": "Resource",
                "resource": {
                    "name": "memory",
                    "target": {"type": "AverageValue", "averageValue": "1024Mi"},
                },
            }
        ),
        "minimum-removed": at("spec.minReplicas", None),
        "behaviour-added": at("spec.behavior", {"scaleDown": {"stabilizationWindowSeconds": 60}}),
    },
    "pdb": {
        "turned-round": at("spec", {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "builder"}}}),
        "selector-changed": at("spec.selector.matchLabels.app", "other"),
    },
    "job": {
        "parallelism-added": at("spec.parallelism", 2),
        "ttl-removed": at("spec.ttlSecondsAfterFinished", None),
        "template-label-added": at("spec.template.metadata", {"labels": {"a": "b"}}),
    },
    "cronjob": {
        "image-changed": at(
            "spec.jobTemplate.spec.template.spec.containers.0.image",
            "registry.local/fn:2",
        ),
        "running": at("spec.suspend", False),
    },
    "admission": {
        "policy-changed": at("spec.failurePolicy", "Ignore"),
        "validation-appended": lambda arguments: arguments["spec"]["validations"].append(
            {"expression": "object.spec.hostPID != true"}
        ),
    },
    "ksvc": {
        "env-appended": lambda arguments: arguments["spec"]["template"]["spec"]["containers"][0][
            "env"
        ].append({"name": "NEW", "value": "1"}),
        "quantity-same-other-words": at("spec.template.spec.containers.0.resources.limits.cpu", "0.5"),
        "label-removed": at("metadata.labels", {"third-party-id": "t1"}),
        "annotations-removed": at("spec.template.metadata", None),
        "concurrency-as-float": at("spec.template.spec.containerConcurrency", 10.0),
    },
    "trigger": {
        "delivery-removed": at("spec.delivery", None),
        "filter-emptied": at("spec.filter", {}),
        "attribute-added": at("spec.filter.attributes.source", "s"),
        "broker-changed": at("spec.broker", "other"),
    },
    "broker": {"config-changed": at("spec.config.name", "d"), "renamed": at("metadata.name", "other")},
    "rabbitmqcluster": {
        "config-changed": at("spec.rabbitmq.additionalConfig", "heartbeat = 30\n"),
        "quantity-same-other-words": at("spec.resources.requests.cpu", "0.5"),
        "zero": at("spec.replicas", 0),
    },
    "queue": {
        "arguments-removed": at("spec.arguments", None),
        "large-number": at("spec.arguments.x-message-ttl", 9007199254740991),
    },
    "servicemonitor": {
        "endpoint-appended": lambda arguments: arguments["spec"]["endpoints"].append({"port": "metrics"}),
        "interval-removed": at("spec.endpoints.0.interval", None),
    },
    "prometheusrule": {
        "duration-changed": at("spec.groups.0.rules.0.for", "5m"),
        "group-renamed": at("spec.groups.0.name", "queues"),
    },
    "receiver": {
        "resource-appended": lambda arguments: arguments["spec"]["resources"].append(
            {"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository", "name": "more"}
        ),
        "type-changed": at("spec.type", "github"),
    },
}
"""Edits that are not in the golden files. Between them every part is changed in ways of its own."""
