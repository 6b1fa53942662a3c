"""Which images an environment rolls out, by what a scan found in them."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automation import record, scans
from automation.errors import InvalidEvent
from automation.event_parser import parse
from automation.events import FunctionDeploy
from automation.machine import decide
from automation.model import BuildStatus, Requested
from automation.scans import ALLOW, SEVERITIES, Finding, Scan, ScanPolicy
from tests.automation import worlds
from tests.automation.conftest import World

HIGH = ScanPolicy(severity="HIGH")
BAD = Scan(
    status="complete",
    scanner="trivy",
    counts={"CRITICAL": 1, "HIGH": 2},
    fixable={"HIGH": 2},
    findings=(Finding(id="CVE-1", package="openssl", severity="CRITICAL", installed="3.0", fixed=""),),
)
CLEAN = Scan(status="complete", counts={"LOW": 9})
BROKEN = Scan(status="failed", message="no database")

counts = st.dictionaries(st.sampled_from(SEVERITIES), st.integers(0, 9))
policies = st.builds(
    ScanPolicy,
    severity=st.sampled_from(["", *SEVERITIES]),
    ignore_unfixed=st.booleans(),
    missing=st.sampled_from(["allow", "refuse"]),
)


@pytest.mark.parametrize(
    ("policy", "scan", "reason"),
    [
        pytest.param(ScanPolicy(), BAD, None, id="no-severity"),
        pytest.param(HIGH, BAD, "vulnerabilities", id="findings"),
        pytest.param(HIGH, CLEAN, None, id="only-lesser-findings"),
        pytest.param(HIGH, None, "not_scanned", id="nothing-told"),
        pytest.param(HIGH, BROKEN, "not_scanned", id="failed-scan"),
        pytest.param(ScanPolicy(severity="HIGH", missing=ALLOW), None, None, id="nothing-told-and-allowed"),
        pytest.param(
            ScanPolicy(severity="HIGH", missing=ALLOW), BAD, "vulnerabilities", id="allowed-but-found"
        ),
        pytest.param(ScanPolicy(severity="CRITICAL", ignore_unfixed=True), BAD, None, id="none-has-a-fix"),
        pytest.param(
            ScanPolicy(severity="HIGH", ignore_unfixed=True), BAD, "vulnerabilities", id="some-have"
        ),
    ],
)
def test_what_is_rolled_out(policy, scan, reason):
    refused = scans.refusal(policy, scan)

    assert (refused.reason if refused else None) == reason


def test_a_refusal_says_how_many_what_is_allowed_and_the_worst():
    assert scans.refusal(HIGH, BAD).message == (
        "1 CRITICAL, 2 HIGH: HIGH findings are not rolled out here, "
        "such as CVE-1 in openssl 3.0 (not fixed yet)"
    )
    assert "no database" in scans.refusal(HIGH, BROKEN).message


@given(policies, counts, counts)
def test_more_findings_never_make_an_image_better(policy, fewer, more):
    scan = Scan(status="complete", counts=fewer, fixable=fewer)
    worse = {name: fewer.get(name, 0) + more.get(name, 0) for name in SEVERITIES}

    if scans.refusal(policy, scan):
        assert scans.refusal(policy, Scan(status="complete", counts=worse, fixable=worse))


@given(policies, counts)
def test_a_stricter_severity_lets_nothing_more_through(policy, found):
    scan = Scan(status="complete", counts=found, fixable=found)
    looser = [name for name in SEVERITIES if policy.severity and name < policy.severity]

    for severity in looser:
        if SEVERITIES.index(severity) < SEVERITIES.index(policy.severity):
            refused = scans.refusal(replace(policy, severity=severity), scan)
            assert not refused or scans.refusal(policy, scan)


def finished(state, scan, policy=HIGH, id="c1"):
    event = replace(worlds.complete(id, state.build), scan=scan)
    return decide(state, Requested(event=event, scan_policy=policy), worlds.at(60))


def test_a_function_stays_at_its_revision_when_its_new_image_is_refused():
    before = worlds.updating()
    after, commands = finished(before, BAD)

    assert after.deployment == before.deployment
    assert after.build.status is BuildStatus.FAILED
    assert (after.build.reason, after.build.digest) == ("vulnerabilities", worlds.DIGEST)
    assert after.build.scan == BAD
    reply = commands[-1].reply
    assert (reply.status, reply.fields["reason"]) == ("refused", "vulnerabilities")
    assert "keeps running" in reply.message


def test_a_clean_image_is_rolled_out_and_its_scan_recorded():
    after, _ = finished(worlds.building(), CLEAN)

    assert after.deployment.build_id == after.build.build_id
    assert after.build.scan == CLEAN
    assert record.loads(record.dumps(after)) == after


def test_a_later_report_that_says_nothing_takes_no_finding_back():
    policy = ScanPolicy(severity="HIGH", missing=ALLOW)
    refused, _ = finished(worlds.building(), BAD, policy)
    again, _ = finished(refused, None, policy, id="c2")

    assert again.deployment is None
    assert again.build.reason == "vulnerabilities"


def test_a_record_keeps_the_worst_findings_only():
    many = tuple(Finding(id=f"CVE-{number}", package="p", severity="HIGH") for number in range(20))
    after, _ = finished(worlds.building(), replace(BAD, findings=many))

    assert [one.id for one in after.build.scan.findings] == [f"CVE-{number}" for number in range(10)]


def test_an_image_that_others_built_is_refused_where_what_is_not_scanned_is():
    meta = worlds.meta("d1", type="io.knative.lambda.command.function.deploy")
    deploy = FunctionDeploy(meta=meta, function=worlds.FUNCTION, image="registry.test/x:1")

    with pytest.raises(InvalidEvent, match="scanMissing"):
        decide(worlds.absent(), Requested(event=deploy, scan_policy=HIGH), worlds.at(0))
    allowed = ScanPolicy(severity="HIGH", missing=ALLOW)
    after, _ = decide(worlds.absent(), Requested(event=deploy, scan_policy=allowed), worlds.at(0))
    assert after.deployment.image == "registry.test/x:1"


def test_a_rollback_to_what_once_passed_is_not_asked_again():
    world = worlds.grown()
    request = Requested(event=worlds.rollback(), scan_policy=HIGH)
    _, commands = decide(world, request, worlds.at(60))

    assert commands[-1].reply.status == "rolled_back"


async def test_a_refused_build_is_seen_at_its_function_and_tried_again_when_asked(tmp_path):
    world = World(tmp_path, scan_policy=HIGH)
    world.put()
    started = await world.send(world.build_start())
    reply = await world.send(world.build_complete(started, scan=BAD))
    seen = await world.automation.describe(world.function)

    assert reply.status == "refused"
    assert world.cluster.kinds() == []
    assert (seen["phase"], seen["revision"]) == ("failed", None)
    assert seen["build"]["reason"] == "vulnerabilities"
    assert seen["build"]["scan"]["counts"]["CRITICAL"] == 1

    again = await world.send(world.build_start())
    assert (again.status, again.fields["content_hash"]) == ("started", started.fields["content_hash"])
    done = await world.send(world.build_complete(again, scan=CLEAN))
    assert done.status == "service_created"
    await world.automation.close(5)


def test_a_scan_is_read_from_a_result_in_the_monitors_words():
    from monitor.scan import failed

    attributes = {"id": "1", "source": "s", "type": "network.notifi.lambda.build.complete"}
    data = {"third_party_id": "tp", "parser_id": "p", "status": "success", "image_uri": "registry.test/x:1"}
    event = parse(attributes, {**data, "scan": failed("no\ndatabase")}, correlation_id="c", traceparent=None)

    assert event.scan == Scan(status="failed", scanner="trivy", message="no database")


@pytest.mark.parametrize(
    "scan",
    [
        1,
        [],
        {},
        {"status": "?"},
        {"status": "complete", "counts": {"HIGH": -1}},
        {"status": "complete", "findings": [{}]},
    ],
)
def test_a_scan_that_is_none_is_refused_with_what_is_wrong(scan):
    attributes = {"id": "1", "source": "s", "type": "network.notifi.lambda.build.complete"}
    data = {"third_party_id": "tp", "parser_id": "p", "status": "success", "image_uri": "registry.test/x:1"}

    with pytest.raises(InvalidEvent) as caught:
        parse(attributes, {**data, "scan": scan}, correlation_id="c", traceparent=None)
    assert caught.value.details
