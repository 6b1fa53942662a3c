"""An embedded deployment engine: ordinary Pulumi programs, run in this process, with Pulumi's own state.

The SDK talks to a resource monitor that is an object here; resources are applied by providers written in
Python. The engine knows nothing of what is deployed with it.
"""

from engine.api import Engine
from engine.backend import Backend, FileBackend
from engine.errors import (
    BackendError,
    CheckpointRefused,
    ConcurrentUpdateError,
    EngineError,
    IncorrectPassphrase,
    StackMoved,
    StackNotFound,
    Unsupported,
    UpdateFailed,
)
from engine.names import StackRef
from engine.results import PreviewResult, ResourceRecord, StackOutputs, UpdateResult
from engine.storage import ABSENT

__all__ = [
    "ABSENT",
    "Backend",
    "BackendError",
    "CheckpointRefused",
    "ConcurrentUpdateError",
    "Engine",
    "EngineError",
    "FileBackend",
    "IncorrectPassphrase",
    "PreviewResult",
    "ResourceRecord",
    "StackMoved",
    "StackNotFound",
    "StackOutputs",
    "StackRef",
    "Unsupported",
    "UpdateFailed",
    "UpdateResult",
]
