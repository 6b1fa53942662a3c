"""The wrapper's settings, read once from the environment."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

LOG_LEVELS = ("debug", "info", "warning", "error")
_LEVEL_ALIASES = {"warn": "warning"}


class InvalidSettings(Exception):
    """The environment does not describe a function; the text lists every problem."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How this instance runs. Durations are in seconds, sizes in bytes."""

    function_name: str
    """FUNCTION_NAME, else Knative's K_SERVICE; required."""
    function_namespace: str
    """FUNCTION_NAMESPACE; required."""
    third_party_id: str = ""
    parser_id: str = ""
    handler: str = "parser.handler"
    """HANDLER: `module.function`; see handlers.py for what is tried when it is not there."""
    host: str = "0.0.0.0"  # noqa: S104  a container is reached from outside
    port: int = 8080
    timeout_seconds: float = 60.0
    """TIMEOUT_SECONDS: how long one call of the handler may take; at most 300, the platform's ceiling."""
    drain_seconds: float = 30.0
    """DRAIN_SECONDS: how long requests in flight may take to finish after SIGTERM."""
    max_concurrency: int = 100
    """MAX_CONCURRENCY: handler calls at one time; further ones wait, at most their time limit."""
    max_body_bytes: int = 10 * 1024 * 1024
    """MAX_BODY_BYTES: the largest request body."""
    log_level: str = "info"


def settings_from(environ: Mapping[str, str]) -> Settings:
    """Read the settings. Raises InvalidSettings with every problem found."""
    reader = _Reader(environ)
    settings = Settings(
        function_name=reader.required("FUNCTION_NAME", "K_SERVICE"),
        function_namespace=reader.required("FUNCTION_NAMESPACE"),
        third_party_id=environ.get("THIRD_PARTY_ID", ""),
        parser_id=environ.get("PARSER_ID", ""),
        handler=environ.get("HANDLER") or "parser.handler",
        host=environ.get("HOST") or "0.0.0.0",  # noqa: S104  a container is reached from outside
        port=reader.integer("PORT", 8080, 0, 65535),
        timeout_seconds=reader.number("TIMEOUT_SECONDS", 60.0, float, 0.01, 300),
        drain_seconds=reader.number("DRAIN_SECONDS", 30.0, float, 0, 3600),
        max_concurrency=reader.integer("MAX_CONCURRENCY", 100, 1, 10_000),
        max_body_bytes=reader.integer("MAX_BODY_BYTES", 10 * 1024 * 1024, 1, 1024**3),
        log_level=reader.level("LOG_LEVEL", "info"),
    )
    if reader.problems:
        raise InvalidSettings("; ".join(reader.problems))
    return settings


class _Reader:
    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.problems: list[str] = []

    def required(self, *names: str) -> str:
        value = next((self._environ[name] for name in names if self._environ.get(name)), "")
        if not value:
            self.problems.append(f"{names[0]} is not set; the platform sets it to the function's own")
        return value

    def integer(self, name: str, default: int, low: int, high: int) -> int:
        return int(self.number(name, default, int, low, high))

    def number(
        self, name: str, default: float, parse: Callable[[str], float], low: float, high: float
    ) -> float:
        text = self._environ.get(name)
        if not text:
            return default
        try:
            value = parse(text)
        except ValueError:
            value = low - 1
        if not low <= value <= high:
            self.problems.append(f"{name} is {text!r}; a number from {low} to {high} is allowed")
        return value

    def level(self, name: str, default: str) -> str:
        text = (self._environ.get(name) or default).lower()
        value = _LEVEL_ALIASES.get(text, text)
        if value not in LOG_LEVELS:
            self.problems.append(f"{name} is {text!r}; allowed are {', '.join(LOG_LEVELS)}")
        return value
