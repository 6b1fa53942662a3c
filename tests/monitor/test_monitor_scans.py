"""The scan of what was built: the monitor and the scanner's own script, each a process, over a folder.

Trivy itself is in no package registry: a program of the tests' own takes its arguments and leaves reports of
its documented form.
"""

import json
import os
import subprocess

import pytest
from build_pod import DIGEST, ApiServer, Broker, ended, pod
from trivy_report import report, sbom, stand_in, vulnerability

from components.manifests.scan import SCRIPT
from monitor import trivy

BY_DIGEST = f"registry.example/knative-lambdas@{DIGEST}"


@pytest.fixture
def scanner(tmp_path):
    """Begin the scanner's script with a Trivy that finds this; return its process and Trivy's calls."""
    started = []
    (tmp_path / "bin").mkdir()
    (tmp_path / "scan").mkdir()

    def begin(found=None, code=0):
        calls = stand_in(tmp_path / "bin", found or report(), code)
        env = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "SCAN_FOLDER": str(tmp_path / "scan")}
        started.append(subprocess.Popen(["sh", "-c", SCRIPT], env=env, stdout=subprocess.PIPE, text=True))
        return started[-1], calls

    yield begin
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture
def scanning(start, tmp_path):
    """Start a monitor that knows of the scanner."""
    return lambda **env: start(SCAN_FOLDER=str(tmp_path / "scan"), **env)


def test_what_was_pushed_is_scanned_by_digest_and_the_result_goes_with_the_report(
    api: ApiServer, broker: Broker, scanner, scanning
) -> None:
    found = report(vulnerability(severity="CRITICAL", fixed="3.0.2"), vulnerability("CVE-2", "LOW"))
    process, calls = scanner(found)
    api.pod = pod(terminated=ended(0, message=DIGEST))

    assert scanning().exit_status() == 0

    (_, data) = broker.events[0]
    assert data["status"] == "success"
    assert data["scan"]["counts"] == {"CRITICAL": 1, "HIGH": 0, "MEDIUM": 0, "LOW": 1, "UNKNOWN": 0}
    assert data["scan"]["fixable"]["CRITICAL"] == 1
    assert data["scan"]["fixable"]["LOW"] == 0
    assert data["scan"]["findings"][0] == {
        "id": "CVE-2024-0001",
        "package": "openssl",
        "severity": "CRITICAL",
        "installed": "3.0.1",
        "fixed": "3.0.2",
    }
    assert calls.read_text().splitlines() == [
        f"image --format json --output report.json {BY_DIGEST}",
        f"image --format cyclonedx --output sbom.json {BY_DIGEST}",
    ]
    assert process.wait(10) == 0
    assert json.loads(process.stdout.read()) == sbom(), "its log is the SBOM and nothing else"


def test_a_scanner_that_fails_is_told_of_and_fails_no_build(
    api: ApiServer, broker: Broker, scanner, scanning
) -> None:
    process, _ = scanner(code=1)
    api.pod = pod(terminated=ended(0, message=DIGEST))

    assert scanning().exit_status() == 0

    (_, data) = broker.events[0]
    assert data["status"] == "success"
    assert data["scan"]["status"] == "failed"
    assert "unable to find the image" in data["scan"]["message"]
    assert process.wait(10) == 0
    assert "unable to find the image" in process.stdout.read()


def test_a_failed_build_ends_its_scanner_without_a_scan(
    api: ApiServer, broker: Broker, scanner, scanning
) -> None:
    process, calls = scanner()
    api.pod = pod(terminated=ended(1))

    assert scanning().exit_status() == 0

    assert process.wait(10) == 0
    assert not calls.exists()
    assert "scan" not in broker.events[0][1]


def test_a_scanner_that_was_killed_is_noticed_long_before_its_time_is_over(
    api: ApiServer, broker: Broker, scanning, tmp_path
) -> None:
    (tmp_path / "scan").mkdir()
    api.pod = pod(terminated=ended(0, message=DIGEST))
    killed = {"name": "scanner", "state": {"terminated": ended(137, reason="OOMKilled")}}
    api.pod["status"]["containerStatuses"].append(killed)

    assert scanning().exit_status() == 0

    assert broker.events[0][1]["scan"]["message"] == "the scanner ended with 137 (OOMKilled)"


def test_a_monitor_that_has_to_end_tells_of_the_build_without_its_scan(
    api: ApiServer, broker: Broker, scanning, tmp_path
) -> None:
    (tmp_path / "scan").mkdir()
    api.pod = pod(terminated=ended(0, message=DIGEST))
    monitor = scanning()
    monitor.first_record("the image is being scanned")
    monitor.terminate()

    assert monitor.exit_status() == 0
    assert broker.events[0][1]["status"] == "success"
    assert "time was over" in broker.events[0][1]["scan"]["message"]


def test_a_timeout_that_is_none_is_refused(scanning, broker: Broker) -> None:
    assert scanning(SCAN_TIMEOUT_SECONDS="soon").exit_status() == 1
    assert not broker.events


def test_one_vulnerability_of_one_package_counts_once_however_often_it_is_found() -> None:
    same = [vulnerability(), vulnerability(), vulnerability(installed="3.0.0")]

    assert trivy.summary(json.dumps(report(*same)).encode())["counts"]["HIGH"] == 2


def test_findings_are_bounded_and_the_worst_that_can_be_fixed_come_first() -> None:
    many = [vulnerability(f"CVE-{number:03}", "LOW") for number in range(50)]
    worst = [vulnerability("CVE-b", "CRITICAL"), vulnerability("CVE-c", "CRITICAL", fixed="9")]
    found = trivy.summary(json.dumps(report(*many, *worst)).encode())

    assert [one["id"] for one in found["findings"][:2]] == ["CVE-c", "CVE-b"]
    assert len(found["findings"]) == trivy.MAX_FINDINGS
    assert found["counts"]["LOW"] == 50


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"{}",
        b'{"SchemaVersion": 3}',
        b'{"SchemaVersion": 2, "Results": [1]}',
        b'{"SchemaVersion": 2, "Results": 7}',
        b'{"SchemaVersion": 2, "Results": [{"Vulnerabilities": [1]}]}',
    ],
)
def test_what_is_no_report_is_said_to_be_none(text: bytes) -> None:
    with pytest.raises(trivy.UnreadableReport):
        trivy.summary(text)


def test_an_image_without_anything_to_be_found_is_a_complete_scan() -> None:
    assert trivy.summary(b'{"SchemaVersion": 2}')["status"] == "complete"


def test_texts_of_a_report_are_fit_for_an_event() -> None:
    found = trivy.summary(json.dumps(report(vulnerability(package="a\n\x1b[31m" + "b" * 999))).encode())

    assert found["findings"][0]["package"].isprintable()
    assert len(found["findings"][0]["package"]) == trivy.MAX_CHARACTERS
