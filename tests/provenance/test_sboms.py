"""What is in an image: from the log of its scanner to whoever asks."""

import json

import pytest

from automation.adapters.memory import MemoryStream
from automation.provenance import sboms
from automation.scans import Finding, Scan, ScanPolicy
from tests.provenance.conftest import TracingWorld

SBOM = json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": []}, indent=2).encode()
CLEAN = Scan(status="complete", scanner="trivy", counts={"LOW": 1})
BAD = Scan(
    status="complete",
    counts={"CRITICAL": 1},
    findings=(Finding(id="CVE-1", package="openssl", severity="CRITICAL"),),
)


async def scanned(world, scan, log=SBOM):
    started = await world.send(world.build_start())
    world.logs.scans[started.fields["job_name"]] = log
    await world.send(world.build_complete(started, scan=scan))
    world.logs.scans.clear()
    return world.catalogue.build(started.fields["build_id"])


async def test_an_sbom_outlives_the_pod_that_made_it(world):
    build = await scanned(world, CLEAN)

    assert await world.evidence.sbom(build) == SBOM
    assert build.scan["counts"] == {"LOW": 1}


async def test_an_image_that_is_refused_has_its_sbom_and_its_attestation_and_says_why(tmp_path):
    world = TracingWorld(tmp_path / "state", scan_policy=ScanPolicy(severity="HIGH"))
    world.put()
    build = await scanned(world, BAD)

    assert (build.status, build.reason) == ("failed", "vulnerabilities")
    assert build.scan["findings"][0]["id"] == "CVE-1"
    assert await world.evidence.sbom(build) == SBOM
    assert json.loads(await world.evidence.attestation(build))["subject"]
    await world.automation.close(5)
    world.archive.close()


async def test_a_build_without_a_scan_has_no_sbom(world):
    assert await world.evidence.sbom(await scanned(world, None)) is None


@pytest.mark.parametrize("log", [b"", b"FATAL no such image", b"[]", b'{"bomFormat": "SPDX"}'])
async def test_a_log_that_is_no_sbom_is_left_out_and_the_function_runs(world, log, caplog):
    build = await scanned(world, CLEAN, log)

    assert await world.evidence.sbom(build) is None
    assert build.status == "succeeded"
    assert "something of a function's provenance is not kept" in caplog.text


def test_an_sbom_without_an_end_is_not_read_forever():
    endless = MemoryStream(b" " * 2**20 for _ in range(1000))

    with pytest.raises(ValueError, match="longer than"):
        sboms.read(endless)
    assert endless.closed
