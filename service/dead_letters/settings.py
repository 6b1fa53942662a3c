"""What the sink can be told, read once from environment variables; all mistakes are reported at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from automation.amqp import Server
from automation.dead_letters.clerk import Rules
from automation.dead_letters.folder import FolderSettings
from automation.dead_letters.rabbitmq import RabbitmqSettings
from service import variables as syntax
from service.settings import LOG_LEVELS, HttpSettings, SettingsError, read_http
from service.variables import Variables

MAX_PATIENCE_SECONDS: Final = 25.0
"""How long a letter is tried to be kept before its sender is told to come back.

Below a delivery's timeout of 30 seconds: a refusal at once would use up the sender's retries at once, and
eventing-rabbitmq's dispatcher gives a letter up after them (docs/decisions/0047).
"""

MAX_BODY_BYTES: Final = 10 * 1024 * 1024 + 64 * 1024
"""What a function takes, and an envelope: what is refused here is lost, so nobody's limit is higher."""

IN_FLIGHT_BYTES: Final = 16 * 1024 * 1024
"""A letter under way takes up to four times its size: 64 MiB of the container's 128, and the process 40."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of the process."""

    environment: str
    """ENVIRONMENT: for the log."""
    log_level: str
    """LOG_LEVEL: debug, info, warn or error."""
    http: HttpSettings
    """As the automation service's."""
    folder: FolderSettings | None = None
    """DLQ_FOLDER and TARGET_URL: letters are files here; None: they are in RabbitMQ."""
    rabbitmq: RabbitmqSettings | None
    """RABBITMQ_URL, RABBITMQ_{USERNAME,PASSWORD,CA}_FILE, DLQ_EXCHANGE, DLQ_NAME, DLQ_POISON_NAME,
    TARGET_EXCHANGE, TARGET_QUEUE. None: letters are in a folder."""
    rules: Rules
    """REPLAY_{BATCH_SIZE,DELAY_MS,MAX_REPLAYS,MAX_WAITING,FIRST_WAIT_SECONDS}."""
    replay_seconds: float
    """REPLAY_INTERVAL_SECONDS: between two passes of the schedule; 0: there is none."""
    retries: int
    """DELIVERY_RETRIES: how often deliveries are repeated before they end here."""
    patience_seconds: float
    """PATIENCE_SECONDS: see MAX_PATIENCE_SECONDS."""
    in_flight_bytes: int
    """IN_FLIGHT_BYTES: letters in memory at one time; further ones wait outside."""


def read(environ: Mapping[str, str]) -> Settings:
    """Return the settings that these variables say, or raise SettingsError with every mistake."""
    variables = Variables(environ)
    environment = variables.text("ENVIRONMENT", syntax.LABEL) or "dev"
    log_level = variables.choice("LOG_LEVEL", LOG_LEVELS, aliases={"warning": "warn"}) or "info"
    http = read_http(variables, local=environment == "local", max_body_bytes=MAX_BODY_BYTES)
    rules = _rules(variables)
    folder = _folder(variables, rules)
    rabbitmq = _rabbitmq(variables) if folder is None else None
    interval = variables.seconds("REPLAY_INTERVAL_SECONDS", 0, minimum=0)
    retries = variables.integer("DELIVERY_RETRIES", 5, minimum=0, maximum=1000)
    patience = variables.seconds("PATIENCE_SECONDS", MAX_PATIENCE_SECONDS, minimum=0)
    in_flight = variables.integer("IN_FLIGHT_BYTES", IN_FLIGHT_BYTES, minimum=1024, maximum=1024**3)
    if variables.problems:
        raise SettingsError(tuple(variables.problems))
    return Settings(
        environment=environment,
        log_level=log_level,
        http=http,
        folder=folder,
        rabbitmq=rabbitmq,
        rules=rules,
        replay_seconds=interval,
        retries=retries,
        patience_seconds=patience,
        in_flight_bytes=in_flight,
    )


def read_server(variables: Variables) -> Server:
    """Return which RabbitMQ; mistakes are noted in `variables`."""
    authority = variables.text("RABBITMQ_CA_FILE", syntax.PATH)
    return Server(
        url=variables.required("RABBITMQ_URL", syntax.AMQP_URL) or "",
        username_file=Path(variables.required("RABBITMQ_USERNAME_FILE", syntax.PATH) or ""),
        password_file=Path(variables.required("RABBITMQ_PASSWORD_FILE", syntax.PATH) or ""),
        ca_file=Path(authority) if authority else None,
    )


def _folder(variables: Variables, rules: Rules) -> FolderSettings | None:
    folder = variables.text("DLQ_FOLDER", syntax.PATH)
    if folder is None:
        return None
    target = variables.required("TARGET_URL", syntax.WEB_URL) or ""
    return FolderSettings(folder=Path(folder), target_url=target, most_replays=rules.most_replays)


def _rabbitmq(variables: Variables) -> RabbitmqSettings:
    server = read_server(variables)
    exchange = variables.required("DLQ_EXCHANGE", syntax.QUEUE) or ""
    queue = variables.required("DLQ_NAME", syntax.QUEUE) or ""
    return RabbitmqSettings(
        server=server,
        exchange=exchange,
        queue=queue,
        poison_queue=variables.text("DLQ_POISON_NAME", syntax.QUEUE) or f"{queue}-poison",
        target_exchange=variables.text("TARGET_EXCHANGE", syntax.QUEUE) or "cloud-events",
        target_queue=variables.required("TARGET_QUEUE", syntax.QUEUE) or "",
    )


def _rules(variables: Variables) -> Rules:
    default = Rules()
    gap_ms = variables.integer("REPLAY_DELAY_MS", 100, minimum=0, maximum=60_000)
    return Rules(
        most_replays=variables.integer("REPLAY_MAX_REPLAYS", default.most_replays, minimum=1, maximum=100),
        first_wait_seconds=variables.seconds(
            "REPLAY_FIRST_WAIT_SECONDS", default.first_wait_seconds, minimum=0
        ),
        most_waiting=variables.integer(
            "REPLAY_MAX_WAITING", default.most_waiting, minimum=0, maximum=1_000_000
        ),
        gap_seconds=gap_ms / 1000,
        batch=variables.integer("REPLAY_BATCH_SIZE", default.batch, minimum=1, maximum=1000),
    )
