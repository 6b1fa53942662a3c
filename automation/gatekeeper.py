"""What a process knows of its gates: the rules, and how many plans were parked, approved and expired."""

import datetime
import logging
import threading
from collections import Counter
from collections.abc import Mapping
from typing import Final

from automation import gates, record
from automation.events import FunctionId
from automation.parked import Parked
from automation.ports import DeploymentEngine
from automation.program import RECORD, function_program
from automation.settings import AutomationSettings

OUTCOMES: Final = ("parked", "approved", "expired")
_LOG: Final = logging.getLogger(__name__)


class Gatekeeper:
    """Rules and numbers; for several threads. Nothing here decides anything: that is in the records."""

    def __init__(self, settings: AutomationSettings) -> None:
        self._settings = settings
        self.rules = settings.gate_rules
        self.seconds = settings.gate_expiry_seconds
        """How long a parked plan waits."""
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    @property
    def counts(self) -> Mapping[str, int]:
        """How many plans had which of OUTCOMES in this process."""
        with self._lock:
            return {outcome: self._counts[outcome] for outcome in OUTCOMES}

    def expired(self, engine: DeploymentEngine, stack: str, now: datetime.datetime) -> bool:
        """Record that a parked event has expired, if it has and that changes nothing else; say if it did.

        Raises PlatformError; record.UnreadableRecord.
        """
        snapshot = engine.outputs(stack)
        state = record.loads(snapshot.outputs[RECORD])
        parked, program = state.parked, function_program(gates.lapsed(state, now), self._settings)
        if parked is None or now < parked.expires_at or engine.preview(stack, program):
            return False
        message = f"{parked.type} {parked.id}: expired"
        engine.up(stack, program, expect=snapshot.version, message=message)
        self.tell("expired", state.function, parked)
        return True

    def tell(self, outcome: str, function: FunctionId, parked: Parked) -> None:
        """Count and log what has become of a parked plan."""
        with self._lock:
            self._counts[outcome] += 1
        extra = {
            "kl_function": str(function),
            "kl_event_id": parked.id,
            "kl_plan_id": parked.plan_id,
            "kl_gates": ",".join(parked.rules),
        }
        _LOG.info("a plan at a gate was %s", outcome, extra=extra)
