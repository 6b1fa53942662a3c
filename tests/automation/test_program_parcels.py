"""Programs on their way to a worker process."""

import subprocess
import sys

import pytest

from automation.adapters.automation_api.parcel import pack, unpack
from engine import EngineError

SDK_PROGRAM = """
import sys
from automation.adapters.automation_api.parcel import pack
from pulumi_kubernetes.core.v1 import ConfigMap

def main():
    def program():
        from pulumi.runtime import rpc
        from pulumi import _types
        return ConfigMap.__module__, sorted(_types.resource_types(ConfigMap))
    return program

sys.stdout.buffer.write(pack(main()))
"""


def test_classes_of_a_provider_sdk_arrive_as_what_they_are():
    """Their packages have them under the names of their modules, where dill does not find them."""
    packed = subprocess.run([sys.executable, "-c", SDK_PROGRAM], capture_output=True, check=True).stdout

    module, properties = unpack(packed)()

    assert module == "pulumi_kubernetes.core.v1.ConfigMap"
    assert "metadata" in properties
    assert len(packed) < 10_000


def test_closures_arrive_with_what_they_hold():
    values = {"a": [1, 2]}

    assert unpack(pack(lambda: values["a"][1]))() == 2


def test_what_cannot_travel_is_refused_with_the_remedy():
    generator = (number for number in range(3))

    with pytest.raises(EngineError, match=r"cannot be sent to the worker process.*plain values"):
        pack(lambda: next(generator))
