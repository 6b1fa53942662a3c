"""The sink as a process. `python -m service.dead_letters`.

Exit status: 0 after a signal and a drain, 2 when settings are wrong, 3 when the port is taken.
"""

import sys

from automation.dead_letters.desk import RabbitmqDesks
from automation.dead_letters.folder import FolderDesks, FolderLetters
from automation.dead_letters.rabbitmq import RabbitmqLetters
from automation.dead_letters.store import Desks, Letters
from service import logs
from service.dead_letters.app import AppSettings, create_app
from service.dead_letters.settings import Settings, read
from service.programs import run
from service.server import Server


def main() -> int:
    """Serve until a signal; return the exit status."""
    return run(read, server)


def server(settings: Settings) -> Server:
    """Return the sink, ready to run. Raises CertificateUnusable."""
    logs.configure(settings.log_level)
    app = create_app(*stores(settings), app_settings(settings))
    return Server(app, settings.http, settings.environment)


def stores(settings: Settings) -> tuple[Letters, Desks]:
    """Return where letters are kept, and gone through."""
    if settings.folder:
        return FolderLetters(settings.folder), FolderDesks(settings.folder)
    assert settings.rabbitmq, "read() takes one of the two"
    return RabbitmqLetters(settings.rabbitmq), RabbitmqDesks(settings.rabbitmq)


def app_settings(settings: Settings) -> AppSettings:
    """Return what the application needs of all settings."""
    return AppSettings(
        max_body_bytes=settings.http.max_body_bytes,
        body_timeout_seconds=settings.http.body_timeout_seconds,
        retries=settings.retries,
        patience_seconds=settings.patience_seconds,
        in_flight_bytes=settings.in_flight_bytes,
        api_tokens_file=settings.http.api_tokens_file,
        rules=settings.rules,
        replay_seconds=settings.replay_seconds,
    )


if __name__ == "__main__":
    sys.exit(main())
