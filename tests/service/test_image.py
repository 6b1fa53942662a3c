"""The image holds what the service and the monitor import: packages in the tested versions, all our rooms."""

import ast
import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROOMS = {"automation", "components", "engine", "monitor", "runtimes", "service"}
STARTED = (
    "service.__main__, monitor.__main__, automation.adapters.engines, automation.adapters.s3, engine.s3,"
    " engine.kubernetes"
)
LEFT_OUT = {
    "kubernetes": "for kubeconfigs; a pod has its account",
    "pulumi_aws": "for an environment's own program, which runs elsewhere",
    "rich": "for the command line, python -m engine",
    "zstandard": "for states that are packed with it; the service packs none",
}


def imported(room):
    """Names of the modules at the top of everything that a room imports, inside functions as well."""
    for path in (ROOT / room).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from (alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield node.module.partition(".")[0]


def pinned(name):
    """Lines of a set of requirements, `package==version` with all hashes, by the package."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text().replace("\\\n", "")
    return {line.partition("==")[0]: " ".join(line.split()) for line in text.splitlines() if "==" in line}


def normalized(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_package_that_is_imported_is_in_the_image():
    known = packages_distributions()
    packages = {
        normalized(known[module][0])
        for room in ROOMS
        for module in imported(room)
        if module in known and module not in LEFT_OUT
    }

    assert packages >= {"pulumi", "boto3", "starlette"}
    assert packages - pinned("service").keys() == set()


def test_service_and_monitor_start_without_what_is_left_out():
    """Whatever they need of themselves: what only some environments ask for may be missed later."""
    program = f"import sys; sys.modules.update(dict.fromkeys({list(LEFT_OUT)})); import {STARTED}"

    started = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)

    assert started.stderr == ""


def test_its_packages_are_the_tested_ones():
    tested = pinned("main")

    assert {name: line for name, line in pinned("service").items() if tested.get(name) != line} == {}


def test_all_rooms_that_they_import_are_copied_and_sent_to_the_builder():
    dockerfile = (ROOT / "Dockerfile").read_text()
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    ours = {path.name for path in ROOT.iterdir() if (path / "__init__.py").exists()}

    needed = {module for room in ROOMS for module in imported(room)} & ours | ROOMS
    assert set(re.findall(r"^COPY (\w+) /app/\1$", dockerfile, re.MULTILINE)) == needed == ROOMS
    assert {f"!{room}" for room in ROOMS} <= set(ignored)
