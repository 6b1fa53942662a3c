"""What an operation is asked to do, as its caller gave it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from engine.events import EventSink
from engine.masking import configured
from engine.options import DEFAULTS, Options

_MASK: Final = "[secret]"


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked for.

    Configuration (keys `namespace:name`), who is told, what it is called in history, and how to go about it.
    """

    config: Mapping[str, str] = field(default_factory=dict)
    secret_config: Mapping[str, str] = field(default_factory=dict)
    message: str = ""
    on_event: EventSink | None = None
    options: Options = DEFAULTS

    @property
    def silent(self) -> "Request":
        """The same, with nobody told."""
        return replace(self, on_event=None)

    @property
    def all_config(self) -> dict[str, str]:
        """Plain and secret values together."""
        return {**self.config, **self.secret_config}

    @property
    def hidden(self) -> frozenset[str]:
        """The texts of the secret configuration, those within structured values too."""
        return configured(self.secret_config.values())

    @property
    def masked_config(self) -> dict[str, str]:
        """The configuration as events may show it."""
        return {**self.config, **dict.fromkeys(self.secret_config, _MASK)}
