"""What the consumer can be told, read once from environment variables; all mistakes are reported at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from automation.dead_letters.rabbitmq import RabbitmqSettings
from automation.deliveries.courier import Route
from automation.deliveries.routing import Routes
from components import naming
from service import variables as syntax
from service.dead_letters.settings import MAX_BODY_BYTES, read_server
from service.settings import LOG_LEVELS, HttpSettings, SettingsError, read_http
from service.variables import Variables

IN_FLIGHT_BYTES: Final = 16 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of the process; docs/settings.md has the variables."""

    environment: str
    log_level: str
    http: HttpSettings
    letters: RabbitmqSettings
    route: Route
    exchange: str
    """EVENTS_EXCHANGE: where events that come over HTTP are published."""
    in_flight_bytes: int
    """IN_FLIGHT_BYTES: of events from HTTP in memory at one time."""


def read(environ: Mapping[str, str]) -> Settings:
    """Return the settings that these variables say, or raise SettingsError with every mistake."""
    variables = Variables(environ)
    environment = variables.text("ENVIRONMENT", syntax.LABEL) or "dev"
    log_level = variables.choice("LOG_LEVEL", LOG_LEVELS, aliases={"warning": "warn"}) or "info"
    http = read_http(variables, local=environment == "local", max_body_bytes=MAX_BODY_BYTES)
    route = Route(
        queue=variables.required("EVENTS_QUEUE", syntax.QUEUE) or "",
        routes=_routes(variables, environment),
        reply_exchange=variables.text("REPLY_EXCHANGE", syntax.QUEUE) or "",
        prefetch=variables.integer("PREFETCH", 10, minimum=1, maximum=1000),
        retries=variables.integer("DELIVERY_RETRIES", 5, minimum=0, maximum=100),
        first_wait_seconds=variables.seconds("DELIVERY_FIRST_WAIT_SECONDS", 1, minimum=0),
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
    exchange = variables.text("EVENTS_EXCHANGE", syntax.QUEUE) or "cloud-events"
    in_flight = variables.integer("IN_FLIGHT_BYTES", IN_FLIGHT_BYTES, minimum=1024, maximum=1024**3)
    if variables.problems:
        raise SettingsError(tuple(variables.problems))
    return Settings(
        environment=environment,
        log_level=log_level,
        http=http,
        letters=letters,
        route=route,
        exchange=exchange,
        in_flight_bytes=in_flight,
    )


def _routes(variables: Variables, environment: str) -> Routes:
    types = variables.text("SUBSCRIBER_TYPES", syntax.EVENT_TYPES) or ""
    return Routes(
        service_url=variables.required("SUBSCRIBER_URL", syntax.WEB_URL) or "",
        service_types=frozenset(filter(None, types.split(","))),
        service_timeout_seconds=variables.seconds("DELIVERY_TIMEOUT_SECONDS", 30),
        function_url=variables.text("FUNCTION_URL", syntax.FUNCTION_URL) or "",
        namespace=variables.text("NAMESPACE", syntax.LABEL) or naming.namespace(environment),
        function_timeout_seconds=variables.seconds("FUNCTION_TIMEOUT_SECONDS", 330),
    )
