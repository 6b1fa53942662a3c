"""The consumer as a process. Exit status: 0 after a signal and a drain, 2 when settings are wrong."""

import asyncio
import os
import signal
import sys

from automation.dead_letters.rabbitmq import RabbitmqLetters
from automation.deliveries.courier import Courier
from service import logs
from service.consumer.settings import Settings, read
from service.settings import SettingsError


def main() -> int:
    """Deliver until a signal; return the exit status."""
    try:
        settings = read(os.environ)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    logs.configure(settings.log_level)
    asyncio.run(_run(settings))
    return 0


async def _run(settings: Settings) -> None:
    courier = Courier(settings.letters.server, RabbitmqLetters(settings.letters), settings.route)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, courier.end)
    await courier.run(grace_seconds=settings.grace_seconds)


if __name__ == "__main__":
    sys.exit(main())
