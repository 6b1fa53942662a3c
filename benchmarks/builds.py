"""`make bench-builds`: what a build costs around the build itself. Writes benchmarks/results/builds.json.

A context of 200 MB in 5,000 files and one of a usual parser are made and stored by a process of their own,
from and into the local object store, which is another process on the same cores. The monitor is the real one,
before an API server and a broker of the tests. The runtimes' figures are those of benchmarks/runtimes.py.
"""

import argparse
import contextlib
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from automation import context
from automation.adapters import wrappers
from automation.adapters.s3 import S3Store
from automation.code import Code
from automation.ports import Source
from automation.settings import AutomationSettings
from benchmarks import runtimes
from benchmarks.measure import RESULTS, cpu_seconds, percentiles, publish
from tests.monitor.build_pod import DIGEST, RUNNING, ApiServer, Broker, Monitor, ended, pod

FILES: Final = 5000
FILE_BYTES: Final = 40_000
SMALL_BYTES: Final = 20_000
SMALL_ROUNDS: Final = 200
REPORTS: Final = 5
CODE, CONTEXTS = "code", "contexts"
AIMS = {
    "big_context_mb_per_s": ">= 60",
    "big_context_peak_rss_mib": "< 150",
    "monitor_peak_rss_mib": "<= 40",
    "monitor_report_ms": "<= 500",
}

_SERVER: Final = """
import asyncio, sys
from pathlib import Path
from local.objectstore.server import ObjectStore

async def main():
    server = ObjectStore(Path(sys.argv[1]))
    await server.start()
    print(server.url, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def put_sources(root: Path) -> None:
    """Lay a big and a small parser into the object store's folder; text that compresses as code does."""
    chance = random.Random(20261123)
    words = [
        "".join(chance.choices("abcdefghijklmnopqrstuvwxyz_", k=chance.randint(2, 10))) for _ in range(3000)
    ]
    for number in range(FILES):
        file = root / CODE / "big" / f"d{number // 100:02}" / f"f{number:04}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(_text(chance, words, FILE_BYTES))
    (root / CODE / "big" / "parser.py").write_bytes(b"def handler(event): ...\n")
    small = root / CODE / "small" / "parser.py"
    small.parent.mkdir()
    small.write_bytes(_text(chance, words, SMALL_BYTES))
    (root / CONTEXTS).mkdir()


def _text(chance: random.Random, words: Sequence[str], size: int) -> bytes:
    return " ".join(chance.choices(words, k=size // 4)).encode()[:size]


@contextlib.contextmanager
def object_store(root: Path) -> Iterator[tuple[str, int]]:
    """Run the local object store in a process of its own; gives its URL and its process id."""
    process = subprocess.Popen([sys.executable, "-c", _SERVER, str(root)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip(), process.pid
    finally:
        process.terminate()
        process.communicate()


def in_child(part: str, url: str) -> dict[str, float]:
    """Return what a fresh process measures of one part."""
    command = [sys.executable, "-m", "benchmarks.builds", "--part", part, "--storage", url]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return dict(json.loads(done.stdout))


class Maker:
    """Makes and stores contexts as the service does for a build.start."""

    def __init__(self, url: str) -> None:
        settings = AutomationSettings(
            environment="local",
            backend_url="file:///nowhere",
            registry="registry.test",
            executor_image="executor",
            monitor_image="monitor",
            s3_endpoint=url,
            access_key_id="local",
            secret_access_key="local-secret",
            source_bucket=CODE,
            context_bucket=CONTEXTS,
        )
        self._settings = settings
        self._wrappers = wrappers.read_all(settings.runtimes_folder)
        self.store = S3Store(settings)

    def make(self, parser: str) -> int:
        """Make the context of a parser and store it; return the bytes of its code."""
        code = self.store.read(Source(bucket=CODE, key=f"{parser}/"))
        made = self._assembled(code)
        with made.archive:
            self.store.put_context(f"build-context/{parser}/context.tar.gz", made.archive)
        return sum(code.sizes.values())

    def _assembled(self, code: Code) -> context.BuildContext:
        detected = context.detect(code)
        runtime = context.Runtime(
            wrapper=self._wrappers[detected.language.name],
            tools=self._settings.toolchain(detected.language, None),
        )
        return context.assemble(code, runtime, detected)


def big(url: str) -> dict[str, float]:
    """Return speed, CPU time and peak memory of the context of 200 MB."""
    maker = Maker(url)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    began, cpu = time.perf_counter(), time.process_time()
    size = maker.make("big")
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    maker.store.close()
    return {
        "big_context_mb_per_s": round(size / 1e6 / seconds, 1),
        "big_context_mb_per_cpu_s": round(size / 1e6 / cpu, 1),
        "big_context_cpu_s": round(cpu, 2),
        "big_context_peak_rss_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        "big_context_rss_before_mib": round(before, 1),
    }


def small(url: str) -> dict[str, Any]:
    """Return time and CPU time of a usual parser's context."""
    maker = Maker(url)
    maker.make("small")
    cpu, seconds = time.process_time(), []
    for _ in range(SMALL_ROUNDS):
        began = time.perf_counter()
        maker.make("small")
        seconds.append(time.perf_counter() - began)
    cpu = time.process_time() - cpu
    maker.store.close()
    return {
        "small_context_ms": percentiles(seconds),
        "small_context_cpu_ms": round(cpu / SMALL_ROUNDS * 1000, 2),
    }


def monitor(folder: Path) -> dict[str, float]:
    """Return the monitor's peak memory, and the time from a container's end to the broker's receipt."""
    runs = [_report(folder) for _ in range(REPORTS)]
    return {
        "monitor_peak_rss_mib": round(max(memory for memory, _ in runs), 1),
        "monitor_report_ms": round(statistics.median(seconds for _, seconds in runs) * 1000, 1),
        "monitor_report_slowest_ms": round(max(seconds for _, seconds in runs) * 1000, 1),
    }


def _report(folder: Path) -> tuple[float, float]:
    token = folder / "token"
    token.write_text("secret-1\n")
    api, broker = ApiServer(), Broker()
    api.pod = pod(running=RUNNING)
    process = Monitor(_monitor_environment(api.url, broker.url, token))
    try:
        api.wait_for_reads(3)
        began = time.monotonic()
        api.pod = pod(terminated=ended(0, message=DIGEST))
        broker.wait_for_tries(1)
        seconds, memory = broker.tries[0] - began, process.peak_memory_mib()
        process.exit_status()
    finally:
        process.close()
        api.close()
        broker.close()
    return memory, seconds


def _monitor_environment(api: str, broker: str, token: Path) -> dict[str, str]:
    return {
        "BUILD_JOB_NAME": "kaniko-build-acme-p1",
        "THIRD_PARTY_ID": "acme",
        "PARSER_ID": "p1",
        "IMAGE_URI": "registry.example/knative-lambdas:acme-p1-12345678",
        "BUILD_ID": "b-1",
        "CONTENT_HASH": "c" * 64,
        "BROKER_URL": f"{broker}/knative-lambda-local/knative-lambda-broker-local",
        "POD_NAME": "kaniko-build-acme-p1-x",
        "POD_NAMESPACE": "knative-lambda-local",
        "KUBE_TOKEN_FILE": str(token),
        "KUBERNETES_API_URL": api,
    }


def measure() -> dict[str, Any]:
    """Return every figure but the runtimes'."""
    with tempfile.TemporaryDirectory(prefix="bench-builds-") as folder:
        root = Path(folder) / "buckets"
        put_sources(root)
        with object_store(root) as (url, store):
            before = cpu_seconds(store)
            contexts: dict[str, Any] = in_child("big", url)
            contexts["big_context_store_cpu_s"] = round(cpu_seconds(store) - before, 2)
            contexts |= in_child("small", url)
        return {**contexts, **monitor(Path(folder))}


def main() -> int:
    """Measure everything, print it, and write it down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=("big", "small"), help="measure this in this process, print JSON")
    parser.add_argument("--storage", default="", help="URL of the object store, with --part")
    parser.add_argument("--without-runtimes", action="store_true", help="keep the runtimes' figures")
    options = parser.parse_args()
    if options.part:
        print(json.dumps({"big": big, "small": small}[options.part](options.storage)))
        return 0
    file = RESULTS / "builds.json"
    known = json.loads(file.read_text()) if file.exists() else {}
    publish("builds", measure(), AIMS)
    found = known.get("runtimes", {})
    if not options.without_runtimes:
        found = runtimes.measure()
        runtimes.show(found)
    file.write_text(json.dumps({**json.loads(file.read_text()), "runtimes": found}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
