"""The real application over the real automation and engine; cluster, storage and pods' logs are in memory."""

from automation.adapters.memory import MemoryLedger
from automation.builds.facade import Builds
from automation.drift.checker import DriftCheck
from service.app import AppSettings, create_app
from service.rate_limits import Rate
from tests.provenance.conftest import TracingWorld

TOKEN = "0123456789abcdef"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


class RestWorld(TracingWorld):
    """A world with its application, and one reader's token."""

    def __init__(self, folder, *, max_followers=16, **changes):
        super().__init__(folder / "state")
        self.put()
        (folder / "tokens").write_text(f"{TOKEN}\n")
        self.builds = Builds(self.archive, self.logs, self.runner.latest_build, max_followers=max_followers)
        self.automation._builds = self.builds
        self.automation._drift = DriftCheck(
            self.engine,
            self.runner.tell,
            MemoryLedger(),
            self.clock,
            per_minute=0,
            heals=frozenset({"Trigger"}),
        )
        values = {
            "source": "io.knative.lambda/builder/knative-lambda-local",
            "max_body_bytes": 65536,
            "body_timeout_seconds": 5.0,
            "request_timeout_seconds": 30.0,
            "shutdown_grace_seconds": 5.0,
            "api_tokens_file": folder / "tokens",
            "build_rate": Rate(0, 1),
            "third_party_build_rate": Rate(0, 1),
            "read_rate": Rate(0, 1),
        }
        self.app = create_app(self.automation, AppSettings(**{**values, **changes}))

    async def close(self):
        await self.automation.close(5)
        self.archive.close()
