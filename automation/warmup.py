"""One preview before the first event: what the SDK imports on first use is imported here, by one thread.

The Pulumi SDKs load most of themselves on first use. That costs the first event a quarter of a second, and
two threads that do it at once see half-loaded modules (an AttributeError).
"""

import datetime
import logging
from typing import Final

from automation.errors import PlatformError
from automation.events import FunctionId
from automation.model import Build, Deployment, FunctionState
from automation.ports import DeploymentEngine
from automation.program import function_program
from automation.settings import AutomationSettings

_LOG: Final = logging.getLogger(__name__)
_EPOCH: Final = datetime.datetime.fromtimestamp(0, datetime.UTC)
_STACK: Final = "fn-warm-up"


def preview_once(engine: DeploymentEngine, settings: AutomationSettings) -> None:
    """Preview a function that does not exist; nothing is changed, and a cluster that is away is no error."""
    try:
        engine.preview(_STACK, function_program(_state(settings), settings))
    except PlatformError as error:
        _LOG.info("not warmed up", extra={"kl_error": error.message})


def _state(settings: AutomationSettings) -> FunctionState:
    image = f"{settings.image_repository}:warm-up"
    build = Build(
        build_id="warm-up",
        job_name="warm-up",
        content_hash="0" * 64,
        context_key="warm-up",
        image=image,
        handler="parser.handler",
        correlation_id="warm-up",
        requested_at=_EPOCH,
        lost_at=_EPOCH,
    )
    deployment = Deployment(image=image, handler="parser.handler", deployed_at=_EPOCH)
    return FunctionState(function=FunctionId("warm", "up"), build=build, deployment=deployment)
