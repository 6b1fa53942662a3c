"""`make bench-platform`: a whole environment on a real API server, by the command that people type.

Each figure is a process from its start to its end, with Python and all imports, on the machine that runs the
API server too; its own CPU time stands beside it. The environment is `dev` with its stack file's values, but
for storage and images, which are not in AWS, and gone afterwards.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.cluster import cluster, install_definitions
from benchmarks.measure import publish

ROOT = Path(__file__).resolve().parents[1]
STACK = "dev"
AIMS = {
    "up_s": "< 15",
    "noop_up_s": "< 2",
    "preview_s": "< 2",
    "import_s": "< 1.5",
}
ELSEWHERE = {
    "storageEndpoint": "http://minio.storage.svc:9000",
    "registryAddress": "registry.test",
    "allowedRegistries": "registry.test,gcr.io/kaniko-project,gcr.io/knative-releases",
    "tlsAuthorityNamespace": "default",
}
IMPORT = "import runpy; runpy.run_path('__main__.py', run_name='imported')"


class Spent(NamedTuple):
    """Seconds that a process took."""

    wall: float
    cpu: float


class Bench:
    """The platform's project with a state in a folder of its own."""

    def __init__(self, folder: Path, kubeconfig: str) -> None:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("PULUMI_")}
        self._env = {
            **kept,
            "KUBECONFIG": kubeconfig,
            "PULUMI_HOME": str(folder / "home"),
            "PULUMI_BACKEND_URL": f"file://{folder}/state",
            "PULUMI_CONFIG_PASSPHRASE": "bench",
        }
        self._file = folder / f"Pulumi.{STACK}.yaml"
        self._file.write_text((ROOT / "stacks" / self._file.name).read_text())
        (folder / "state").mkdir()
        self.engine("stack", "init")
        for key, value in ELSEWHERE.items():
            self.engine("config", "set", key, value)

    def engine(self, *words: str) -> Spent:
        """Run one command of the engine and return what it took. SystemExit if it fails."""
        flags = ("-s", STACK, "--config-file", str(self._file), "--non-interactive")
        return self._timed(sys.executable, "-m", "engine", *words, *flags)

    def import_program(self) -> Spent:
        """Import the program in a process of its own and return what that took."""
        return self._timed(sys.executable, "-c", IMPORT)

    def resources(self) -> int:
        """Return how many objects the environment has on Kubernetes."""
        state = json.loads(self._run(sys.executable, "-m", "engine", "export", "-s", STACK))
        return sum(
            item["type"].startswith("kubernetes:") for item in state["deployment"].get("resources", ())
        )

    def _timed(self, *command: str) -> Spent:
        before, began = _cpu_of_children(), time.perf_counter()
        self._run(*command)
        return Spent(time.perf_counter() - began, _cpu_of_children() - before)

    def _run(self, *command: str) -> str:
        ended = subprocess.run(command, cwd=ROOT, env=self._env, capture_output=True, text=True, check=False)
        if ended.returncode:
            raise SystemExit(f"{' '.join(command)} failed:\n{ended.stdout}{ended.stderr}")
        return ended.stdout


def medians(name: str, spent: Sequence[Spent]) -> dict[str, float]:
    """Return the median seconds on the clock, and of CPU, of some runs of one thing."""
    return {
        f"{name}_s": round(statistics.median(one.wall for one in spent), 2),
        f"{name}_cpu_s": round(statistics.median(one.cpu for one in spent), 2),
    }


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def environment(bench: Bench, times: int) -> dict[str, Any]:
    """Make the environment and take it away so many times, and look at it as often in between."""
    commands = {
        "up": ("up", "--yes", "--skip-preview"),
        "noop_up": ("up", "--yes", "--skip-preview"),
        "preview": ("preview",),
        "refresh": ("refresh", "--yes", "--skip-preview"),
        "destroy": ("destroy", "--yes", "--skip-preview"),
    }
    spent: dict[str, list[Spent]] = {name: [] for name in commands}
    objects = 0
    for _ in range(times):
        for name, words in commands.items():
            spent[name].append(bench.engine(*words))
            objects = bench.resources() or objects
    return {"objects": objects} | {
        key: value for name in commands for key, value in medians(name, spent[name]).items()
    }


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure everything; the cluster is left as it was, but for the operators' definitions."""
    with cluster() as target, tempfile.TemporaryDirectory() as folder:
        install_definitions(target)
        bench = Bench(Path(folder), target.kubeconfig)
        bench.import_program()
        results = medians("import", [bench.import_program() for _ in range(arguments.times)])
        try:
            return results | environment(bench, arguments.times)
        finally:
            bench.engine("destroy", "--yes", "--skip-preview", "--refresh")


def main() -> None:
    """Measure, write benchmarks/results/platform.json and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=5, help="how often each thing is done")
    publish("platform", measure(parser.parse_args()), AIMS)


if __name__ == "__main__":
    main()
