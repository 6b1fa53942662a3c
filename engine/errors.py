"""Errors of the engine.

    EngineError
      StackNotFound           the backend holds no checkpoint of that name
      StackAlreadyExists      there is a stack of that name, where a new one was to be made
      ConcurrentUpdateError   another operation holds the stack's lock; its owner is in the text
      StackMoved              the checkpoint is not the version that the caller expected
      UpdateFailed            an operation ran and did not succeed; what it did is recorded in the state
        UpdateCanceled        it was stopped from outside
      CheckpointRefused       a state file cannot be understood or contradicts itself; it was not touched
      IncorrectPassphrase     the passphrase does not open the secrets of the state
      Unsupported             the program or the state needs something that this engine does not do
      BackendError            the state could not be read or written

Texts are for the user; they hold no secret values.
"""


class EngineError(Exception):
    """Root of all errors that the engine raises on purpose."""


class StackNotFound(EngineError):
    """The backend holds no checkpoint of that name."""


class StackAlreadyExists(EngineError):
    """A stack was to be made, or renamed, under a name that is taken. Nothing was done."""


class ConcurrentUpdateError(EngineError):
    """Another operation holds the stack's lock. The text names the lock's owner, as Pulumi's own does."""


class StackMoved(EngineError):
    """The checkpoint's version is not the expected one: somebody else changed the stack meanwhile.

    Nothing was done. `expected` and `present` are version tokens ("" for no deployment).
    """

    def __init__(self, *, expected: str, present: str) -> None:
        super().__init__(
            f"the stack's state is at version {present or '(none)'}, not at the expected "
            f"{expected or '(none)'}; read it again and decide anew"
        )
        self.expected = expected
        self.present = present


class UpdateFailed(EngineError):
    """An operation ran and failed; finished steps are recorded in the state.

    `diagnostics` holds every error.
    """

    def __init__(self, message: str, diagnostics: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.diagnostics = diagnostics


class UpdateCanceled(UpdateFailed):
    """An operation was stopped from outside. `terminated` if it did not wait for the calls under way.

    Those stay in the state as pending operations.
    """

    def __init__(self, message: str, diagnostics: tuple[str, ...] = (), *, terminated: bool = False) -> None:
        super().__init__(message, diagnostics)
        self.terminated = terminated


class CheckpointRefused(EngineError):
    """The state cannot be understood, or breaks an invariant. It is left exactly as it was."""


class IncorrectPassphrase(EngineError):
    """The passphrase does not open the secrets of this state."""


class Unsupported(EngineError):
    """Something that this engine does not do, by name. Refused before the resource in question is touched."""


class BackendError(EngineError):
    """The state could not be read or written; the text names the place and the system's reason."""
