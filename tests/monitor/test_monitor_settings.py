"""The environment as the build's Job sets it."""

from datetime import timedelta

import pytest

from monitor.settings import InvalidSettings, settings_from

NEEDED = {
    "BUILD_JOB_NAME": "j",
    "THIRD_PARTY_ID": "acme",
    "PARSER_ID": "p1",
    "IMAGE_URI": "r/x:1",
    "POD_NAME": "pod",
    "POD_NAMESPACE": "ns",
    "BROKER_URL": "http://broker/ns/name",
    "KUBERNETES_SERVICE_HOST": "10.0.0.1",
    "KUBERNETES_SERVICE_PORT": "6443",
}


def test_what_is_not_set_has_its_promised_default() -> None:
    settings = settings_from(NEEDED)

    assert settings.rules.container == "kaniko"
    assert settings.rules.deadline == timedelta(seconds=1800)
    assert settings.rules.pull_grace == timedelta(seconds=120)
    assert settings.rules.start_grace == timedelta(seconds=300)
    assert settings.build.traceparent == ""


@pytest.mark.parametrize(
    ("env", "url"),
    [
        ({}, "https://10.0.0.1:6443"),
        ({"KUBERNETES_SERVICE_HOST": "fd00::1"}, "https://[fd00::1]:6443"),
        ({"KUBERNETES_API_URL": "http://127.0.0.1:8001/"}, "http://127.0.0.1:8001"),
    ],
)
def test_the_api_server_is_the_one_named_else_the_kubelets(env: dict[str, str], url: str) -> None:
    assert settings_from(NEEDED | env).api_url == url


def test_no_api_server_is_a_problem() -> None:
    with pytest.raises(InvalidSettings, match="KUBERNETES_API_URL"):
        settings_from(NEEDED | {"KUBERNETES_SERVICE_HOST": ""})


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "1e9", "soon"])
def test_durations_out_of_range_are_refused(seconds: str) -> None:
    with pytest.raises(InvalidSettings, match="BUILD_DEADLINE_SECONDS"):
        settings_from(NEEDED | {"BUILD_DEADLINE_SECONDS": seconds})
