"""The provider's own configuration: what is refused, and what of a change replaces all resources."""

import json

import pytest

from engine.kubernetes import KubernetesProviders
from engine.provider import ProviderError
from engine.values import UNKNOWN

URN = "urn:pulumi:dev::project::pulumi:providers:kubernetes::default"


def kubeconfig(server="https://one", token="t", context="a"):
    return json.dumps(
        {
            "current-context": context,
            "clusters": [{"name": "c", "cluster": {"server": server}}],
            "users": [{"name": "u", "user": {"token": token}}],
            "contexts": [{"name": name, "context": {"cluster": "c", "user": "u"}} for name in "ab"],
        }
    )


@pytest.fixture
def provider():
    return KubernetesProviders()()


@pytest.mark.parametrize(
    ("old", "new", "replaces"),
    [
        pytest.param({}, {}, (), id="nothing"),
        pytest.param({"version": "1"}, {"version": "2"}, (), id="version"),
        pytest.param({"kubeconfig": kubeconfig()}, {"kubeconfig": kubeconfig(token="x")}, (), id="token"),
        pytest.param(
            {"kubeconfig": kubeconfig()},
            {"kubeconfig": kubeconfig("https://two")},
            ("kubeconfig",),
            id="server",
        ),
        pytest.param(
            {"kubeconfig": kubeconfig(), "context": "a"},
            {"kubeconfig": kubeconfig(), "context": "b"},
            (),
            id="context of the same cluster",
        ),
        pytest.param({"kubeconfig": kubeconfig()}, {"kubeconfig": UNKNOWN}, ("kubeconfig",), id="unknown"),
        pytest.param(
            {"kubeconfig": kubeconfig(), "clusterIdentifier": "x"},
            {"kubeconfig": kubeconfig("https://two"), "clusterIdentifier": "x"},
            (),
            id="same identifier",
        ),
        pytest.param(
            {"clusterIdentifier": "x"},
            {"clusterIdentifier": "y"},
            ("clusterIdentifier",),
            id="other identifier",
        ),
        pytest.param({}, {"clusterIdentifier": "y"}, (), id="identifier given for the first time"),
        pytest.param({"namespace": "a"}, {"namespace": "b"}, (), id="namespace"),
    ],
)
def test_only_another_cluster_replaces_everything(provider, old, new, replaces):
    diff = provider.diff_config(URN, old, new)

    assert diff.replaces == replaces
    assert diff.changes == (old != new)


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        pytest.param({"renderYamlToDirectory": "out"}, "rendering to files", id="render"),
        pytest.param(
            {"enableServerSideApply": "false"},
            "applying on the client's side is not supported",
            id="client side",
        ),
        pytest.param({"kubeconfig": 3}, "has to be a string", id="type"),
    ],
)
def test_what_is_not_supported_is_refused_with_the_way_out(provider, inputs, words):
    (failure,) = provider.check_config(URN, {}, inputs).failures

    assert failure.property in inputs
    assert words in failure.reason


def test_ordinary_configuration_passes_unchanged(provider):
    inputs = {"kubeconfig": "~/.kube/config", "enableServerSideApply": "true", "version": "4.34.2"}
    result = provider.check_config(URN, {}, inputs)

    assert (result.inputs, result.failures) == (inputs, ())


def test_a_flag_that_is_no_boolean_is_named(provider):
    with pytest.raises(ProviderError, match=r"kubernetes:enablePatchForce is 'maybe'"):
        provider.configure({"enablePatchForce": "maybe"})
