"""What of the service's settings reaches the Job of a build and the objects of a function."""

import datetime

from automation.model import Build, Deployment, FunctionId, FunctionState
from automation.program import build_args, function_args
from automation.settings import AutomationSettings

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
STATE = FunctionState(function=FunctionId("t1", "p1"))
BUILD = Build(
    build_id="b1",
    job_name="job",
    content_hash="a" * 64,
    context_key="key",
    image="registry.test/functions:1",
    handler="parser.handler",
    correlation_id="c1",
    requested_at=NOW,
    lost_at=NOW,
)
DEPLOYMENT = Deployment(image="registry.test/functions@sha256:1", handler="parser.handler", deployed_at=NOW)
SETTINGS = AutomationSettings(
    environment="dev",
    backend_url="s3://states",
    registry="registry.test",
    repository="functions",
    cache_repository="layers",
    pull_secret="pull",
    push_secret="push",
    executor_image="kaniko",
    monitor_image="monitor",
)


def test_builds_push_with_one_login_and_keep_layers_where_they_are_told():
    args = build_args(STATE, BUILD, SETTINGS)

    assert args.push_secret == "push"
    assert args.cache_repository == "registry.test/layers"


def test_functions_are_pulled_with_the_other():
    assert function_args(STATE, DEPLOYMENT, SETTINGS).pull_secret == "pull"
