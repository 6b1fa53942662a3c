"""How much an environment may use, and that what the platform promises finds room in it."""

import dataclasses

import pytest

from components.build import BuildArgs
from components.capacity import CAPACITIES, Compute
from components.function import FunctionArgs
from components.manifests import function, kaniko, quota
from components.manifests.scan import ScanArgs
from components.quotas import Quotas, QuotasArgs
from components.settings import EVENT_TYPES
from tests.components.declaring import declare

TRIGGERS = len(EVENT_TYPES)
QUEUE_PROXY = {"requests": {"cpu": "25m"}}
"""What Knative gives its sidecar unless the operator says more."""


def build_pod(**changes):
    args = BuildArgs(
        job_name="j",
        namespace="ns",
        third_party_id="tp",
        parser_id="p",
        build_id="b",
        content_hash="c" * 64,
        context_bucket="bucket",
        context_key="key",
        image="registry.test/i:1",
        cache_repository="registry.test/cache",
        executor_image="registry.test/kaniko:1",
        monitor_image="registry.test/monitor:1",
        broker_url="http://broker",
        region="us-west-2",
        **changes,
        correlation_id="c",
    )
    return kaniko.job(args)["spec"]["template"]["spec"]


def function_pod():
    args = FunctionArgs(
        function_name="f",
        namespace="ns",
        third_party_id="tp",
        parser_id="p",
        image="registry.test/i@sha256:" + "a" * 64,
        broker="broker",
        broker_url="http://broker",
    )
    pod = function.knative_service(args)["spec"]["template"]["spec"]
    return {**pod, "containers": [*pod["containers"], {"name": "queue-proxy", "resources": QUEUE_PROXY}]}


def compute(pod):
    """What a pod counts for once the LimitRange has filled in what its containers left open."""
    (limits,) = quota.limit_range("ns")["spec"]["limits"]
    total = Compute(cpu_requests=0, memory_requests=0, cpu_limits=0, memory_limits=0)
    for container in pod["containers"]:
        given = container["resources"]
        asked = {**limits["defaultRequest"], **given.get("limits", {}), **given.get("requests", {})}
        most = {**limits["default"], **given.get("limits", {})}
        total += Compute(
            cpu_requests=thousandths(asked["cpu"]),
            memory_requests=mebibytes(asked["memory"]),
            cpu_limits=thousandths(most["cpu"]),
            memory_limits=mebibytes(most["memory"]),
        )
    return total


def thousandths(quantity):
    return int(quantity[:-1]) if quantity.endswith("m") else int(quantity) * 1000


def mebibytes(quantity):
    number, unit = int(quantity[:-2]), quantity[-2:]
    return number * {"Mi": 1, "Gi": 1024}[unit]


def hard(environment):
    return quota.resource_quota("ns", CAPACITIES[environment], TRIGGERS)["spec"]["hard"]


def room(environment):
    """What is left of the quota for functions when everything else runs at its most."""
    spent = quota.platform_compute(CAPACITIES[environment], TRIGGERS)
    spent += quota.BUILD.times(CAPACITIES[environment].builds)
    given = hard(environment)
    return Compute(
        cpu_requests=thousandths(given["requests.cpu"]) - spent.cpu_requests,
        memory_requests=mebibytes(given["requests.memory"]) - spent.memory_requests,
        cpu_limits=thousandths(given["limits.cpu"]) - spent.cpu_limits,
        memory_limits=mebibytes(given["limits.memory"]) - spent.memory_limits,
    )


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        pytest.param(
            "dev",
            {
                "requests.cpu": "11750m",
                "requests.memory": "20352Mi",
                "limits.cpu": "61200m",
                "limits.memory": "60832Mi",
                "pods": "110",
                "persistentvolumeclaims": "2",
                "count/services.serving.knative.dev": "20",
                "services.loadbalancers": "0",
                "services.nodeports": "0",
            },
            id="dev",
        ),
        pytest.param(
            "stg",
            {
                "requests.cpu": "24350m",
                "requests.memory": "43392Mi",
                "limits.cpu": "114800m",
                "limits.memory": "124064Mi",
                "pods": "210",
                "persistentvolumeclaims": "5",
                "count/services.serving.knative.dev": "50",
                "services.loadbalancers": "0",
                "services.nodeports": "0",
            },
            id="stg",
        ),
        pytest.param(
            "prd",
            {
                "requests.cpu": "51350m",
                "requests.memory": "94080Mi",
                "limits.cpu": "217800m",
                "limits.memory": "257440Mi",
                "pods": "375",
                "persistentvolumeclaims": "10",
                "count/services.serving.knative.dev": "100",
                "services.loadbalancers": "0",
                "services.nodeports": "0",
            },
            id="prd",
        ),
    ],
)
def test_the_quota_of_each_environment(environment, expected):
    assert hard(environment) == expected


@pytest.mark.parametrize(
    ("environment", "cores", "gib"),
    [("dev", (4, 8), (8, 16)), ("stg", (8, 16), (16, 32)), ("prd", (16, 32), (32, 64))],
)
def test_functions_have_the_contracts_share_however_busy_everything_else_is(environment, cores, gib):
    assert room(environment) == Compute(
        cpu_requests=cores[0] * 1000,
        memory_requests=gib[0] * 1024,
        cpu_limits=cores[1] * 1000,
        memory_limits=gib[1] * 1024,
    )


def test_a_builds_share_is_what_its_pod_asks_for():
    assert compute(build_pod()) == quota.BUILD
    scanned = build_pod(scan=ScanArgs(image="registry.test/trivy:1"))
    assert compute(scanned) == quota.BUILD + quota.SCANNER


def test_where_images_are_scanned_there_is_room_for_a_scanner_with_every_build():
    capacity = CAPACITIES["dev"]
    plain, scanned = (
        quota.resource_quota("ns", capacity, 9, scanned=flag)["spec"]["hard"]["limits.memory"]
        for flag in (False, True)
    )

    assert int(scanned[:-2]) - int(plain[:-2]) == capacity.builds * quota.SCANNER.memory_limits


@pytest.mark.parametrize("environment", CAPACITIES)
def test_ten_pods_of_a_default_function_fit_at_once(environment):
    """Ten is a function's default max-scale; a pod is its container and Knative's queue-proxy."""
    wanted, given = compute(function_pod()).times(10), room(environment)

    assert wanted == Compute(cpu_requests=1250, memory_requests=1920, cpu_limits=7000, memory_limits=6400)
    assert all(
        getattr(wanted, field.name) <= getattr(given, field.name) for field in dataclasses.fields(Compute)
    )
    assert CAPACITIES[environment].pods >= 10


def test_a_container_that_names_nothing_gets_what_the_quota_counts():
    (limits,) = quota.limit_range("ns")["spec"]["limits"]

    assert limits == {
        "type": "Container",
        "default": {"cpu": "200m", "memory": "128Mi"},
        "defaultRequest": {"cpu": "25m", "memory": "64Mi"},
        "max": {"cpu": "4", "memory": "4Gi"},
    }


def test_no_container_of_ours_exceeds_the_most_that_one_may_have():
    containers = [*build_pod()["containers"], *function_pod()["containers"][:1]]

    for container in containers:
        most = container["resources"]["limits"]
        assert thousandths(most["cpu"]) <= 4000
        assert mebibytes(most["memory"]) <= 4096


def test_the_quota_comes_after_the_defaults_that_it_needs():
    declared = declare(
        lambda: Quotas("q", QuotasArgs(namespace="ns", capacity=CAPACITIES["dev"], triggers=TRIGGERS))
    )

    assert "q-limits" in declared.depends_on("q-quota")
    assert declared.inputs("q-quota")["metadata"]["namespace"] == "ns"
    assert declared.inputs("q-limits")["metadata"]["name"] == "knative-lambda-limits"
    assert declared.outputs["q"] == {"quota_name": "knative-lambda-quota"}
    assert set(declared.outputs["q"]) == set(Quotas.__annotations__)
