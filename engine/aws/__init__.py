"""The AWS provider of the embedded engine: package `aws`, by boto3.

Importing this loads no boto3; the first call to AWS does.
"""

import functools
import threading

from engine.aws.client import Session
from engine.aws.config import Settings
from engine.aws.provider import AwsProvider
from engine.provider import Provider

__all__ = ["AwsProvider", "AwsProviders", "provider_factory"]


class AwsProviders:
    """Makes provider instances (a `ProviderFactory`) that share sessions.

    There is one session, with its clients and connections, for each distinct configuration, for all instances
    and threads. Keep one object for the life of the process.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sessions: dict[Settings, Session] = {}

    def __call__(self) -> AwsProvider:
        """Return an unconfigured provider."""
        return AwsProvider(self._session_for)

    def close(self) -> None:
        """Close all connections; instances made before open new ones when they are used."""
        with self._lock:
            sessions, self._sessions = list(self._sessions.values()), {}
        for session in sessions:
            session.close()

    def _session_for(self, settings: Settings) -> Session:
        with self._lock:
            if settings not in self._sessions:
                self._sessions[settings] = Session(settings)
            return self._sessions[settings]


@functools.cache
def _process_wide() -> AwsProviders:
    return AwsProviders()


def provider_factory() -> Provider:
    """Return an unconfigured provider whose sessions are shared by the whole process and never closed."""
    return _process_wide()()
