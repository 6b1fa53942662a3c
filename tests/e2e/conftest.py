"""One running platform for all tests of the whole path: every part is the real one, nothing is replaced.

Tests use parsers of their own with ids of their own, so that they need no order.
"""

import itertools
import uuid
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from local.client import Client
from local.deploy import Deployment, Example
from local.session import Session
from local.spectator import Spectator

_numbers = itertools.count(1)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def session(tmp_path_factory):
    folder = tmp_path_factory.mktemp("platform")
    session = Session(data=folder / "data", cache=folder / "cache")
    try:
        await session.start()
        yield session
    finally:
        await session.stop()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def client(session):
    async with Client(session.addresses, session.token) as client:
        yield client


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def spectator(client):
    async with Spectator(client) as spectator:
        yield spectator


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def http():
    async with aiohttp.ClientSession() as http:
        yield http


class Parser:
    """A parser of one test: its folder, and its deployment followed phase by phase."""

    def __init__(self, folder: Path, client: Client, spectator: Spectator) -> None:
        self.folder, self.id = folder, folder.name
        self._client, self._spectator = client, spectator

    def write(self, code: str, requirements: str = "") -> "Parser":
        (self.folder / "parser.py").write_text(code)
        (self.folder / "requirements.txt").write_text(requirements)
        return self

    def deployment(self, data: dict | None = None) -> Deployment:
        return Deployment(Example(self.folder, data or {}, {}), self._client, self._spectator, lambda _: None)


@pytest.fixture
def parser(tmp_path, client, spectator):
    folder = tmp_path / f"p{next(_numbers)}-{uuid.uuid4().hex[:6]}"
    folder.mkdir()
    return Parser(folder, client, spectator)
