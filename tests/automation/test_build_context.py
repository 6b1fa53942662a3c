"""Build contexts: what is in them, what is refused, and that equal files are equal bytes."""

import dataclasses
import gzip
import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automation import code as sources
from automation import context
from automation.code import Limits, held
from automation.dockerfiles import Toolchain
from automation.errors import InvalidEvent

WRAPPER = {"__init__.py": b"", "__main__.py": b"run()\n"}
CODE = {"parser.py": b"def handler(event): ...\n"}
PATHS = st.from_regex(r"[a-z0-9_]{1,8}(/[a-z0-9_]{1,8}){0,2}\.(py|txt|json)", fullmatch=True)
FILES = st.dictionaries(PATHS, st.binary(max_size=64), max_size=6)


def made(code=CODE, wrapper=WRAPPER, language=None, base_image="python:3.11-slim"):
    tools = Toolchain(base_image=base_image, run_image="alpine:3.22")
    parser = held(code)
    context_made = context.assemble(
        parser, context.Runtime(wrapper=wrapper, tools=tools), context.detect(parser, language)
    )
    with context_made.archive as archive:
        return dataclasses.replace(context_made, archive=archive.read())


def content_hash(files):
    digest, archive = context.pack((path, len(data), [data]) for path, data in sorted(files.items()))
    archive.close()
    return digest


def unpacked(archive):
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        return {member.name: tar.extractfile(member).read() for member in tar.getmembers()}


def test_a_context_holds_the_code_the_wrapper_and_a_dockerfile():
    requirements = b'left-pad >= 1 ; python_version < "4"\n'
    files = unpacked(made({**CODE, "requirements.txt": requirements, "lib/util.py": b"x = 1\n"}).archive)

    assert files == {
        "Dockerfile": files["Dockerfile"],
        "wrapper/__init__.py": b"",
        "wrapper/__main__.py": b"run()\n",
        "code/parser.py": CODE["parser.py"],
        "code/lib/util.py": b"x = 1\n",
        "code/requirements.txt": requirements,
    }


def test_the_dockerfile_installs_dependencies_before_it_copies_code():
    assert unpacked(made({**CODE, "requirements.txt": b"six\n"}).archive)["Dockerfile"].decode() == (
        "FROM python:3.11-slim\n"
        "ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PORT=8080\n"
        "WORKDIR /app\n"
        "COPY code/requirements.txt ./requirements.txt\n"
        "RUN python -m pip install --no-cache-dir --disable-pip-version-check --target=packages "
        "-r requirements.txt\n"
        "COPY wrapper ./wrapper\n"
        "COPY code ./code\n"
        'ENV HANDLER="parser.handler"\n'
        "USER 1000:1000\n"
        "EXPOSE 8080\n"
        'ENTRYPOINT ["python", "-m", "wrapper"]\n'
    )


@pytest.mark.parametrize("requirements", [{}, {"requirements.txt": b" \n"}], ids=["none", "blank"])
def test_without_dependencies_nothing_is_installed(requirements):
    assert b"pip" not in unpacked(made({**CODE, **requirements}).archive)["Dockerfile"]


@given(FILES, FILES)
def test_equal_files_in_any_order_are_equal_bytes(code, wrapper):
    one = made({**code, **CODE}, wrapper)
    other = made(dict(reversed({**code, **CODE}.items())), dict(reversed(wrapper.items())))

    assert one == other


def test_nothing_of_the_machine_or_the_time_is_in_the_archive():
    archive = made().archive

    assert archive[4:8] == bytes(4), "gzip's time stamp"
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        facts = {(m.mtime, m.mode, m.uid, m.gid, m.uname, m.gname) for m in tar.getmembers()}
    assert facts == {(0, 0o644, 0, 0, "", "")}
    assert gzip.decompress(archive)


@given(FILES, FILES)
def test_the_hash_tells_contents_apart(one, other):
    assert (content_hash(one) == content_hash(other)) == (one == other)


def test_the_hash_tells_where_a_path_ends():
    assert content_hash({"ab": b"c"}) != content_hash({"a": b"bc"})


@pytest.mark.parametrize(
    ("change", "options"),
    [
        pytest.param({"parser.py": b"def handler(event): return 1\n"}, {}, id="code"),
        pytest.param({"requirements.txt": b"six\n"}, {}, id="dependencies"),
        pytest.param({}, {"base_image": "python:3.10-slim"}, id="base-image"),
        pytest.param({}, {"wrapper": {"__main__.py": b"other()\n"}}, id="wrapper"),
    ],
)
def test_whatever_changes_the_image_changes_the_hash(change, options):
    assert made({**CODE, **change}, **options).content_hash != made().content_hash


@pytest.mark.parametrize(
    ("files", "handler"),
    [
        pytest.param(["parser.py", "main.py"], "parser.handler", id="parser-first"),
        pytest.param(["main.py", "util.py"], "main.handler", id="main"),
        pytest.param(["index.py", "handler.py"], "handler.handler", id="handler-before-index"),
        pytest.param(["anything.py", "data.json"], "anything.handler", id="the-only-one"),
    ],
)
def test_the_handler_is_in_the_usual_file(files, handler):
    assert made(dict.fromkeys(files, b"")).handler == handler


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        pytest.param({}, "there are no files", id="empty"),
        pytest.param({"a.py": b"", "b.py": b""}, "name the file with the handler parser.py", id="no-entry"),
        pytest.param({**CODE, "../evil.py": b""}, "path '../evil.py' is not allowed", id="upwards"),
        pytest.param({**CODE, "/etc/passwd": b""}, "path '/etc/passwd' is not allowed", id="absolute"),
        pytest.param({**CODE, "a//b.py": b""}, "is not allowed", id="empty-segment"),
        pytest.param({**CODE, "a\nRUN evil": b""}, "is not allowed", id="newline"),
        pytest.param({**CODE, "ünïcode.py": b""}, "is not allowed", id="not-ascii"),
        pytest.param({**CODE, "x" * 201: b""}, "path of 201 characters", id="long-path"),
        pytest.param({f"f{n}.py": b"" for n in range(10_001)} | CODE, "10002 files", id="many"),
    ],
)
def test_files_that_cannot_be_built_are_refused(code, problem):
    with pytest.raises(InvalidEvent) as refused:
        made(code)

    assert any(problem in text for text in refused.value.details)


def test_files_that_are_too_big_are_refused():
    problems = sources.problems({"parser.py": 11, "b.py": 8}, Limits(file_bytes=10, total_bytes=15))

    assert problems == [
        "parser.py has 11 bytes; at most 10 are allowed",
        "19 bytes in all; at most 15 are allowed",
    ]


def test_long_paths_survive_packing():
    path = "/".join(["d" * 95, "e" * 95, "f.py"])

    assert unpacked(made({**CODE, path: b"x"}).archive)[f"code/{path}"] == b"x"


def test_a_name_that_is_a_file_and_a_folder_is_refused():
    sizes = {"parser.py": 0, "lib": 0, "lib/a.py": 0}
    assert sources.problems(sizes, Limits()) == ["lib is a file and a folder; keep one"]
