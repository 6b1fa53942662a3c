"""An embedded deployment engine: ordinary Pulumi programs, run in this process, with Pulumi's own state.

The SDK talks to a resource monitor that is an object here; resources are applied by providers written in
Python. The engine knows nothing of what is deployed with it.
"""

from engine.api import Engine
from engine.backend import Backend, FileBackend, open_backend
from engine.cancellation import Cancellation
from engine.errors import (
    BackendError,
    CheckpointRefused,
    ConcurrentUpdateError,
    EngineError,
    IncorrectPassphrase,
    StackAlreadyExists,
    StackMoved,
    StackNotFound,
    Unsupported,
    UpdateCanceled,
    UpdateFailed,
)
from engine.names import StackRef
from engine.options import Options
from engine.provider import DiffKind, PropertyDiff
from engine.results import (
    PreviewResult,
    ResourceRecord,
    StackOutputs,
    StackSummary,
    StepRecord,
    UpdateResult,
)
from engine.storage import ABSENT

__all__ = [
    "ABSENT",
    "Backend",
    "BackendError",
    "Cancellation",
    "CheckpointRefused",
    "ConcurrentUpdateError",
    "DiffKind",
    "Engine",
    "EngineError",
    "FileBackend",
    "IncorrectPassphrase",
    "Options",
    "PreviewResult",
    "PropertyDiff",
    "ResourceRecord",
    "StackAlreadyExists",
    "StackMoved",
    "StackNotFound",
    "StackOutputs",
    "StackRef",
    "StackSummary",
    "StepRecord",
    "Unsupported",
    "UpdateCanceled",
    "UpdateFailed",
    "UpdateResult",
    "open_backend",
]
