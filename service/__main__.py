"""The service as a process: settings, automation, application, server. `python -m service`.

Exit status: 0 after a signal and a drain, 2 when settings are wrong, 3 when the port is taken.
"""

import gc
import sys
from typing import Final

from automation.app import create
from automation.runner import utc_now
from automation.tracing import OFF, Tracer
from service import logs
from service.app import AppSettings, create_app
from service.drift_metrics import DriftMetrics
from service.gate_metrics import GateMetrics
from service.outbox_metrics import OutboxMetrics
from service.programs import run
from service.server import Server
from service.settings import Settings, SettingsError, TracingSettings, read

_YOUNG_OBJECTS: Final = 20_000
"""Net new containers between two collections of the youngest; about two events' worth."""


def main() -> int:
    """Serve until a signal; return the exit status."""
    return run(read, server)


def server(settings: Settings) -> Server:
    """Return the service, ready to run. Raises SettingsError and CertificateUnusable."""
    logs.configure(settings.log_level)
    tracer = tracer_of(settings.tracing)
    try:
        automation = create(settings.automation, tracer)
    except ValueError as error:  # an engine or a state backend that is known, but not built yet
        raise SettingsError((str(error),)) from error
    app = create_app(automation, app_settings(settings), tracer)
    if automation.outbox:
        app.state.metrics.registry.register(OutboxMetrics(automation.outbox.numbers, utc_now))
    if settings.automation.gate_rules:
        app.state.metrics.registry.register(GateMetrics(automation.gate_counts))
    if settings.automation.drift_checks_per_minute:
        app.state.metrics.registry.register(DriftMetrics(automation.drift_counts))
    settle_memory()
    return Server(app, settings.http, settings.automation.environment)


def settle_memory() -> None:
    """Take what start-up made out of garbage collections, and have fewer of them.

    What is there by now stays for good: going through it, 100 MB of SDK modules, holds every thread up for
    0.1 seconds or more, which was the slowest reply of a hundred. An event makes some ten thousand
    containers; with the default threshold of 700 the young ones were gone through a dozen times for each.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, 20, 50)


def tracer_of(settings: TracingSettings | None) -> Tracer:
    """Return what records spans, if they are to be sent anywhere."""
    if settings is None:
        return OFF
    from service import tracing  # the exporters' modules are for who uses them

    return tracing.create(settings)


def app_settings(settings: Settings) -> AppSettings:
    """Return what the application needs of all settings."""
    return AppSettings(
        source=settings.source,
        max_body_bytes=settings.http.max_body_bytes,
        body_timeout_seconds=settings.http.body_timeout_seconds,
        request_timeout_seconds=settings.http.request_timeout_seconds,
        api_tokens_file=settings.http.api_tokens_file,
        signatures=settings.http.signatures,
        build_rate=settings.http.build_rate,
        third_party_build_rate=settings.http.third_party_build_rate,
        source_rate=settings.http.source_rate,
        read_rate=settings.http.read_rate,
        refused_events_url=settings.refused_events_url,
        shutdown_grace_seconds=settings.http.shutdown_grace_seconds,
    )


if __name__ == "__main__":
    sys.exit(main())
