"""What the mains of our servers have in common: settings, a server, and the status to exit with."""

import os
import sys
from collections.abc import Callable, Mapping
from typing import Final, TypeVar

from service.server import Server
from service.settings import SettingsError
from service.tls import CertificateUnusable

WRONG_SETTINGS: Final = 2

_Settings = TypeVar("_Settings")


def run(read: Callable[[Mapping[str, str]], _Settings], build: Callable[[_Settings], Server]) -> int:
    """Serve until a signal and a drain; return 0, or WRONG_SETTINGS with the reason on stderr.

    `read` and `build` may raise SettingsError, and `build` CertificateUnusable. A port that is taken ends the
    process with status 3 (uvicorn).
    """
    try:
        server = build(read(os.environ))
    except (SettingsError, CertificateUnusable) as error:
        sys.stderr.write(f"{error}\n")
        return WRONG_SETTINGS
    server.run()
    return 0
