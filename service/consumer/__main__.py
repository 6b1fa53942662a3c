"""The consumer as a process. `python -m service.consumer`.

Exit status: 0 after a signal and a drain, 2 when settings are wrong, 3 when the port is taken.
"""

import sys

from automation.amqp import Link
from automation.dead_letters.rabbitmq import RabbitmqLetters
from automation.deliveries.courier import Courier
from automation.deliveries.ingress import Ingress
from service import logs
from service.consumer.app import AppSettings, create_app
from service.consumer.metrics import Metrics
from service.consumer.settings import Settings, read
from service.programs import run
from service.server import Server


def main() -> int:
    """Deliver until a signal; return the exit status."""
    return run(read, server)


def server(settings: Settings) -> Server:
    """Return the consumer, ready to run. Raises CertificateUnusable."""
    logs.configure(settings.log_level)
    metrics, where = Metrics(), settings.letters.server
    courier = Courier(where, RabbitmqLetters(settings.letters), settings.route, metrics)
    app = create_app(courier, Ingress(Link(where), settings.exchange), metrics, app_settings(settings))
    return Server(app, settings.http, settings.environment)


def app_settings(settings: Settings) -> AppSettings:
    """Return what the application needs of all settings."""
    return AppSettings(
        max_body_bytes=settings.http.max_body_bytes,
        body_timeout_seconds=settings.http.body_timeout_seconds,
        in_flight_bytes=settings.in_flight_bytes,
        grace_seconds=settings.http.shutdown_grace_seconds,
    )


if __name__ == "__main__":
    sys.exit(main())
