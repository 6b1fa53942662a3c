"""Objects declared by their manifest are registered as the SDK's own classes register them."""

import re

import pulumi
import pytest
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.apps.v1 import Deployment
from pulumi_kubernetes.core.v1 import ConfigMap, Secret, ServiceAccount
from pulumi_kubernetes.rbac.v1 import Role

from components.declare import custom
from tests.components.declaring import declare, is_secret

META = {"name": "one", "namespace": "ns"}
RULES = [{"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["get"]}]
POD = {"containers": [{"name": "c", "image": "i", "securityContext": {"runAsNonRoot": True}}]}
SPEC = {"replicas": 2, "selector": {"matchLabels": {"a": "b"}}, "template": {"spec": POD}}


def manifest(api_version, kind, **rest):
    return {"apiVersion": api_version, "kind": kind, "metadata": META, **rest}


KINDS = [
    pytest.param(
        ServiceAccount, manifest("v1", "ServiceAccount", automountServiceAccountToken=False), id="core"
    ),
    pytest.param(ConfigMap, manifest("v1", "ConfigMap", data={"someKey": "some_value"}), id="data"),
    pytest.param(Role, manifest("rbac.authorization.k8s.io/v1", "Role", rules=RULES), id="rules"),
    pytest.param(Deployment, manifest("apps/v1", "Deployment", spec=SPEC), id="spec"),
]


def arguments(planned):
    """What the SDK's class of a built-in kind takes: top-level fields in snake_case, without the kind."""
    fields = {key: value for key, value in planned.items() if key not in {"apiVersion", "kind"}}
    return {
        re.sub(r"(?<=[a-z])[A-Z]", lambda found: "_" + found[0].lower(), key): fields[key] for key in fields
    }


def registered(declaration):
    """What is sent of one resource, without what cannot differ."""
    declared = declare(lambda: declaration(pulumi.ResourceOptions(protect=True)))
    request = declared.requests["one"]
    return request.type, declared.inputs("one"), request.version, request.protect


@pytest.mark.parametrize(("own", "planned"), KINDS)
def test_a_built_in_kind_is_registered_as_by_its_own_class(own, planned):
    ours = registered(lambda opts: custom("one", planned, opts))

    assert ours == registered(lambda opts: own("one", **arguments(planned), opts=opts))
    assert ours[1] == planned


def test_a_custom_kind_is_registered_as_by_the_class_for_them():
    planned = manifest("eventing.knative.dev/v1", "Trigger", spec={"broker": "b"})

    ours = registered(lambda opts: custom("one", planned, opts))

    assert ours == registered(
        lambda opts: CustomResource(
            "one", "eventing.knative.dev/v1", "Trigger", metadata=META, spec=planned["spec"], opts=opts
        )
    )


def test_a_secrets_data_is_secret_as_a_whole_whoever_declares_it():
    planned = manifest("v1", "Secret", stringData={"token": "plain"}, type="Opaque")

    declared = declare(lambda: custom("one", planned, pulumi.ResourceOptions()))
    own = declare(lambda: Secret("one", **arguments(planned)))

    assert is_secret(declared.raw_inputs("one")["stringData"])
    assert declared.inputs("one") == own.inputs("one") == planned
    hidden = [list(made.requests["one"].additionalSecretOutputs) for made in (declared, own)]
    assert hidden == [["data", "stringData"]] * 2


def test_the_metadata_of_what_was_declared_can_be_built_upon():
    def program():
        made = custom("one", manifest("v1", "Namespace"), pulumi.ResourceOptions())
        pulumi.export("name", made.metadata["name"])

    assert declare(program).exports == {"name": "one"}
