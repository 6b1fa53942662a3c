"""A revision whose calls fail gives way, as a canary and for a while after that; Prometheus counts them."""

import http.server
import shutil
import socket
import subprocess
import threading
import time
from dataclasses import replace

import pytest
import urllib3
from urllib3.exceptions import HTTPError

from automation import record
from automation.adapters.prometheus import PrometheusCalls
from automation.configuration import FailureLimit, RolloutPolicy
from automation.errors import DependencyUnavailable
from automation.machine import decide
from automation.model import RolloutObserved
from automation.rollout_watch import Calls, RolloutWatch
from tests.automation import test_rollouts, worlds
from tests.automation.test_rollout_watch import Knative, deploy, look

LIMIT = FailureLimit(percent=5, min_calls=20, watch_seconds=300)
AT_ONCE = RolloutPolicy(failures=LIMIT)
CANARY = RolloutPolicy(steps=(10,), pause_seconds=60, failures=LIMIT)


def seen(state, seconds, calls=0, failed=0):
    number = state.deployment.number
    observed = RolloutObserved(
        number=number, ready=True, revision=f"fn-0000{number}", calls=calls, failed_calls=failed
    )
    after, _ = decide(state, observed, worlds.at(seconds))
    assert worlds.impossible(after) == []
    assert record.loads(record.dumps(after)) == after
    return after


def begun(policy):
    """A function whose fourth revision is ready; the third one runs beside it, or did a moment ago."""
    state, _ = test_rollouts.image(test_rollouts.sound(policy))
    return seen(state, 5)


@pytest.mark.parametrize("policy", [AT_ONCE, CANARY], ids=["all-at-once", "canary"])
def test_a_revision_whose_calls_fail_gives_way_at_once(policy):
    state = seen(begun(policy), 20, calls=20, failed=2)

    assert (state.deployment.number, state.deployment.restored) == (5, 3)
    assert state.previous[-1].failure == "2 of 20 calls failed, more than 5 %"
    assert (state.rollout.percent, state.rollout.stable_revision) == (0, "fn-00003")
    assert seen(state, 25, calls=20, failed=20).rollout is None, "what is restored is not judged"


@pytest.mark.parametrize(
    ("calls", "failed"), [(19, 19), (20, 1), (1000, 50), (0, 0)], ids=["few", "at-the-limit", "many", "none"]
)
def test_few_calls_and_few_failures_change_nothing(calls, failed):
    state = begun(AT_ONCE)

    assert seen(state, 20, calls, failed) == state


def test_after_the_watch_nothing_is_judged_any_more():
    state = begun(AT_ONCE)
    assert seen(state, 304).rollout is not None

    state = seen(state, 305)

    assert state.rollout is None
    assert seen(state, 310, calls=100, failed=100) == state


def test_a_revision_that_comes_while_another_is_watched_is_measured_against_that_one():
    event = test_rollouts.deploy("p3", image="registry.test/third@sha256:" + "f" * 64)
    state, _ = test_rollouts.send(begun(CANARY), event)
    assert state.rollout.stable == 3, "the canary before it never had all of the traffic"

    state, _ = test_rollouts.send(seen(begun(AT_ONCE), 20), event)

    assert (state.rollout.stable, state.rollout.stable_revision) == (4, "fn-00004")


def test_what_is_only_watched_has_nothing_to_be_promoted():
    _, reply = test_rollouts.send(begun(AT_ONCE), test_rollouts.promote(50), worlds.at(20))

    assert reply.status == "skipped"


def test_the_first_revision_is_not_watched():
    state, _ = test_rollouts.send(
        worlds.absent(), test_rollouts.deploy(image=test_rollouts.OTHER), policy=AT_ONCE
    )

    assert seen(state, 5).rollout is None


def test_a_function_with_steps_of_its_own_is_judged_as_the_environment_says():
    own = replace(test_rollouts.CANARY, steps=(30,))
    state, _ = test_rollouts.send(
        test_rollouts.sound(own),
        test_rollouts.deploy(image=test_rollouts.OTHER, configuration=test_rollouts.sound(own).configuration),
        policy=AT_ONCE,
    )

    assert (state.rollout.percent, state.rollout.policy.failures) == (30, LIMIT)


class Counts:
    """See CallCounts."""

    def __init__(self):
        self.known = {}
        self.down = False

    def calls(self, revision):
        if self.down:
            raise DependencyUnavailable("down")
        return self.known.get(revision, Calls(total=0, failed=0))


async def test_a_round_asks_for_the_calls_and_goes_back(world):
    knative, counts = Knative(world), Counts()
    world.runner._settings = replace(world.settings, rollout=AT_ONCE)
    watch = RolloutWatch(knative, lambda function, seen: world.runner.tell(function, seen), counts)
    image = "registry.test/mine@sha256:"
    await deploy(world, image=image + "1" * 64)
    await look(watch)
    await deploy(world, image=image + "2" * 64)
    counts.down = True
    assert await look(watch) == 1, "a rollout goes on where nobody counts"
    counts.down = False
    counts.known["lambda-tp1-p1-00002"] = Calls(total=30, failed=3)

    assert await look(watch) == 1

    revisions = world.runner.describe(world.function)["revisions"]
    assert [one["failure"] for one in revisions] == [None, "3 of 30 calls failed, more than 5 %", None]
    assert revisions[0]["restored"] == 1


class Exporter(http.server.BaseHTTPRequestHandler):
    """What an instance of a revision exposes."""

    def do_GET(self):
        name = "knative_lambda_function_invocations_total"
        lines = [f'{name}{{status="success"}} 17', f'{name}{{status="error"}} 3', ""]
        self.send_response(200)
        self.send_header("content-type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write("\n".join([f"# TYPE {name} counter", *lines]).encode())

    def log_message(self, *args):
        pass


@pytest.fixture
def exporter():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Exporter)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def prometheus(exporter, tmp_path):
    """A Prometheus that scrapes the exporter as an instance of `fn-00002`; yields its URL."""
    binary = shutil.which("prometheus")
    if not binary:
        pytest.skip("prometheus is not installed: apt-get install prometheus")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (tmp_path / "prometheus.yml").write_text(
        "global: {scrape_interval: 1s}\n"
        "scrape_configs:\n- job_name: functions\n  static_configs:\n"
        f"  - targets: ['127.0.0.1:{exporter}']\n    labels: {{namespace: ns, revision: fn-00002}}\n"
    )
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                binary,
                f"--config.file={tmp_path}/prometheus.yml",
                f"--storage.tsdb.path={tmp_path}/data",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=log,
        )
    try:
        _wait_for(lambda: urllib3.request("GET", f"http://127.0.0.1:{port}/-/ready", retries=False).status)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


def _wait_for(probe, expected=200, seconds=30):
    """Ask until the answer is the expected one; errors count as other answers."""
    deadline, found = time.monotonic() + seconds, None
    while found != expected:
        assert time.monotonic() < deadline, found
        try:
            found = probe()
        except (HTTPError, DependencyUnavailable) as error:
            found = error
        threading.Event().wait(0.05)


def test_a_real_prometheus_is_asked_for_a_revisions_calls(prometheus):
    counts = PrometheusCalls(prometheus, "ns")
    _wait_for(lambda: counts.calls("fn-00002"), Calls(total=20, failed=3))

    assert counts.calls("fn-00001") == Calls(total=0, failed=0)
    assert PrometheusCalls(prometheus, "other").calls("fn-00002") == Calls(total=0, failed=0)
    counts.close()


def test_a_prometheus_that_is_not_there_or_refuses_is_a_dependency(prometheus):
    nobody = PrometheusCalls("http://127.0.0.1:1", "ns", seconds=0.5)
    wrong = PrometheusCalls(prometheus, 'ns"')

    with pytest.raises(DependencyUnavailable, match="does not tell of fn-00002's calls"):
        nobody.calls("fn-00002")
    with pytest.raises(DependencyUnavailable, match="parse error"):
        wrong.calls("fn-00002")
