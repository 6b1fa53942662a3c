"""A session's folder belongs to one process at a time."""

import asyncio

import pytest

from local.session import Session, StartFailed


async def test_a_second_platform_does_not_take_the_folder_of_a_running_one(tmp_path):
    first = Session(data=tmp_path / "run", cache=tmp_path / "cache")
    starting = asyncio.create_task(first.start())
    try:
        async with asyncio.timeout(30):
            while not first.pids:
                await asyncio.sleep(0.01)
        kept = tmp_path / "run" / "platform.log"
        assert kept.exists()

        second = Session(data=tmp_path / "run", cache=tmp_path / "cache")
        with pytest.raises(StartFailed, match=r"another platform runs in .*/run: stop it first"):
            await second.start()
        await second.stop()

        assert kept.exists()
    finally:
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        await first.stop()
