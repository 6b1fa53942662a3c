import json
import os
import subprocess

import pytest

from local.images import ImageNotFound
from tests.local_builder.conftest import BASE, DESTINATION, FUNCTION, FUNCTION_FILES, archive, make_wheel


def test_our_dockerfile_becomes_an_image_that_runs(builder, tmp_path):
    result = builder.build(FUNCTION_FILES, f"--digest-file={tmp_path}/digest")

    assert result.status == 0, result.log
    image = builder.image()
    assert (tmp_path / "digest").read_text() == image.digest
    assert image.config.entrypoint == ("python", "-m", "wrapper")
    assert image.config.workdir == "/app"
    assert image.config.user == "1000:1000"
    assert image.config.exposed_ports == ("8080/tcp",)
    assert image.config.env["HANDLER"] == "parser.handler"
    app = image.rootfs / "app"
    assert sorted(os.listdir(app)) == ["code", "packages", "requirements.txt", "wrapper"]
    done = subprocess.run(
        image.config.entrypoint,
        cwd=app,
        env=dict(image.config.env),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "wrapped\n"


def test_a_function_sees_its_packages_and_none_of_the_project(builder):
    script = (
        "import sys; sys.path.insert(0, 'packages'); import greeting; print(greeting.WORD)\nimport aiohttp\n"
    )
    builder.build({**FUNCTION_FILES, "wrapper/__main__.py": script})
    image = builder.image()

    done = subprocess.run(
        image.config.entrypoint,
        cwd=image.rootfs / "app",
        env=dict(image.config.env),
        capture_output=True,
        text=True,
    )

    assert done.stdout == "hello\n"
    assert "No module named 'aiohttp'" in done.stderr


def test_the_log_reads_like_kaniko_s(builder):
    log = builder.build(FUNCTION_FILES).log

    expected = [
        f"INFO[0000] Retrieving image manifest {BASE}",
        "INFO[0000] COPY requirements.txt ./requirements.txt",
        "Running: [/bin/sh -c python -m pip install",
        "Successfully installed greeting-1.0",
        f"Pushing image to {DESTINATION}",
        f"Pushed {DESTINATION.rpartition(':')[0]}@{builder.image().digest}",
    ]
    positions = [log.find(text) for text in expected]
    assert -1 not in positions
    assert positions == sorted(positions)


def test_a_build_without_dependencies_runs_nothing(builder):
    dockerfile = "".join(line + "\n" for line in FUNCTION.splitlines() if not line.startswith("RUN"))

    result = builder.build({**FUNCTION_FILES, "Dockerfile": dockerfile})

    assert result.status == 0
    assert "Running:" not in result.log
    assert not (builder.image().rootfs / "app/packages").exists()


def test_a_failing_install_ends_as_with_kaniko_and_leaves_no_image(builder):
    result = builder.build({**FUNCTION_FILES, "requirements.txt": "nosuchpackage==9\n"}, "--cache=true")

    assert result.status == 1
    assert "No matching distribution found for nosuchpackage==9" in result.log
    assert result.last_line == (
        "error building image: error building stage: failed to execute command: waiting for process to exit:"
        " exit status 1"
    )
    with pytest.raises(ImageNotFound):
        builder.image()
    assert os.listdir(builder.cache / "work") == []
    assert os.listdir(builder.cache / "layers") == []


def test_pip_settings_reach_the_command_and_nothing_else_does(builder):
    dockerfile = f"FROM {BASE}\nENV OWN=1\nWORKDIR /app\nRUN env > seen\n"
    secrets = {"AWS_SECRET_ACCESS_KEY": "x", "TOKEN": "x", "PIP_INDEX_URL": "y", "HTTPS_PROXY": "z"}

    assert builder.build({"Dockerfile": dockerfile}, environ=secrets).status == 0

    seen = dict(
        line.partition("=")[::2] for line in (builder.image().rootfs / "app/seen").read_text().splitlines()
    )
    assert (seen["OWN"], seen["PIP_INDEX_URL"], seen["HTTPS_PROXY"]) == ("1", "y", "z")
    assert not {"AWS_SECRET_ACCESS_KEY", "TOKEN", "PYTHONPATH", "LOCAL_IMAGE_STORE"} & seen.keys()


def test_the_user_s_settings_are_taken_from_where_the_platform_runs(tmp_path, monkeypatch):
    from tests.local_builder.conftest import Builder

    monkeypatch.setenv("PIP_INDEX_URL", "https://user:password@packages.example/simple")
    builder = Builder(tmp_path)

    builder.build(
        {"Dockerfile": f"FROM {BASE}\nRUN echo $PIP_INDEX_URL > seen\n"}, environ={"HOME": "/sandbox"}
    )

    assert (builder.image().rootfs / "seen").read_text().startswith("https://user:password@")
    saved = builder.cache / "environment.json"
    assert saved.stat().st_mode & 0o777 == 0o600
    assert json.loads(saved.read_text())["HOME"] != "/sandbox"
    assert "password" not in repr(builder.images.resolve("kaniko/executor:local").config)


def test_a_context_in_object_storage_is_fetched(builder, tmp_path):
    from local.objectstore import ObjectStore
    from tests.local_objectstore.conftest import client, serving

    with serving(ObjectStore(tmp_path / "objects")) as store:
        s3 = client(store.url)
        s3.create_bucket(Bucket="context-tmp")
        s3.put_object(
            Bucket="context-tmp", Key="build-context/p1/abc/context.tar.gz", Body=archive(FUNCTION_FILES)
        )
        s3.close()
        settings = {
            "S3_ENDPOINT": store.url,
            "S3_FORCE_PATH_STYLE": "true",
            "AWS_REGION": "us-west-2",
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local-secret",
        }
        good = builder.run("s3://context-tmp/build-context/p1/abc/context.tar.gz", environ=settings)
        missing = builder.run("s3://context-tmp/none.tar.gz", environ=settings)
        denied = builder.run("s3://context-tmp/none", environ=settings | {"AWS_SECRET_ACCESS_KEY": "wrong"})

    assert good.status == 0, good.log
    assert (builder.image().rootfs / "app/code/parser.py").exists()
    assert missing.status == denied.status == 1
    assert missing.last_line.startswith(
        "error resolving source context: failed to get s3://context-tmp/none.tar.gz"
    )
    assert "NoSuchKey" in missing.last_line
    assert "SignatureDoesNotMatch" in denied.last_line
    assert "status code: 403" in denied.last_line


def test_a_newer_version_of_a_package_is_another_image(builder):
    builder.build(FUNCTION_FILES, "--cache=true")
    first = builder.image().digest
    make_wheel(builder.wheels, "greeting", "2.0", "WORD = 'bye'\n")

    builder.build({**FUNCTION_FILES, "requirements.txt": "greeting==2.0\n"}, "--cache=true")

    assert builder.image().digest != first
    assert "bye" in (builder.image().rootfs / "app/packages/greeting/__init__.py").read_text()
