import os
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import pytest

from local.images import (
    ImageConfig,
    ImageNotFound,
    ImageStore,
    InvalidReference,
    InvalidRootfs,
    Reference,
)

CONFIG = ImageConfig(
    entrypoint=("python", "-m", "wrapper"),
    env={"PORT": "8080"},
    workdir="/app",
    user="1000:1000",
    exposed_ports=("8080/tcp",),
)


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path / "store")


def rootfs(folder: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder


def add_and_tag(root: Path, source: Path) -> str:
    store = ImageStore(root)
    digest = store.add(source, CONFIG)
    store.tag("registry.local/functions:acme", digest)
    return store.resolve("registry.local/functions:acme").digest


def test_a_tagged_image_comes_back_with_its_files_and_configuration(store, tmp_path):
    digest = store.add(rootfs(tmp_path / "a", {"app/parser.py": "x = 1"}), CONFIG)
    store.tag("localhost:5000/team/functions:acme-1", digest)

    image = store.resolve("localhost:5000/team/functions:acme-1")

    assert image.digest == digest
    assert image.config == CONFIG
    assert (image.rootfs / "app/parser.py").read_text() == "x = 1"
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    "form",
    [
        pytest.param("functions:acme", id="tag"),
        pytest.param("functions@{digest}", id="digest"),
        pytest.param("functions:acme@{digest}", id="tag-and-digest"),
        pytest.param("registry:5000/functions@{digest}", id="registry-with-port"),
        pytest.param("{digest}", id="bare-digest"),
    ],
)
def test_every_form_of_reference_finds_the_image(store, tmp_path, form):
    digest = store.add(rootfs(tmp_path / "a", {"f": ""}), CONFIG)
    store.tag("functions:acme", digest)

    assert store.resolve(form.format(digest=digest)).digest == digest


def test_a_reference_without_tag_means_latest(store, tmp_path):
    digest = store.add(rootfs(tmp_path / "a", {"f": ""}), CONFIG)
    store.tag("functions", digest)

    assert store.resolve("functions:latest").digest == digest


def test_a_digest_decides_over_a_moved_tag(store, tmp_path):
    old = store.add(rootfs(tmp_path / "a", {"f": "1"}), CONFIG)
    new = store.add(rootfs(tmp_path / "b", {"f": "2"}), CONFIG)
    store.tag("functions:acme", old)
    store.tag("functions:acme", new)

    assert store.resolve("functions:acme").digest == new
    assert store.resolve(f"functions:acme@{old}").digest == old


def test_equal_content_has_one_digest_whatever_its_times(store, tmp_path):
    first = rootfs(tmp_path / "a", {"app/x": "1", "app/y": "2"})
    second = rootfs(tmp_path / "b", {"app/y": "2", "app/x": "1"})
    os.utime(second / "app/x", (1, 1))

    assert store.add(first, CONFIG) == store.add(second, CONFIG)
    assert len(store.list()) == 1


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda folder: (folder / "f").write_text("2"), id="content"),
        pytest.param(lambda folder: (folder / "f").chmod(0o700), id="mode"),
        pytest.param(lambda folder: (folder / "f").rename(folder / "g"), id="name"),
        pytest.param(lambda folder: (folder / "empty").mkdir(), id="empty-folder"),
        pytest.param(lambda folder: (folder / "link").symlink_to("f"), id="link"),
    ],
)
def test_any_difference_in_the_files_changes_the_digest(store, tmp_path, change):
    first = store.add(rootfs(tmp_path / "a", {"f": "1"}), CONFIG)
    changed = rootfs(tmp_path / "b", {"f": "1"})
    change(changed)

    assert store.add(changed, CONFIG) != first


def test_any_difference_in_the_configuration_changes_the_digest(store, tmp_path):
    first = store.add(rootfs(tmp_path / "a", {"f": "1"}), CONFIG)

    assert store.add(rootfs(tmp_path / "b", {"f": "1"}), replace(CONFIG, env={"PORT": "81"})) != first


def test_processes_that_add_equal_images_at_once_agree(tmp_path):
    sources = [rootfs(tmp_path / str(i), {f"d{n}/f": str(n) for n in range(20)}) for i in range(6)]

    with ProcessPoolExecutor(3, mp_context=get_context("spawn")) as pool:
        digests = set(pool.map(add_and_tag, [tmp_path / "store"] * len(sources), sources))

    assert len(digests) == 1
    assert [summary.digest for summary in ImageStore(tmp_path / "store").list()] == list(digests)
    assert list((tmp_path / "store/tmp").iterdir()) == []


def test_a_device_or_pipe_cannot_enter_an_image(store, tmp_path):
    os.mkfifo(rootfs(tmp_path / "a", {"f": "1"}) / "pipe")

    with pytest.raises(InvalidRootfs, match="'pipe' is a device"):
        store.add(tmp_path / "a", CONFIG)
    assert (tmp_path / "a/f").exists()
    assert store.list() == ()


@pytest.mark.parametrize("reference", ["functions:nosuch", "functions@sha256:" + "0" * 64])
def test_a_missing_image_is_named(store, reference):
    with pytest.raises(ImageNotFound, match=reference):
        store.resolve(reference)


@pytest.mark.parametrize(
    "reference",
    [
        "",
        "host/UPPER:x",
        "a/../b",
        "../x",
        "a b",
        "a:",
        "a:b:c",
        "a@sha256:12",
        "a@",
        "/a",
        "a//b",
        "x" * 300,
    ],
)
def test_what_is_no_reference_is_refused(store, reference):
    with pytest.raises(InvalidReference):
        store.resolve(reference)


def test_a_port_is_no_tag():
    assert Reference.parse("host:5000/a") == Reference("host:5000/a", "latest", None)


def test_a_tag_cannot_point_to_what_is_not_there(store):
    with pytest.raises(ImageNotFound):
        store.tag("functions:acme", "sha256:" + "0" * 64)


def test_a_builtin_image_is_its_configuration(store):
    store.register_builtin("python:3.11-slim", CONFIG)
    store.register_builtin("python:3.11-slim", CONFIG)

    image = store.resolve("python:3.11-slim")

    assert image.config == CONFIG
    assert list(image.rootfs.iterdir()) == []


def test_removing_a_tag_keeps_the_image_until_garbage_is_collected(store, tmp_path):
    digest = store.add(rootfs(tmp_path / "a", {"f": "1"}), CONFIG)
    store.tag("functions:acme", digest)

    store.remove("functions:acme")

    assert store.resolve(f"functions@{digest}").digest == digest
    assert store.collect_garbage() == ()
    assert store.collect_garbage(in_use=[digest], min_age_seconds=-1) == ()
    assert store.collect_garbage(min_age_seconds=-1) == (digest,)
    with pytest.raises(ImageNotFound):
        store.resolve(f"functions@{digest}")


def test_removing_by_digest_takes_the_tags_along(store, tmp_path):
    digest = store.add(rootfs(tmp_path / "a", {"f": "1"}), CONFIG)
    store.tag("functions:acme", digest)

    store.remove(f"functions@{digest}")

    assert store.list() == ()
    with pytest.raises(ImageNotFound, match="functions:acme"):
        store.resolve("functions:acme")


def test_garbage_collection_keeps_tagged_images_and_clears_old_leftovers(store, tmp_path):
    store.tag("functions:acme", store.add(rootfs(tmp_path / "a", {"f": "1"}), CONFIG))
    leftover = rootfs(tmp_path / "store/tmp/add-killed", {"rootfs/f": "1"})
    os.utime(leftover, (time.time() - 7200, time.time() - 7200))

    assert store.collect_garbage() == ()
    assert [summary.references for summary in store.list()] == [("functions:acme",)]
    assert not leftover.exists()
