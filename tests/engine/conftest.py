"""What the engine's tests start from: a folder as backend, an engine with the package `fake`, one stack."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine import Engine, FileBackend, StackRef
from tests.engine import s3server
from tests.engine.fake import World


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """Return the address of a server that speaks S3."""
    with s3server.running() as address:
        yield address


@pytest.fixture
def s3_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let boto3 find credentials, and no configuration of this machine's user."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def s3_url(s3_server: str, s3_credentials: None) -> str:
    """Return the address of a prefix in a bucket of its own."""
    return s3server.fresh(s3_server, "some/prefix")


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def stack() -> StackRef:
    return StackRef("proj", "dev")


@pytest.fixture
def make_engine(world: World, root: Path) -> Callable[..., Engine]:
    def make(passphrase: str = "", parallel: int = 8, backend: object | None = None) -> Engine:
        return Engine(
            backend or FileBackend(root), {"fake": world.provider}, passphrase=passphrase, parallel=parallel
        )

    return make


@pytest.fixture
def engine(make_engine: Callable[..., Engine]) -> Engine:
    return make_engine()
