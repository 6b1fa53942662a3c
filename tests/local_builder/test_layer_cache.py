import json
import os
import time

from tests.local_builder.conftest import BASE, DESTINATION, FUNCTION_FILES, spawn

CACHE = "--cache=true"


def test_an_equal_context_gives_the_same_digest_without_running_anything(builder):
    first = builder.build(FUNCTION_FILES, CACHE)
    digest = builder.image().digest

    second = builder.build(FUNCTION_FILES, CACHE, name="copy", destination="functions:copy")

    assert first.status == second.status == 0
    assert "Running:" in first.log
    assert "Running:" not in second.log
    assert "Using caching version of cmd: RUN python -m pip install" in second.log
    assert builder.image("functions:copy").digest == digest


def test_new_code_with_the_same_requirements_does_not_run_pip_again(builder):
    builder.build(FUNCTION_FILES, CACHE)
    first = builder.image()

    result = builder.build({**FUNCTION_FILES, "code/parser.py": "changed = 1\n"}, CACHE)

    image = builder.image()
    assert result.status == 0
    assert "Running:" not in result.log
    assert image.digest != first.digest
    assert (image.rootfs / "app/code/parser.py").read_text() == "changed = 1\n"
    assert (image.rootfs / "app/packages/greeting/__init__.py").read_text() == "WORD = 'hello'\n"


def test_what_stands_before_a_command_decides_whether_it_runs_again(builder):
    builder.build(FUNCTION_FILES, CACHE)

    changed = FUNCTION_FILES["Dockerfile"].replace("PORT=8080", "PORT=8081")
    result = builder.build({**FUNCTION_FILES, "Dockerfile": changed}, CACHE)

    assert "Running:" in result.log


def test_without_the_cache_flag_everything_runs(builder):
    builder.build(FUNCTION_FILES, CACHE)

    assert "Running:" in builder.build(FUNCTION_FILES).log


def test_a_layer_is_too_old_after_its_time_to_live(builder):
    builder.build(FUNCTION_FILES, CACHE, "--cache-ttl=1h")
    for file in (builder.cache / "layers").glob("*/layer.json"):
        file.write_text(json.dumps({**json.loads(file.read_text()), "created": time.time() - 3601}))
    for file in (builder.cache / "results").iterdir():
        file.write_text(json.dumps({**json.loads(file.read_text()), "created": time.time() - 3601}))

    assert "Running:" in builder.build(FUNCTION_FILES, CACHE, "--cache-ttl=1h").log
    assert "Running:" not in builder.build(FUNCTION_FILES, CACHE, "--cache-ttl=1h").log


def test_an_image_that_was_removed_is_built_again_from_its_layers(builder):
    builder.build(FUNCTION_FILES, CACHE)
    digest = builder.image().digest
    builder.images.remove(digest)

    result = builder.build(FUNCTION_FILES, CACHE)

    assert "Found cached layer, extracting to filesystem" in result.log
    assert builder.image().digest == digest


def test_what_a_command_deletes_and_changes_comes_back_from_the_cache(builder):
    dockerfile = f"""FROM {BASE}
WORKDIR /app
COPY code ./code
RUN rm -r code/old && echo new > code/kept && ln -s kept code/link && mkdir -p empty && chmod 700 empty
RUN echo second >> code/kept
COPY last ./last
"""
    files = {"Dockerfile": dockerfile, "code/old/x": "1", "code/kept": "old", "last": "1"}
    builder.build(files, CACHE)
    first = builder.image()

    result = builder.build({**files, "last": "2"}, CACHE)

    app = builder.image().rootfs / "app"
    assert "Running:" not in result.log
    assert (app / "code/kept").read_text() == "new\nsecond\n"
    assert os.readlink(app / "code/link") == "kept"
    assert sorted(os.listdir(app / "code")) == ["kept", "link"]
    assert (app / "empty").stat().st_mode & 0o777 == 0o700
    assert (first.rootfs / "app/last").read_text() == "1"


def test_a_command_that_writes_in_place_leaves_cached_files_alone(builder):
    dockerfile = f"FROM {BASE}\nWORKDIR /app\nRUN echo one > data\nCOPY salt ./salt\nRUN echo two >> data\n"
    builder.build({"Dockerfile": dockerfile, "salt": "1"}, CACHE)
    builder.build({"Dockerfile": dockerfile, "salt": "2"}, CACHE)
    builder.build({"Dockerfile": dockerfile, "salt": "3"}, CACHE)

    assert (builder.image().rootfs / "app/data").read_text() == "one\ntwo\n"


def test_of_two_builders_with_equal_content_one_runs_and_the_other_takes_it(builder, tmp_path):
    dockerfile = f"FROM {BASE}\nWORKDIR /app\nRUN echo ran >> {tmp_path}/runs; sleep 0.2; echo x > made\n"
    context = builder.context({"Dockerfile": dockerfile})
    command = builder.command(context, f"--destination={DESTINATION}", CACHE)

    processes = [spawn(command, builder.environ, tmp_path / f"log{index}") for index in range(3)]

    assert [process.wait(60) for process in processes] == [0, 0, 0]
    assert (tmp_path / "runs").read_text() == "ran\n"
    assert len([image for image in builder.images.list() if DESTINATION in image.references]) == 1


def test_builders_with_the_same_requirements_share_one_install(builder, tmp_path):
    dockerfile = f"FROM {BASE}\nWORKDIR /app\nRUN echo ran >> {tmp_path}/runs; sleep 0.2\nCOPY code ./code\n"
    processes = []
    for index in range(2):
        context = builder.context({"Dockerfile": dockerfile, "code/x": str(index)}, f"context{index}")
        command = builder.command(context, f"--destination=functions:{index}", CACHE)
        processes.append(spawn(command, builder.environ, tmp_path / f"log{index}"))

    assert [process.wait(60) for process in processes] == [0, 0]
    assert (tmp_path / "runs").read_text() == "ran\n"
    assert builder.image("functions:0").digest != builder.image("functions:1").digest


def test_a_mode_given_to_copied_files_does_not_reach_those_of_the_cache(builder):
    make = "RUN mkdir d && echo 1 > d/made && chmod 640 d/made"
    dockerfile = f"FROM {BASE}\nWORKDIR /app\n{make}\nCOPY --chmod=755 code d\n"
    for salt in ("1", "2"):
        builder.build({"Dockerfile": dockerfile, "code/x": salt}, CACHE)
        folder = builder.image().rootfs / "app/d"

        assert (folder / "x").stat().st_mode & 0o777 == 0o755
        assert (folder / "made").stat().st_mode & 0o777 == 0o640
