"""What it costs to import the platform program, and that doing so talks to nobody."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = ("boto3", "kubernetes", "pulumi_aws", "pulumi_kubernetes")
LOOK = f"""
import json, runpy, socket, sys, time

def refused(*arguments, **settings):
    raise AssertionError(f"the import opens a socket: {{arguments}}")

began = time.process_time()
for name in ("connect", "connect_ex", "bind", "sendto"):
    setattr(socket.socket, name, refused)
socket.create_connection = socket.getaddrinfo = refused
{{program}}
spent = time.process_time() - began
print(json.dumps([spent, sorted(set(sys.modules) & {set(HEAVY)})]))
"""


def seen(program: str) -> tuple[float, list[str]]:
    """CPU seconds of a program in a process of its own, and which heavy packages it has loaded."""
    ended = subprocess.run(
        [sys.executable, "-c", LOOK.replace("{program}", program)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    spent, loaded = json.loads(ended.stdout)
    return spent, loaded


@pytest.mark.parametrize(
    "program",
    [
        pytest.param("runpy.run_path('__main__.py', run_name='imported')", id="platform"),
        pytest.param("import components.function, components.build", id="event-path"),
    ],
)
def test_importing_talks_to_nobody_and_loads_no_sdk_of_a_cloud(program: str) -> None:
    """The SDKs of Kubernetes and AWS take half a second and a whole one: declare objects by
    components.declare.custom, and import pulumi_aws where an environment with AWS uses it."""
    spent, loaded = seen(program)

    assert loaded == []
    assert spent < 1.5
