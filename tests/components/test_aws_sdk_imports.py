"""The SDK for AWS, 122 MB and a second to load, is loaded by environments in AWS and by nothing else."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from components.platform import Platform
from components.settings import PlatformSettings, SettingsError
from tests.components.declaring import declare

ROOT = Path(__file__).parents[2]
LOADED = "import sys; print(sorted({'pulumi_aws', 'boto3'} & sys.modules.keys()))"
DECLARE = """
from components.platform import Platform
from components.settings import PlatformSettings
from tests.components.declaring import declare
settings = PlatformSettings.parse({values})
declare(lambda: Platform("platform", settings))
"""
ELSEWHERE = {"environment": "prd", "storageEndpoint": "http://minio:9000", "registryAddress": "ghcr.io"}


def loaded_after(code):
    return subprocess.run(
        [sys.executable, "-c", f"{code}\n{LOADED}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("import components.platform, components.settings", id="platform"),
        pytest.param("import automation.program, components.build, components.function", id="event-path"),
        pytest.param(DECLARE.format(values=ELSEWHERE), id="environment-elsewhere"),
        pytest.param(DECLARE.format(values={"environment": "local"}), id="local"),
    ],
)
def test_whoever_has_nothing_in_aws_does_not_load_its_sdk(code):
    assert loaded_after(code) == "[]"


def test_an_environment_in_aws_loads_it():
    """And not boto3, which is the provider's business, not the program's."""
    assert loaded_after(DECLARE.format(values={"environment": "prd"})) == "['pulumi_aws']"


def test_an_environment_in_aws_without_the_sdk_is_refused_before_anything_is_declared(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)

    with pytest.raises(SettingsError, match="pulumi-aws is not installed: run `make aws`"):
        declare(lambda: Platform("platform", PlatformSettings.parse({"environment": "prd"})))
