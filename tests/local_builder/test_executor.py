import io
import os
import signal
import tarfile
import time

import psutil
import pytest

from tests.local_builder.conftest import BASE, DESTINATION, archive, spawn

PLAIN = {"Dockerfile": f"FROM {BASE}\nWORKDIR /app\nCOPY code ./code\n", "code/x": "1"}


def wait_until(condition, seconds: float = 20.0):
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.01)
    return value


def test_sigterm_ends_the_build_with_its_children_and_leaves_nothing(builder, tmp_path):
    dockerfile = f"FROM {BASE}\nRUN sh -c 'echo $$ > {tmp_path}/inner; sleep 300' & wait\n"
    context = builder.context({"Dockerfile": dockerfile})
    process = spawn(
        builder.command(context, f"--destination={DESTINATION}"), builder.environ, tmp_path / "log"
    )
    inner = tmp_path / "inner"
    child = int(wait_until(lambda: inner.exists() and inner.read_text().strip()))

    process.send_signal(signal.SIGTERM)

    assert process.wait(20) == 143
    wait_until(lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE)
    assert "context canceled" in (tmp_path / "log").read_text()
    assert os.listdir(builder.cache / "work") == []
    assert not any(DESTINATION in image.references for image in builder.images.list())


def test_a_command_does_not_outlive_a_killed_builder(builder, tmp_path):
    dockerfile = f'FROM {BASE}\nRUN ["sh", "-c", "echo $$ > {tmp_path}/inner; exec sleep 300"]\n'
    context = builder.context({"Dockerfile": dockerfile})
    process = spawn(
        builder.command(context, f"--destination={DESTINATION}"), builder.environ, tmp_path / "log"
    )
    inner = tmp_path / "inner"
    child = int(wait_until(lambda: inner.exists() and inner.read_text().strip()))

    process.kill()
    process.wait(20)

    wait_until(lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE)


@pytest.mark.parametrize("scheme", ["tar", "stdin"])
def test_a_context_can_be_an_archive(builder, tmp_path, scheme):
    packed = archive(PLAIN)
    (tmp_path / "context.tar.gz").write_bytes(packed)
    location = f"tar://{tmp_path}/context.tar.gz" if scheme == "tar" else "tar://stdin"

    result = builder.run(location, stdin=packed if scheme == "stdin" else b"")

    assert result.status == 0, result.log
    assert (builder.image().rootfs / "app/code/x").read_text() == "1"


def outside_link() -> tarfile.TarInfo:
    link = tarfile.TarInfo("code/link")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc"
    return link


@pytest.mark.parametrize(
    "files",
    [
        pytest.param({**PLAIN, "../evil": "x"}, id="parent"),
        pytest.param({**PLAIN, "link": outside_link()}, id="link-out"),
    ],
)
def test_an_archive_that_reaches_out_is_refused(builder, tmp_path, files):
    (tmp_path / "context.tar.gz").write_bytes(archive(files))

    result = builder.run(f"tar://{tmp_path}/context.tar.gz")

    assert result.status == 1
    assert result.last_line.startswith("error resolving source context: failed to unpack the archive")
    assert not (builder.cache / "work/evil").exists()


@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda data: b"garbage" + data])
def test_a_damaged_archive_is_refused(builder, tmp_path, damage):
    (tmp_path / "context.tar.gz").write_bytes(damage(archive({**PLAIN, "code/big": os.urandom(5000).hex()})))

    result = builder.run(f"tar://{tmp_path}/context.tar.gz")

    assert result.status == 1
    assert "error resolving source context" in result.last_line


def test_a_sub_path_is_the_context(builder):
    files = {f"deep/{path}": content for path, content in PLAIN.items()}

    assert builder.build(files, "--context-sub-path=deep").status == 0
    assert "leads out of the context" in builder.build(files, "--context-sub-path=../..").last_line


def test_flags_work_in_both_forms_and_without_effect_flags_are_taken(builder, tmp_path):
    context = builder.context(PLAIN)

    result = builder.run(
        str(context), "--dockerfile", "Dockerfile", "-v", "debug", "--cache", "--cache-ttl=24h",
        "--insecure", "--skip-tls-verify", "--cache-repo=registry.local/kaniko-cache", "--cleanup",
        "--compressed-caching=false", "--snapshot-mode=redo", "--use-new-run", "--single-snapshot",
        "--cache-dir", "/cache", "--push-retry=3", "--label", "team=a",
        "--image-name-with-digest-file", f"{tmp_path}/by-name", "--digest-file", f"{tmp_path}/digest",
        "--image-name-tag-with-digest-file", f"{tmp_path}/by-tag",
    )  # fmt: skip

    image = builder.image()
    assert result.status == 0, result.log
    assert "DEBU[" in result.log
    assert (tmp_path / "digest").read_text() == image.digest
    assert (tmp_path / "by-name").read_text() == f"registry.local:5000/knative-lambdas@{image.digest}\n"
    assert (tmp_path / "by-tag").read_text() == f"{DESTINATION}@{image.digest}\n"
    assert image.config.labels == {"team": "a"}


@pytest.mark.parametrize(
    ("flag", "expected"),
    [
        ("--nosuch", "unknown flag: --nosuch"),
        ("-x", "unknown shorthand flag: 'x' in -x"),
        ("--cache=maybe", 'invalid argument "maybe" for "--cache" flag: expected true or false'),
        ("--cache-ttl=soon", 'invalid argument "soon" for "--cache-ttl" flag'),
        ("--build-arg=novalue", 'invalid argument "novalue" for "--build-arg" flag: expected key=value'),
        ("--snapshot-mode=odd", "expected one of full, redo, time"),
        ("--tar-path=x.tar", "--tar-path is not supported by the local builder"),
        ("--digest-file", "flag needs an argument: --digest-file"),
    ],
)
def test_wrong_flags_are_named_with_the_usage(builder, flag, expected):
    result = builder.build(PLAIN, flag)

    assert result.status == 1
    assert expected in result.last_line
    assert "Usage:" in result.log


def test_a_destination_is_needed_unless_nothing_is_pushed(builder, tmp_path):
    assert "you must provide --destination" in builder.build(PLAIN, destination="").last_line

    images = builder.images.list()
    result = builder.build(PLAIN, "--no-push", f"--digest-file={tmp_path}/digest", destination="")

    assert result.status == 0
    assert (tmp_path / "digest").read_text().startswith("sha256:")
    assert builder.images.list() == images


def test_several_destinations_name_one_image(builder):
    assert builder.build(PLAIN, "--destination=functions:two").status == 0
    assert builder.image("functions:two").digest == builder.image().digest


def test_a_positional_argument_is_ignored_with_a_warning(builder):
    result = builder.build(PLAIN, "--cache", "true")

    assert result.status == 0
    assert "WARN[0000] Ignoring the argument 'true'" in result.log


@pytest.mark.parametrize(
    ("dockerfile", "expected"),
    [
        ("FROM nosuch:1\n", "unable to retrieve image nosuch:1: MANIFEST_UNKNOWN"),
        (
            f"FROM {BASE}\nADD x y\n",
            "dockerfile parse error on line 2: ADD is not supported by the local builder",
        ),
        (f"FROM {BASE}\nCOPY none ./\n", "failed to get fileinfo for none"),
        (f"FROM {BASE}\nCOPY ../../etc/passwd ./\n", "failed to get fileinfo for ../../etc/passwd"),
        (f'FROM {BASE}\nRUN ["nosuchprogram"]\n', "starting command: fork/exec nosuchprogram: No such file"),
        (f"FROM {BASE}\nRUN kill -9 $$\n", "waiting for process to exit: signal: killed"),
        (f"FROM {BASE}\nRUN mkfifo pipe\n", "failed to take snapshot: 'pipe' is a device, socket or pipe"),
    ],
)
def test_a_failed_build_says_why_on_its_last_line(builder, dockerfile, expected):
    result = builder.build({"Dockerfile": dockerfile})

    assert result.status == 1
    assert result.last_line.startswith("error building image: ")
    assert expected in result.last_line


def test_a_missing_dockerfile_is_named(builder):
    result = builder.build(PLAIN, "--dockerfile=nosuch")

    assert result.last_line.startswith("error resolving dockerfile path")


def test_a_link_in_the_image_does_not_lead_a_copy_out(builder, tmp_path):
    (tmp_path / "outside").mkdir()
    dockerfile = f"FROM {BASE}\nRUN ln -s {tmp_path}/outside out\nCOPY code ./out/code\n"

    result = builder.build({**PLAIN, "Dockerfile": dockerfile})

    assert "leads out of the image" in result.last_line
    assert os.listdir(tmp_path / "outside") == []


def test_instructions_change_the_image_as_docker_says(builder):
    dockerfile = f"""ARG VERSION=0
FROM {BASE}
ARG NAME=world
ENV GREETING="hello ${{NAME}}" EMPTY=
ENV OLD an old  form
LABEL a="b c" d=e
WORKDIR /srv
WORKDIR sub
COPY --chmod=750 code .
COPY code/x code/y /flat/
RUN echo "$GREETING" > said
CMD ["one", "two"]
ENTRYPOINT python -V
EXPOSE 80 53/udp
"""
    result = builder.build({"Dockerfile": dockerfile, "code/x": "1", "code/y": "2"}, "--build-arg=NAME=you")

    config, rootfs = builder.image().config, builder.image().rootfs
    assert result.status == 0, result.log
    assert (config.env["GREETING"], config.env["EMPTY"], config.env["OLD"]) == (
        "hello you",
        "",
        "an old  form",
    )
    assert config.labels == {"a": "b c", "d": "e"}
    assert config.workdir == "/srv/sub"
    assert (config.entrypoint, config.cmd) == (("/bin/sh", "-c", "python -V"), ("one", "two"))
    assert config.exposed_ports == ("80/tcp", "53/udp")
    assert (rootfs / "srv/sub/said").read_text() == "hello you\n"
    assert (rootfs / "srv/sub/x").stat().st_mode & 0o777 == 0o750
    assert sorted(os.listdir(rootfs / "flat")) == ["x", "y"]


def test_a_derived_image_starts_from_the_files_of_its_base(builder):
    builder.build(PLAIN, destination="team/base:1")

    result = builder.build(
        {"Dockerfile": "FROM team/base:1\nRUN echo 2 >> code/x\nCOPY more ./more\n", "more": "3"},
        name="derived",
    )

    assert result.status == 0, result.log
    assert (builder.image().rootfs / "app/code/x").read_text() == "12\n"
    assert (builder.image("team/base:1").rootfs / "app/code/x").read_text() == "1"
    assert io.StringIO(result.log).readline().startswith("INFO[0000] Retrieving image manifest team/base:1")
