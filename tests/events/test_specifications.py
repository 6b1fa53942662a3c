"""Specifications of functions: what each field becomes, and what is said of those that are wrong."""

import copy

import pytest

from automation.configuration import EVERYTHING, PLAIN, RolloutPolicy, SecretVariable
from automation.errors import InvalidEvent
from automation.event_parser import parse
from automation.events import FunctionId

SPEC = {
    "source": {"type": "s3", "s3": {"bucket": "code", "key": "acme/greeter/"}},
    "runtime": {"language": "python", "version": "3.12"},
}


def read(spec, kind="command.function.deploy", **data):
    envelope = {"id": "1", "source": "ci", "type": f"io.knative.lambda.{kind}"}
    data = {"metadata": {"name": "greeter", "namespace": "acme"}, "spec": spec, **data}
    return parse(envelope, data, correlation_id="c", traceparent=None)


def with_spec(**sections):
    return {**copy.deepcopy(SPEC), **sections}


def problems(spec, **options):
    with pytest.raises(InvalidEvent) as caught:
        read(spec, **options)
    return list(caught.value.details)


def test_code_in_a_bucket():
    event = read(SPEC)

    assert event.function == FunctionId("acme", "greeter")
    assert (event.source_bucket, event.source_prefix) == ("code", "acme/greeter/")
    assert (event.language, event.runtime, event.code, event.image) == ("python", "python3.12", None, "")
    assert (event.configuration, event.said) == (PLAIN, EVERYTHING)


def test_minio_is_read_like_s3_and_names_its_endpoint():
    block = {"endpoint": "minio.storage:9000", "bucket": "code", "key": "a/"}
    event = read(with_spec(source={"type": "minio", "minio": block}))

    assert (event.source_bucket, event.source_endpoint) == ("code", "minio.storage:9000")


@pytest.mark.parametrize(
    ("language", "version", "files"),
    [
        ("python", "3.12", {"parser.py": b"code", "requirements.txt": b"requests==2.32.0\n"}),
        ("nodejs", "22", {"parser.js": b"code", "package.json": b"requests==2.32.0\n"}),
        ("go", "1.25", {"parser.go": b"code", "go.mod": b"requests==2.32.0\n"}),
    ],
)
def test_code_in_the_event_becomes_files(language, version, files):
    source = {"type": "inline", "inline": {"code": "code", "dependencies": ["requests==2.32.0"]}}

    event = read({"source": source, "runtime": {"language": language, "version": version}})

    assert event.code == files


@pytest.mark.parametrize(
    ("block", "image"),
    [
        ({"repository": "r.example/a/b", "tag": "v1"}, "r.example/a/b:v1"),
        (
            {"repository": "r.example/a/b", "tag": "v1", "digest": "sha256:" + "a" * 64},
            "r.example/a/b@sha256:" + "a" * 64,
        ),
        ({"repository": "r.example/a/b:v2"}, "r.example/a/b:v2"),
    ],
)
def test_an_image_is_taken_by_digest_where_there_is_one(block, image):
    assert read(with_spec(source={"type": "image", "image": block})).image == image


@pytest.mark.parametrize("kind", ["git", "gcs"])
def test_sources_that_are_not_served_are_refused_by_name_with_the_remedy(kind):
    (problem,) = problems(with_spec(source={"type": kind, kind: {"url": "x"}}))

    assert problem.startswith(f"spec.source.type: {kind} is not served here; ")
    assert "send" in problem


def test_everything_that_can_be_configured():
    event = read(
        with_spec(
            scaling={"minReplicas": 1, "maxScale": 5, "targetConcurrency": 7, "containerConcurrency": 0},
            resources={
                "requests": {"cpu": "250m", "memory": "64Mi"},
                "limits": {"cpu": "1", "memory": "1Gi"},
            },
            timeoutSeconds=20,
            env=[
                {"name": "MODE", "value": "fast"},
                {
                    "name": "TOKEN",
                    "valueFrom": {"secretKeyRef": {"name": "function-greeter", "key": "token"}},
                },
            ],
            rollout={"steps": [10, 50], "pauseSeconds": 60},
        )
    ).configuration

    assert (event.min_scale, event.max_scale, event.target_concurrency) == (1, 5, 7)
    assert event.container_concurrency == 0
    assert (event.cpu_request, event.memory_request) == ("250m", "64Mi")
    assert (event.cpu_limit, event.memory_limit) == ("1", "1Gi")
    assert event.timeout_seconds == 20
    assert event.env == (("MODE", "fast"),)
    assert event.secrets == (SecretVariable(name="TOKEN", secret="function-greeter", key="token"),)
    assert event.rollout == RolloutPolicy(steps=(10, 50), pause_seconds=60)


def test_variables_may_be_an_object():
    assert read(with_spec(env={"B": "2", "A": "1"})).configuration.env == (("A", "1"), ("B", "2"))


def test_an_update_decides_only_the_sections_that_it_has():
    event = read({"scaling": {"maxReplicas": 3}, "env": []}, "command.service.update")

    assert not event.has_source
    assert "max_scale" in event.said
    assert "env" in event.said
    assert "cpu_limit" not in event.said


@pytest.mark.parametrize(
    ("sections", "problem"),
    [
        ({"source": {"type": "s3"}}, "spec.source.s3: missing; type s3 needs its block"),
        ({"source": {"type": "ftp"}}, 'spec.source.type: "ftp" is not allowed; allowed: s3, minio, inline'),
        ({"runtime": {"language": "python"}}, "spec.runtime.version: missing"),
        ({"runtime": {"language": "cobol", "version": "1"}}, 'language: "cobol" is not allowed'),
        ({"runtime": {"language": "go", "version": "9"}}, 'spec.runtime.version: "9" is not allowed'),
        ({"scaling": {"minReplicas": 11}}, "spec.scaling.minReplicas: 11 is more than maxReplicas 10"),
        ({"scaling": {"maxReplica": 11}}, "spec.scaling.maxReplica: is not known; allowed: minReplicas"),
        ({"scaling": 3}, "scaling: 3 is not allowed; allowed: an object"),
        (
            {"resources": {"requests": {"memory": "2Gi"}, "limits": {"memory": "1G"}}},
            "spec.resources.requests.memory: 2Gi is more than the limit 1G",
        ),
        ({"resources": {"limits": {"cpu": "0m"}}}, 'cpu: "0m" is not allowed'),
        ({"env": {"PORT": "1"}}, "spec.env: PORT is the platform's own"),
        ({"env": [{"name": "A"}, {"name": "A"}]}, "spec.env: A is there twice"),
        ({"env": "A=1"}, 'spec.env: "A=1" is not allowed'),
        (
            {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "pulumi", "key": "k"}}}]},
            'name: "pulumi" is not allowed; allowed: the name of a Secret that begins with function-',
        ),
        (
            {"env": [{"name": "A", "valueFrom": {"fieldRef": {}}}]},
            "spec.env.A.valueFrom.fieldRef: is not known",
        ),
        ({"rollout": {"steps": [50, 10]}}, "spec.rollout.steps: a list is not allowed"),
        ({"rollout": {"steps": [True]}}, "spec.rollout.steps: a list is not allowed"),
        ({"rollout": {"maxFailedPercent": 5}}, "spec.rollout.maxFailedPercent: is not known"),
        ({"rollout": {"steps": [0, 10]}}, "spec.rollout.steps: a list is not allowed"),
        ({"rollout": {"steps": 10}}, "spec.rollout.steps: 10 is not allowed"),
        (
            {"rollout": {"steps": [10], "percent": 10}},
            "spec.rollout: percent and steps are both there; send one of them",
        ),
        (
            {"source": {**SPEC["source"], "inline": {"code": "x"}}},
            "spec.source.inline: is not known; allowed: type, s3",
        ),
        (
            {"source": {"type": "image", "image": {"repository": "r.example/a", "tag": "-v1"}}},
            'tag: "-v1" is not allowed; allowed: 1 to 128 letters',
        ),
        ({"secret": {}}, "spec.secret: is not known"),
    ],
)
def test_a_mistake_is_named_with_what_is_allowed(sections, problem):
    assert any(problem in found for found in problems(with_spec(**sections))), problems(with_spec(**sections))


def test_an_update_cannot_name_a_version_of_no_language():
    (problem,) = problems({"runtime": {"version": "3.12"}}, kind="command.service.update")

    assert problem.startswith("spec.runtime.language: missing; send one of python, nodejs, go")


def test_a_third_party_alone_in_the_metadata_is_not_overlooked():
    (problem,) = problems(SPEC, metadata={"organizationId": "acme"})

    assert problem.startswith("parser_id: missing")


def test_all_mistakes_are_told_at_once():
    found = problems({"scaling": {"minReplicas": -1}, "timeoutSeconds": 0, "env": {"1A": ""}})

    assert len(found) == 6, found
