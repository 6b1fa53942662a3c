"""Takes down what the REST client sends, without changing it."""

from types import TracebackType
from typing import Any

from engine.kubernetes.transport import Channel


class Recorder:
    """A context in which every request of every channel is written to `calls` as (method, path, status)."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, int]] = []

    def __enter__(self) -> "Recorder":
        self._originals = original, streaming = Channel.request, Channel.stream

        def request(channel: Channel, method: str, target: str, *args: Any) -> Any:
            answer = original(channel, method, target, *args)
            self.calls.append((method, target.split("?")[0], answer.status))
            return answer

        def stream(channel: Channel, target: str, seconds: float) -> Any:
            answer = streaming(channel, target, seconds)
            self.calls.append(("GET", target.split("?")[0], answer.status))
            return answer

        Channel.request, Channel.stream = request, stream  # type: ignore[method-assign]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        Channel.request, Channel.stream = self._originals  # type: ignore[method-assign]

    def methods(self) -> list[str]:
        """Return the methods so far, and start anew."""
        methods = [method for method, _, _ in self.calls]
        self.calls.clear()
        return methods
