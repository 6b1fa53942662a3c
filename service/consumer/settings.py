"""What the consumer can be told, read once from environment variables; all mistakes are reported at once."""

from collections.abc import Mapping
from dataclasses import dataclass

from automation.dead_letters.rabbitmq import RabbitmqSettings
from automation.deliveries.courier import Route
from service import variables as syntax
from service.dead_letters.settings import read_server
from service.settings import LOG_LEVELS, SettingsError
from service.variables import Variables


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of the process; docs/settings.md has the variables."""

    log_level: str
    letters: RabbitmqSettings
    route: Route
    grace_seconds: float
    """SHUTDOWN_GRACE_SECONDS: how long events under way may take once the process is asked to end."""


def read(environ: Mapping[str, str]) -> Settings:
    """Return the settings that these variables say, or raise SettingsError with every mistake."""
    variables = Variables(environ)
    log_level = variables.choice("LOG_LEVEL", LOG_LEVELS, aliases={"warning": "warn"}) or "info"
    route = Route(
        queue=variables.required("EVENTS_QUEUE", syntax.QUEUE) or "",
        subscriber_url=variables.required("SUBSCRIBER_URL", syntax.WEB_URL) or "",
        reply_exchange=variables.text("REPLY_EXCHANGE", syntax.QUEUE) or "",
        prefetch=variables.integer("PREFETCH", 10, minimum=1, maximum=1000),
        retries=variables.integer("DELIVERY_RETRIES", 5, minimum=0, maximum=100),
        first_wait_seconds=variables.seconds("DELIVERY_FIRST_WAIT_SECONDS", 1, minimum=0),
        timeout_seconds=variables.seconds("DELIVERY_TIMEOUT_SECONDS", 30),
        most_replays=variables.integer("REPLAY_MAX_REPLAYS", 3, minimum=1, maximum=100),
    )
    letters = RabbitmqSettings(
        server=read_server(variables),
        exchange=variables.required("DLQ_EXCHANGE", syntax.QUEUE) or "",
        queue="",
        poison_queue="",
        target_exchange="",
        target_queue="",
    )
    grace = variables.seconds("SHUTDOWN_GRACE_SECONDS", 30)
    if variables.problems:
        raise SettingsError(tuple(variables.problems))
    return Settings(log_level=log_level, letters=letters, route=route, grace_seconds=grace)
