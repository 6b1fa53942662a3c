"""Dockerfiles of several stages: what the last one takes from earlier ones, and what the cache knows."""

import os

import pytest

from tests.local_builder.conftest import BASE

STAGES = f"""\
FROM {BASE} AS build
WORKDIR /build
COPY source ./source
RUN mkdir made && tr a-z A-Z < source > made/program && chmod 755 made/program
FROM {BASE}
WORKDIR /app
COPY --from=build /build/made ./
COPY --from=0 /build/source ./notes/
COPY own ./own
CMD ["./program"]
"""
FILES = {"Dockerfile": STAGES, "source": "echo hello\n", "own": "1"}


def test_the_last_stage_is_the_image_and_takes_files_of_earlier_ones(builder):
    result = builder.build(FILES, "--cache=true")

    assert result.status == 0, result.log
    image = builder.image()
    app = image.rootfs / "app"
    assert sorted(os.listdir(image.rootfs)) == ["app"]
    assert sorted(os.listdir(app)) == ["notes", "own", "program"]
    assert (app / "program").read_text() == "ECHO HELLO\n"
    assert os.access(app / "program", os.X_OK)
    assert (app / "notes/source").read_text() == "echo hello\n"
    assert image.config.workdir == "/app"


def test_what_an_earlier_stage_read_decides_whether_the_image_is_known(builder):
    first = builder.build(FILES, "--cache=true", name="first")
    same = builder.build(FILES, "--cache=true", name="second")
    digest = builder.image().digest
    other = builder.build({**FILES, "source": "echo other\n"}, "--cache=true", name="third")

    assert "Running:" in first.log
    assert "Running:" not in same.log
    assert "Running:" in other.log
    assert builder.image().digest != digest


def test_the_layers_of_an_earlier_stage_are_cached(builder):
    builder.build(FILES, "--cache=true", name="first")

    result = builder.build({**FILES, "own": "2"}, "--cache=true", name="second")

    assert "Running:" not in result.log
    assert (builder.image().rootfs / "app/program").read_text() == "ECHO HELLO\n"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (("--from=build /build/made", "--from=nobody /x"), "no stage before this one has that name"),
        (("--from=build /build/made", "--from=1 /x"), "no stage before this one has that name"),
        (("--from=build /build/made", "--from=build /build/nothing"), "No such file"),
        (("--from=build /build/made", "--from=build ../../../etc/passwd"), "No such file"),
    ],
)
def test_what_cannot_be_taken_fails_the_build(builder, change, problem):
    result = builder.build({**FILES, "Dockerfile": STAGES.replace(*change)})

    assert result.status == 1
    assert problem in result.last_line
