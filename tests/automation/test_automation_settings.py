"""The automation's settings: what follows from the environment, what is promised, what stays secret."""

from dataclasses import fields

import pytest

from automation import app
from automation.adapters import engines, wrappers
from automation.errors import InvalidEvent
from automation.languages import LANGUAGES
from automation.settings import AutomationSettings

REQUIRED = {
    "environment": "dev",
    "backend_url": "file:///state",
    "registry": "registry.test",
    "executor_image": "registry.test/kaniko:1",
    "monitor_image": "registry.test/monitor:1",
}


def settings(**values):
    return AutomationSettings(**{**REQUIRED, **values})


def test_names_follow_from_the_environment():
    made = settings()

    assert made.namespace == "knative-lambda-dev"
    assert made.broker_name == "knative-lambda-broker-dev"
    assert (
        made.broker_url
        == "http://knative-lambda-broker-dev-broker-ingress.knative-lambda-dev.svc.cluster.local"
    )
    assert made.source_bucket == "knative-lambda-dev-fusion-modules-tmp"
    assert made.context_bucket == "knative-lambda-dev-context-tmp"
    assert made.image_repository == "registry.test/knative-lambdas"


def test_given_names_stay():
    given = {
        "namespace": "ns",
        "broker_name": "b",
        "broker_url": "http://b.test",
        "source_bucket": "src",
        "context_bucket": "tmp",
    }
    made = settings(**given)

    assert {name: getattr(made, name) for name in given} == given


def test_the_promised_defaults():
    made = settings()
    promised = {
        "engine": "embedded",
        "repository": "knative-lambdas",
        "cache_repository": "kaniko-cache",
        "pull_secret": "",
        "push_secret": "",
        "python_base_image": "python:3.11-slim",
        "nodejs_base_image": "node:22-slim",
        "go_base_image": "golang:1.25-alpine",
        "go_run_image": "alpine:3.22",
        "python_index_url": "",
        "npm_registry_url": "",
        "go_proxy": "",
        "build_deadline_seconds": 1800,
        "region": "us-west-2",
        "function_timeout_seconds": 60,
        "function_log_level": "info",
        "workers": 8,
        "queue_limit": 100,
    }

    assert {name: getattr(made, name) for name in promised} == promised


@pytest.mark.parametrize(
    ("language", "runtime", "image"),
    [
        ("python", None, "mirror.test:5000/python:3.11-slim"),
        ("python", "python3.12", "mirror.test:5000/python:3.12-slim"),
        ("python", "python3.13", "mirror.test:5000/python:3.13-slim"),
        ("python", "python3.9", "mirror.test:5000/python:3.11-slim"),
        ("nodejs", None, "mirror.test:5000/node:22.4.1-slim"),
        ("nodejs", "nodejs20", "mirror.test:5000/node:20-slim"),
        ("nodejs", "nodejs18", "mirror.test:5000/node:20-slim"),
        ("go", "go1.21", "golang:1.24"),
        ("go", "go1.26", "golang:1.26"),
    ],
)
def test_the_runtime_chooses_the_base_images_version(language, runtime, image):
    made = settings(
        python_base_image="mirror.test:5000/python:3.11-slim",
        nodejs_base_image="mirror.test:5000/node:22.4.1-slim",
        go_base_image="golang:1.25",
    )

    assert made.toolchain(LANGUAGES[language], runtime).base_image == image


@pytest.mark.parametrize("image", ["team/python", "python:slim", "python:3.11@sha256:" + "0" * 64])
def test_a_runtime_that_the_base_image_cannot_give_is_refused(image):
    made = settings(python_base_image=image)

    assert made.toolchain(LANGUAGES["python"], None).base_image == image
    with pytest.raises(InvalidEvent, match=r"runtime python3\.12 cannot be chosen: .* leave `runtime` out"):
        made.toolchain(LANGUAGES["python"], "python3.12")


def test_secrets_are_not_shown():
    shown = repr(settings(passphrase="open-sesame", access_key_id="id", secret_access_key="very-secret"))

    assert "open-sesame" not in shown
    assert "very-secret" not in shown


def test_an_engine_that_there_is_not_is_refused_by_name():
    with pytest.raises(ValueError, match="engine is 'terraform'; set it to one of embedded, automation-api"):
        engines.create(settings(engine="terraform"))


def test_pulumis_engine_is_refused_without_its_cli_and_the_remedy_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(
        ValueError, match=r"no `pulumi` on the PATH[\s\S]*PulumiCommand.install[\s\S]*embedded"
    ):
        engines.create(settings(engine="automation-api"))


def test_the_wrapper_that_goes_into_images_is_the_python_runtimes():
    wrapper = wrappers.read(settings().runtimes_folder / "python" / "wrapper")

    assert "__main__.py" in wrapper
    assert not [path for path in wrapper if "__pycache__" in path or path.endswith(".pyc")]


def test_a_missing_wrapper_is_told_with_its_remedy(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no runtime wrapper"):
        wrappers.read(tmp_path)


async def test_the_whole_is_put_together_from_settings_alone(tmp_path):
    made = app.create(
        settings(
            backend_url=f"file://{tmp_path}",
            s3_endpoint="http://127.0.0.1:9",
            access_key_id="k",
            secret_access_key="s",
        )
    )

    assert (await made.ready())["state"] == "ok"
    await made.close(1)


def test_every_setting_is_described():
    source = (wrappers.Path(app.__file__).parent / "settings.py").read_text()

    for field in fields(AutomationSettings):
        after = source.partition(f"    {field.name}: ")[2].splitlines()
        assert after[1].startswith('    """'), f"{field.name} has no description"
