"""What the API server refuses in an environment's namespace, whoever asks: ValidatingAdmissionPolicies.

A policy is a table of rules. Each rule is a CEL expression that lists the offenders as texts (`name=value`);
an empty list passes, anything else is refused with the offenders, what is allowed, and the remedy.

Which pods are functions and builds is told by our own labels. The third policy sees to it that they carry
them: what the automation service's account makes must be labelled as what it is.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from components.manifests.access import SERVICE_ACCOUNT
from components.manifests.kaniko import EXECUTOR, EXECUTOR_CAPABILITIES
from components.manifests.kaniko import SERVICE_ACCOUNT as BUILD_ACCOUNT
from components.manifests.metadata import Manifest, platform_labels

API_VERSION: Final = "admissionregistration.k8s.io/v1"

_COMPONENT: Final = "app.kubernetes.io/component"
_ALL_CONTAINERS: Final = "object.spec.containers + object.spec.?initContainers.orValue([])"
_VOLUMES: Final = "object.spec.?volumes.orValue([])"
_CHANGES_SPEC: Final = 'request.operation == "CREATE" || object.spec != oldObject.spec'
"""A pod from before a rule must still be let go: controllers take finalizers off it by updates."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One thing that must not be."""

    name: str
    """A CEL identifier; the variable that holds the offenders."""
    offenders: str
    """CEL expression: a list of texts, empty when all is well."""
    problem: str
    """What the offenders are."""
    remedy: str
    """What is allowed and what to do."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """What a policy looks at."""

    resources: tuple[Manifest, ...]
    """Resource rules, without scope."""
    condition: str
    """CEL expression: whether the object is one of those meant."""
    subject: str
    """What such an object is called in messages."""


def function_policy(name: str, registries: Iterable[str]) -> Manifest:
    """Return the policy of functions' pods; images must come from one of the registries."""
    rules = [
        *_pod_rules(registries),
        _token_rule(),
        _capability_rule("false", "no capability"),
        _root_rule("false", "runAsNonRoot: true and a runAsUser other than 0"),
        Rule(
            name="tokenVolumes",
            offenders=_lists(
                _VOLUMES, "v.?projected.sources.orValue([]).exists(s, has(s.serviceAccountToken))", "v.name"
            ),
            problem="volumes with a service account's token",
            remedy="a function has no access to the API; remove the serviceAccountToken source",
        ),
    ]
    return _policy(name, _pods("function"), rules)


def build_policy(name: str, registries: Iterable[str]) -> Manifest:
    """Return the policy of builds' pods, whose executor alone may be root with Kaniko's capabilities.

    What it needs and why: docs/decisions/0004-kaniko-keeps-root.md.
    """
    executor = f'c.name == "{EXECUTOR}"'
    account = 'object.spec.?serviceAccountName.orValue("default")'
    listed = ", ".join(EXECUTOR_CAPABILITIES)
    rules = [
        *_pod_rules(registries),
        _token_rule(),
        _capability_rule(
            f"{executor} && a in {_texts(EXECUTOR_CAPABILITIES)}",
            f"the container {EXECUTOR} may add {listed}, any other nothing",
        ),
        _root_rule(
            executor, f"runAsNonRoot: true and a runAsUser other than 0 in all containers but {EXECUTOR}"
        ),
        Rule(
            name="accounts",
            offenders=f'[{account}].filter(a, a != "{BUILD_ACCOUNT}")',
            problem="service account",
            remedy=f"a build runs as {BUILD_ACCOUNT}; set serviceAccountName to it",
        ),
    ]
    return _policy(name, _pods("build"), rules)


def label_policy(name: str, namespace: str) -> Manifest:
    """Return the policy of what the automation service makes: its pods' labels must say what they are."""
    user = f"system:serviceaccount:{namespace}:{SERVICE_ACCOUNT}"
    label = f'object.spec.template.?metadata.?labels[?"{_COMPONENT}"].orValue("none")'
    wanted = 'request.resource.group == "batch" ? "build" : "function"'
    target = Target(
        resources=(_resources("batch", "jobs"), _resources("serving.knative.dev", "services")),
        condition=f'request.userInfo.username == "{user}"',
        subject="object",
    )
    rule = Rule(
        name="labels",
        offenders=f"[{label}].filter(l, l != ({wanted}))",
        problem=f"pods labelled {_COMPONENT}",
        remedy=f"{SERVICE_ACCOUNT} makes Jobs labelled build and Knative Services labelled function;"
        " set the label in the pod template",
    )
    return _policy(name, target, [rule])


def binding(name: str, namespace: str) -> Manifest:
    """Return what puts the policy of the same name into force in the namespace, and nowhere else."""
    return {
        "apiVersion": API_VERSION,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name, "labels": platform_labels("admission")},
        "spec": {
            "policyName": name,
            "validationActions": ["Deny", "Audit"],
            "matchResources": {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
            },
        },
    }


def _policy(name: str, target: Target, rules: list[Rule]) -> Manifest:
    return {
        "apiVersion": API_VERSION,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name, "labels": platform_labels("admission")},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": list(target.resources)},
            "matchConditions": [
                {"name": "is-ours", "expression": target.condition},
                {"name": "changes-spec", "expression": _CHANGES_SPEC},
            ],
            "variables": [{"name": rule.name, "expression": rule.offenders} for rule in rules],
            "validations": [_validation(rule, target.subject) for rule in rules],
        },
    }


def _validation(rule: Rule, subject: str) -> Manifest:
    offenders = f"variables.{rule.name}"
    start, end = json.dumps(f"{subject}: {rule.problem}: "), json.dumps(f"; {rule.remedy}")
    return {
        "expression": f"size({offenders}) == 0",
        "message": f"{subject}: {rule.problem}; {rule.remedy}",
        "messageExpression": f'{start} + {offenders}.join(", ") + {end}',
        "reason": "Forbidden",
    }


def _pod_rules(registries: Iterable[str]) -> list[Rule]:
    """Return the rules that functions and builds share."""
    return [*_node_rules(), _image_rule(registries), *_container_rules()]


def _node_rules() -> list[Rule]:
    return [
        Rule(
            name="hostNamespaces",
            offenders=" + ".join(
                f'(object.spec.?{field}.orValue(false) ? ["{field}"] : [])'
                for field in ("hostNetwork", "hostPID", "hostIPC")
            ),
            problem="namespaces of the node",
            remedy="none are allowed; remove these fields from the pod's spec",
        ),
        Rule(
            name="hostPaths",
            offenders=_lists(_VOLUMES, "has(v.hostPath)", 'v.name + "=" + v.hostPath.path'),
            problem="directories of the node",
            remedy="no hostPath volume is allowed; use an emptyDir",
        ),
    ]


def _image_rule(registries: Iterable[str]) -> Rule:
    known = sorted(set(registries))
    prefixes = _texts(f"{registry}/" for registry in known)
    return Rule(
        name="images",
        offenders=_containers(f"!{prefixes}.exists(r, c.image.startsWith(r))", 'c.name + "=" + c.image'),
        problem="images of foreign registries",
        remedy=f"allowed are {', '.join(known)}; push the image there, or add its registry to"
        " allowedRegistries in the stack's configuration",
    )


def _container_rules() -> list[Rule]:
    return [
        Rule(
            name="unlimited",
            offenders=_containers(
                '!["cpu", "memory"].all(r, r in c.?resources.?limits.orValue({}))', "c.name"
            ),
            problem="containers without limits",
            remedy="every container needs resources.limits of cpu and memory; set both",
        ),
        Rule(
            name="privileged",
            offenders=_containers("c.?securityContext.?privileged.orValue(false)", "c.name"),
            problem="privileged containers",
            remedy="none are allowed; remove securityContext.privileged",
        ),
        Rule(
            name="escalating",
            offenders=_containers("c.?securityContext.?allowPrivilegeEscalation.orValue(true)", "c.name"),
            problem="containers that may gain privileges",
            remedy="set securityContext.allowPrivilegeEscalation to false",
        ),
    ]


def _token_rule() -> Rule:
    return Rule(
        name="automounted",
        offenders='object.spec.?automountServiceAccountToken.orValue(true) ? ["true"] : []',
        problem="automountServiceAccountToken",
        remedy="no token may be mounted by default; set it to false in the pod's spec",
    )


def _capability_rule(allowed: str, remedy: str) -> Rule:
    """Return the rule of added capabilities; `allowed` is CEL over a container `c` and a capability `a`."""
    added = "c.?securityContext.?capabilities.?add.orValue([])"
    return Rule(
        name="capabilities",
        offenders=_containers(
            f"{added}.exists(a, !({allowed}))",
            f'c.name + "=" + {added}.filter(a, !({allowed})).join("+")',
        ),
        problem="added capabilities",
        remedy=f"{remedy}; remove the others from securityContext.capabilities.add",
    )


def _root_rule(exempt: str, allowed: str) -> Rule:
    """Return the rule against root; what a container leaves open is its pod's, and the image's after that."""
    flag = (
        "c.?securityContext.?runAsNonRoot.orValue(object.spec.?securityContext.?runAsNonRoot.orValue(false))"
    )
    user = "c.?securityContext.?runAsUser.orValue(object.spec.?securityContext.?runAsUser.orValue(1))"
    return Rule(
        name="roots",
        offenders=_containers(f"!({exempt}) && (!{flag} || {user} == 0)", "c.name"),
        problem="containers that may run as root",
        remedy=f"set {allowed}",
    )


def _pods(component: str) -> Target:
    ours = platform_labels(component).items()
    wanted = " && ".join(
        f"object.metadata.?labels[?{json.dumps(key)}].orValue('') == {json.dumps(value)}"
        for key, value in ours
    )
    return Target(resources=(_resources("", "pods"),), condition=wanted, subject=f"{component} pod")


def _resources(group: str, plural: str) -> Manifest:
    return {
        "apiGroups": [group],
        "apiVersions": ["v1"],
        "operations": ["CREATE", "UPDATE"],
        "resources": [plural],
    }


def _containers(condition: str, text: str) -> str:
    return f"({_ALL_CONTAINERS}).filter(c, {condition}).map(c, {text})"


def _lists(items: str, condition: str, text: str) -> str:
    return f"{items}.filter(v, {condition}).map(v, {text})"


def _texts(values: Iterable[str]) -> str:
    """Return a CEL list of texts; JSON's escapes are CEL's."""
    return json.dumps(list(values))
