"""Replays by themselves: a pass every so often, in whichever process gets to it first."""

import asyncio
import logging

from automation.dead_letters.clerk import Clerk
from automation.dead_letters.store import DeskTaken
from automation.errors import PlatformError
from service.dead_letters.metrics import Metrics
from service.logs import fields

logger = logging.getLogger(__name__)


class Schedule:
    """Passes, as long as the process lives; nothing is remembered between them."""

    def __init__(self, clerk: Clerk, metrics: Metrics, every_seconds: float) -> None:
        self._clerk = clerk
        self._metrics = metrics
        self._every_seconds = every_seconds

    async def run(self) -> None:
        """Pass until cancelled; what goes wrong is logged, and tried again the next time."""
        while True:
            await asyncio.sleep(self._every_seconds)
            self._metrics.passes.labels(await self._pass()).inc()

    async def _pass(self) -> str:
        try:
            report = await self._clerk.pass_schedule()
        except DeskTaken:
            return "taken"
        except PlatformError as error:
            logger.warning("replay failed", extra=fields(error=error.message, cause=repr(error.__cause__)))
            return "failed"
        except Exception:
            logger.exception("replay failed in a way that nobody foresaw")
            return "failed"
        if report.replayed or report.failed or report.stopped:
            numbers = {"replayed": len(report.replayed), "failed": len(report.failed)}
            logger.info("replayed dead letters", extra=fields(**numbers, stopped=report.stopped))
        return "held_back" if report.stopped else "done"
