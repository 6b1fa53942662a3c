"""The provider's own configuration: what is refused, and what of a change replaces all resources."""

import json

import pytest

from engine.kubernetes import KubernetesProviders
from engine.kubernetes.settings import settings_of
from engine.provider import ProviderError
from engine.values import UNKNOWN

URN = "urn:pulumi:dev::project::pulumi:providers:kubernetes::default"
EXPLICIT = "urn:pulumi:dev::project::pulumi:providers:kubernetes::mine"


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
        pytest.param({}, {"kubeconfig": kubeconfig()}, (), id="kubeconfig given for the first time"),
        pytest.param(
            {"renderYamlToDirectory": "a"},
            {"renderYamlToDirectory": "b"},
            ("renderYamlToDirectory",),
            id="folder to render to",
        ),
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
        pytest.param(
            {"renderYamlToDirectory": "out", "context": "c"}, "cannot be combined", id="render, to a cluster"
        ),
        pytest.param({"alwaysRender": "true"}, "needs renderYamlToDirectory", id="render always, to nowhere"),
        pytest.param(
            {"strictMode": "true", "kubeconfig": "k"}, "strict mode needs the provider's context", id="strict"
        ),
        pytest.param(
            {"enableServerSideApply": "false"},
            "applying on the client's side is not supported",
            id="client side",
        ),
        pytest.param({"kubeconfig": 3}, "has to be a string", id="type"),
    ],
)
def test_what_is_not_supported_is_refused_with_the_way_out(provider, inputs, words):
    (failure,) = provider.check_config(EXPLICIT, {}, inputs).failures

    assert words in failure.reason


def test_ordinary_configuration_passes_unchanged(provider):
    inputs = {"kubeconfig": "~/.kube/config", "enableServerSideApply": "true", "version": "4.34.2"}
    result = provider.check_config(URN, {}, inputs)

    assert (result.inputs, result.failures) == (inputs, ())


def test_a_flag_that_is_no_boolean_is_named(provider):
    with pytest.raises(ProviderError, match=r"kubernetes:enablePatchForce is 'maybe'"):
        provider.configure({"enablePatchForce": "maybe"})


def test_strict_mode_prohibits_default_providers(provider):
    inputs = {"strictMode": "true", "kubeconfig": "k", "context": "c"}

    assert [failure.reason for failure in provider.check_config(URN, {}, inputs).failures] == [
        "strict mode prohibits the default provider"
    ]
    assert provider.check_config(EXPLICIT, {}, inputs).failures == ()


def test_switches_come_from_the_environment_where_the_configuration_says_nothing(monkeypatch):
    monkeypatch.setenv("PULUMI_K8S_ENABLE_PATCH_FORCE", "true")
    monkeypatch.setenv("PULUMI_K8S_ENABLE_CONFIGMAP_MUTABLE", "true")

    settings = settings_of({"enableConfigMapMutable": "false"})

    assert (settings.patch_force, settings.config_map_mutable) == (True, False)


@pytest.mark.parametrize("value", ["[]", "{", '{"timeout": "soon"}'])
def test_client_settings_that_are_no_object_are_named(provider, value):
    with pytest.raises(ProviderError, match="kubernetes:kubeClientSettings"):
        provider.configure({"kubeClientSettings": value})


def test_a_timeout_of_requests_is_taken_from_the_client_settings():
    assert settings_of({"kubeClientSettings": '{"burst": 5, "timeout": 3}'}).source.timeout_seconds == 3.0


def test_kinds_that_nobody_knows_are_refused_where_the_configuration_says_so(server):
    strict = KubernetesProviders()()
    strict.configure({"kubeconfig": server.kubeconfig(), "rejectUnknownResources": "true"})
    urn = "urn:pulumi:dev::project::kubernetes:example.com/v1:Zone::zone"
    news = {"apiVersion": "example.com/v1", "kind": "Zone"}

    (failure,) = strict.check(urn=urn, olds={}, news=news, random_seed=b"").failures

    assert "does not know the kind Zone of example.com/v1" in failure.reason
