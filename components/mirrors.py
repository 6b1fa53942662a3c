"""Where builds fetch packages from instead of the tools' own places: how the addresses look. Pure.

They get into Dockerfiles and images, so they are held to a pattern that leaves nothing to quote or to keep
secret.
"""

import re
from typing import Final

URL: Final = re.compile(r"https?://[A-Za-z0-9][A-Za-z0-9.-]*(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~+-]*)*")
PROXY: Final = re.compile(rf"(?:direct|off|{URL.pattern})(?:[,|](?:direct|off|{URL.pattern}))*")

URL_ALLOWED: Final = "an http or https URL of letters, digits and ._~+-/ without credentials, query or spaces"
PROXY_ALLOWED: Final = f"{URL_ALLOWED}, `direct` or `off`, or several of them parted by ',' or '|'"


def is_mirror(value: str) -> bool:
    """Say whether a value may be the mirror of pip or npm."""
    return bool(URL.fullmatch(value))


def is_proxy(value: str) -> bool:
    """Say whether a value may be Go's list of module proxies."""
    return bool(PROXY.fullmatch(value))
