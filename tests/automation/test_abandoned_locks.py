"""A function whose replica was killed is free again, whatever is asked of it next."""

import json
import os
import time

import pulumi
import pytest

from automation.adapters.deployments import Deployments
from automation.errors import StackBusy
from engine import Engine, FileBackend, StackRef

STACK = "fn-a"


def program():
    pulumi.export("a", 1)


OPERATIONS = [
    pytest.param(lambda port, version: port.up(STACK, program, expect=version, message=""), id="up"),
    pytest.param(lambda port, version: port.refresh(STACK), id="refresh"),
    pytest.param(lambda port, version: port.destroy(STACK), id="destroy"),
    pytest.param(lambda port, version: port.remove(STACK, expect=version), id="remove"),
]


@pytest.fixture
def port(tmp_path):
    return Deployments(Engine(FileBackend(tmp_path), {}), "functions", {})


def locked_elsewhere(root, seconds_ago):
    """Lock the stack as a replica on another host that touched its lock so many seconds ago."""
    path = root / StackRef("functions", STACK).locks_folder / "1.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    owner = {"pid": 1, "username": "app", "hostname": "elsewhere", "timestamp": "2026-01-01T00:00:00.5Z"}
    path.write_text(json.dumps({**owner, "leaseSeconds": 60}))
    os.utime(path, (time.time() - seconds_ago,) * 2)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_lock_that_was_left_behind_is_in_nobodys_way(port, tmp_path, operation):
    version = port.up(STACK, program, expect="", message="").version
    locked_elsewhere(tmp_path, seconds_ago=70)

    operation(port, version)

    assert port.cancel(STACK) == 0


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_lock_in_use_is_respected(port, tmp_path, operation):
    version = port.up(STACK, program, expect="", message="").version
    locked_elsewhere(tmp_path, seconds_ago=20)

    with pytest.raises(StackBusy):
        operation(port, version)

    assert port.cancel(STACK) == 1
