"""A real server on loopback, in a thread of its own, and boto3 as its client. Nothing is replaced."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
import pytest
from botocore.config import Config

from local.objectstore import ObjectStore


@contextmanager
def serving(store: ObjectStore) -> Iterator[ObjectStore]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(store.start(), loop).result(10)
        yield store
        asyncio.run_coroutine_threadsafe(store.stop(), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "objects"


@pytest.fixture
def store(root: Path) -> Iterator[ObjectStore]:
    with serving(ObjectStore(root, max_object_bytes=32 << 20)) as server:
        yield server


def client(url: str, secret: str = "local-secret", access: str = "local", **config):
    return boto3.client(
        "s3",
        endpoint_url=url,
        region_name="us-west-2",
        aws_access_key_id=access,
        aws_secret_access_key=secret,
        config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}, **config),
    )


@pytest.fixture
def s3(store: ObjectStore):
    connection = client(store.url)
    connection.create_bucket(Bucket="code")
    yield connection
    connection.close()
