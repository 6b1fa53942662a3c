"""A small valid object of every kind that a cluster holds: Kubernetes' own, and custom ones by their schema.

Left out are kinds whose objects reach beyond a test's own namespace and name: APIService (a group that does
not answer stops the deletion of all namespaces) and ServiceCIDR (Services of others would get its addresses).
"""

import base64
import re
from functools import cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from engine.kubernetes.manifests import decode

Json = dict[str, Any]

CONTAINERS = {"containers": [{"name": "a", "image": "registry.local/a:1"}]}
NEVER = {"matchLabels": {"nothing": "has-this"}}


def template(**spec: Any) -> Json:
    return {"metadata": {"labels": {"app": "a"}}, "spec": {**CONTAINERS, **spec}}


SELECTED = {"selector": {"matchLabels": {"app": "a"}}, "template": template()}
MATCHES_NOTHING = {
    "matchConstraints": {
        "namespaceSelector": NEVER,
        "resourceRules": [
            {
                "apiGroups": ["none.example"],
                "apiVersions": ["v1"],
                "operations": ["CREATE"],
                "resources": ["none"],
            }
        ],
    }
}
WEBHOOK = {
    "name": "none.example.com",
    "admissionReviewVersions": ["v1"],
    "clientConfig": {"url": "https://127.0.0.1:1/none"},
    "failurePolicy": "Ignore",
    "namespaceSelector": NEVER,
    "sideEffects": "None",
}


@cache
def signing_request() -> str:
    """Return a certificate request, base64 of PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return base64.b64encode(request.public_bytes(serialization.Encoding.PEM)).decode()


def builtin(namespace: str, name: str, number: int) -> dict[str, Json]:
    """Return the bodies (without apiVersion, kind and metadata) by `apiVersion/Kind`; `number` is 0 to 99."""
    me = {"apiVersion": "v1", "kind": "Namespace", "name": namespace, "namespace": namespace}
    role = {"apiGroup": "rbac.authorization.k8s.io", "name": "none"}
    subject = {"kind": "ServiceAccount", "name": "default", "namespace": namespace}
    policy_binding = {"policyName": "none", "validationActions": ["Deny"]}
    claim = {"devices": {"requests": [{"name": "a", "exactly": {"deviceClassName": "none.example.com"}}]}}
    return {
        "v1/ConfigMap": {"data": {"a": "1"}},
        "v1/Endpoints": {"subsets": [{"addresses": [{"ip": "10.1.2.3"}], "ports": [{"port": 80}]}]},
        "v1/Event": {"involvedObject": me, "reason": "Test", "message": "m", "type": "Normal"},
        "v1/LimitRange": {
            "spec": {"limits": [{"type": "PersistentVolumeClaim", "max": {"storage": "2048Gi"}}]}
        },
        "v1/Namespace": {},
        "v1/Node": {"spec": {"unschedulable": True}},
        "v1/PersistentVolume": {
            "spec": {
                "capacity": {"storage": "1024Mi"},
                "accessModes": ["ReadWriteOnce"],
                "storageClassName": "none",
                "hostPath": {"path": "/none"},
            }
        },
        "v1/PersistentVolumeClaim": {
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "storageClassName": "none",
                "resources": {"requests": {"storage": "1Gi"}},
            }
        },
        "v1/Pod": {"spec": {**CONTAINERS, "nodeSelector": {"nothing": "has-this"}}},
        "v1/PodTemplate": {"template": template()},
        "v1/ReplicationController": {
            "spec": {"replicas": 0, "selector": {"app": "a"}, "template": template()}
        },
        "v1/ResourceQuota": {"spec": {"hard": {"services.nodeports": "5"}}},
        "v1/Secret": {"stringData": {"password": "hunter2"}},
        "v1/Service": {"spec": {"selector": {"app": "none"}, "ports": [{"port": 80}]}},
        "v1/ServiceAccount": {"automountServiceAccountToken": False},
        "admissionregistration.k8s.io/v1/MutatingWebhookConfiguration": {"webhooks": [WEBHOOK]},
        "admissionregistration.k8s.io/v1/ValidatingWebhookConfiguration": {"webhooks": [WEBHOOK]},
        "admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy": {
            "spec": {**MATCHES_NOTHING, "validations": [{"expression": "true"}]}
        },
        "admissionregistration.k8s.io/v1/ValidatingAdmissionPolicyBinding": {"spec": policy_binding},
        "apiextensions.k8s.io/v1/CustomResourceDefinition": definition(name),
        "apps/v1/ControllerRevision": {"revision": 1, "data": {"a": "1"}},
        "apps/v1/DaemonSet": {
            "spec": {**SELECTED, "template": template(nodeSelector={"nothing": "has-this"})}
        },
        "apps/v1/Deployment": {"spec": {"replicas": 0, **SELECTED}},
        "apps/v1/ReplicaSet": {"spec": {"replicas": 0, **SELECTED}},
        "apps/v1/StatefulSet": {"spec": {"replicas": 0, "serviceName": "none", **SELECTED}},
        "autoscaling/v1/HorizontalPodAutoscaler": {
            "spec": {
                "maxReplicas": 2,
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "none"},
            }
        },
        "autoscaling/v2/HorizontalPodAutoscaler": {
            "spec": {
                "maxReplicas": 2,
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "none"},
            }
        },
        "batch/v1/CronJob": {
            "spec": {
                "schedule": "0 0 1 1 *",
                "suspend": True,
                "jobTemplate": {"spec": {"template": template(restartPolicy="Never")}},
            }
        },
        "batch/v1/Job": {"spec": {"suspend": True, "template": template(restartPolicy="Never")}},
        "certificates.k8s.io/v1/CertificateSigningRequest": {
            "spec": {
                "request": signing_request(),
                "signerName": "test.example.com/none",
                "usages": ["client auth"],
            }
        },
        "coordination.k8s.io/v1/Lease": {"spec": {"holderIdentity": "test"}},
        "discovery.k8s.io/v1/EndpointSlice": {
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["10.1.2.3"]}],
            "ports": [{"port": 80}],
        },
        "events.k8s.io/v1/Event": {
            "eventTime": "2024-01-02T03:04:05.000000Z",
            "action": "Test",
            "reason": "Test",
            "type": "Normal",
            "regarding": me,
            "reportingController": "example.com/test",
            "reportingInstance": "test",
        },
        "flowcontrol.apiserver.k8s.io/v1/FlowSchema": {
            "spec": {"priorityLevelConfiguration": {"name": "catch-all"}, "matchingPrecedence": 9999}
        },
        "flowcontrol.apiserver.k8s.io/v1/PriorityLevelConfiguration": {
            "spec": {
                "type": "Limited",
                "limited": {"nominalConcurrencyShares": 0, "limitResponse": {"type": "Reject"}},
            }
        },
        "networking.k8s.io/v1/Ingress": {
            "spec": {"defaultBackend": {"service": {"name": "none", "port": {"number": 80}}}}
        },
        "networking.k8s.io/v1/IngressClass": {"spec": {"controller": "example.com/none"}},
        "networking.k8s.io/v1/IPAddress": {
            "spec": {"parentRef": {"resource": "services", "name": "none", "namespace": namespace}}
        },
        "networking.k8s.io/v1/NetworkPolicy": {"spec": {"podSelector": NEVER, "policyTypes": ["Ingress"]}},
        "node.k8s.io/v1/RuntimeClass": {"handler": "none"},
        "policy/v1/PodDisruptionBudget": {"spec": {"minAvailable": 0, "selector": NEVER}},
        "rbac.authorization.k8s.io/v1/ClusterRole": {
            "rules": [{"apiGroups": [""], "resources": ["none"], "verbs": ["get"]}]
        },
        "rbac.authorization.k8s.io/v1/ClusterRoleBinding": {
            "roleRef": {**role, "kind": "ClusterRole"},
            "subjects": [subject],
        },
        "rbac.authorization.k8s.io/v1/Role": {
            "rules": [{"apiGroups": [""], "resources": ["none"], "verbs": ["get"]}]
        },
        "rbac.authorization.k8s.io/v1/RoleBinding": {
            "roleRef": {**role, "kind": "Role"},
            "subjects": [subject],
        },
        "resource.k8s.io/v1/DeviceClass": {
            "spec": {"selectors": [{"cel": {"expression": "device.driver == 'none.example.com'"}}]}
        },
        "resource.k8s.io/v1/ResourceClaim": {"spec": claim},
        "resource.k8s.io/v1/ResourceClaimTemplate": {"spec": {"spec": claim}},
        "resource.k8s.io/v1/ResourceSlice": {
            "spec": {
                "driver": "none.example.com",
                "allNodes": True,
                "pool": {"name": name, "generation": 1, "resourceSliceCount": 1},
                "devices": [{"name": "a"}],
            }
        },
        "scheduling.k8s.io/v1/PriorityClass": {"value": number, "globalDefault": False},
        "storage.k8s.io/v1/CSIDriver": {"spec": {"attachRequired": False}},
        "storage.k8s.io/v1/CSINode": {"spec": {"drivers": []}},
        "storage.k8s.io/v1/CSIStorageCapacity": {"storageClassName": "none", "capacity": "1024Mi"},
        "storage.k8s.io/v1/StorageClass": {"provisioner": "example.com/none", "parameters": {"a": "1"}},
        "storage.k8s.io/v1/VolumeAttachment": {
            "spec": {
                "attacher": "none.example.com",
                "nodeName": "none",
                "source": {"persistentVolumeName": "none"},
            }
        },
        "storage.k8s.io/v1/VolumeAttributesClass": {
            "driverName": "example.com/none",
            "parameters": {"a": "1"},
        },
    }


def definition(name: str, kind: str = "None", scope: str = "Namespaced") -> Json:
    """Return the body of a definition in the group `<name>.example.com`, with two versions."""
    schema = {
        "type": "object",
        "properties": {"spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
    }
    versions = [
        {"name": version, "served": True, "storage": version == "v1", "schema": {"openAPIV3Schema": schema}}
        for version in ("v1", "v2")
    ]
    word = kind.lower()
    names = {"plural": f"{word}s", "singular": word, "kind": kind, "listKind": f"{kind}List"}
    return {"spec": {"group": f"{name}.example.com", "scope": scope, "names": names, "versions": versions}}


POD = {"containers": [{"image": "registry.local/a:1"}]}
SUBSCRIBER = {"uri": "http://none.example.com"}
FILLED: dict[str, Json] = {
    "eventing.knative.dev/v1/Trigger": {"broker": "none", "subscriber": SUBSCRIBER},
    "eventing.knative.dev/v1alpha1/RabbitmqBrokerConfig": {"rabbitmqClusterReference": {"name": "none"}},
    "notification.toolkit.fluxcd.io/v1/Receiver": {
        "type": "generic",
        "resources": [],
        "secretRef": {"name": "none"},
    },
    "serving.knative.dev/v1/Service": {"template": {"spec": POD}},
    "serving.knative.dev/v1/Configuration": {"template": {"spec": POD}},
    "serving.knative.dev/v1/Revision": POD,
}
"""Specs of custom kinds whose operators ask for more than their schemas say."""


def custom(definitions: list[Path]) -> dict[str, tuple[Json, bool]]:
    """Return bodies and scopes of custom kinds by `apiVersion/Kind`, as little as their schemas allow.

    Of several versions all that are served, unless it takes a webhook to turn one into the other.
    """
    found = {}
    for path in definitions:
        spec = decode(path.read_text())[0]["spec"]
        converts = (spec.get("conversion") or {}).get("strategy") == "Webhook"
        for version in spec["versions"]:
            if version["storage"] or (version["served"] and not converts):
                schema = version.get("schema", {}).get("openAPIV3Schema", {}).get("properties", {})
                key = f"{spec['group']}/{version['name']}/{spec['names']['kind']}"
                body = {"spec": FILLED.get(key) or smallest(schema["spec"])} if "spec" in schema else {}
                found[key] = (body, spec["scope"] == "Namespaced")
    return found


def smallest(schema: Json, name: str = "") -> Any:
    """Return a small value that a schema allows, with everything that it requires."""
    if "default" in schema:
        return schema["default"]
    if "enum" in schema:
        return schema["enum"][0]
    for choice in ("oneOf", "anyOf"):
        required = [option["required"] for option in schema.get(choice, []) if option.get("required")]
        if required:
            schema = {**schema, "required": [*schema.get("required", []), *required[0]]}
    kind = schema.get("type", "string" if schema.get("x-kubernetes-int-or-string") else "object")
    if kind == "object":
        properties = schema.get("properties", {})
        # An empty object that gets defaults cannot be applied after a create: the server makes it null.
        filled = [key for key, value in properties.items() if "default" in value]
        least = list(properties)[: schema.get("minProperties", 0)]
        keys = dict.fromkeys([*schema.get("required", []), *least, *filled])
        return {key: smallest(properties.get(key, {"type": "string"}), key) for key in keys}
    if kind == "array":
        return [smallest(schema["items"], name)] * schema.get("minItems", 0)
    if kind in ("integer", "number"):
        return schema.get("minimum", 1)
    return False if kind == "boolean" else _text(schema, name)


def _text(schema: Json, name: str) -> str:
    candidates = ("a", "1m", "1Gi", "https://example.com", "example/none", "v1", "A_B", "10.0.0.0/8")
    pattern = schema.get("pattern", "")
    fitting = [
        text for text in candidates if re.search(pattern, text) and len(text) >= schema.get("minLength", 0)
    ]
    if schema.get("format") == "date-time":
        return "2024-01-02T03:04:05Z"
    assert fitting, f"no text fits {name}: {schema}"
    return fitting[0]
