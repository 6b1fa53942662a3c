"""Spans by the OpenTelemetry SDK, sent over OTLP. Imported only where an endpoint is set.

The SDK reads the rest of its variables itself: OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES,
OTEL_TRACES_SAMPLER, OTEL_BSP_*, OTEL_EXPORTER_OTLP_HEADERS, ... (configuration/sdk-environment-variables.md
of its specification). The provider is not the process's: Pulumi's SDK would trace its own calls with that.
"""

import contextlib
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ParentBased
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from automation.errors import Fault, PlatformError
from automation.tracing import NOTHING, Attributes, Span
from service import VERSION
from service.settings import GRPC, TracingSettings

DEFAULT_SERVICE: Final = "knative-lambda-builder"
"""`service.name` where neither OTEL_SERVICE_NAME nor OTEL_RESOURCE_ATTRIBUTES gives one."""

_UNNAMED: Final = "unknown_service"
"""What the SDK calls a service that has no name."""
_VERSION_00_CHARACTERS: Final = 55
_CONTEXT: Final = TraceContextTextMapPropagator()
_current: ContextVar[Context | None] = ContextVar("span", default=None)


class OtlpTracer:
    """Records spans, sends them in batches from a thread of its own; what finds its queue full is dropped."""

    def __init__(self, exporter: SpanExporter) -> None:
        # Without its exit handler, which would wait for a collector that is away.
        self._provider = TracerProvider(resource=_resource(), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._exporter = exporter
        self._follows = isinstance(self._provider.sampler, ParentBased)
        self._tracer = self._provider.get_tracer("knative-lambda", VERSION)

    def span(
        self,
        name: str,
        *,
        parent: str | None = None,
        attributes: Attributes | None = None,
        began_ns: int | None = None,
        serves: bool = False,
    ) -> AbstractContextManager[Span]:
        """Record a span as `automation.tracing.Tracer` says."""
        if parent and self._follows and _is_left_out(parent):
            return NOTHING  # its children keep the sender's context, which says the same
        context = _CONTEXT.extract({"traceparent": parent}, Context()) if parent else _current.get()
        if context is None and not serves:
            return NOTHING
        kind = SpanKind.SERVER if serves else SpanKind.INTERNAL
        span = self._tracer.start_span(name, context or Context(), kind, attributes, start_time=began_ns)
        return _recording(span)

    def close(self, seconds: float) -> None:
        """Send what is recorded, for at most this long."""
        # The SDK's own shutdown takes no limit from its caller: 30 seconds, and the exporter's retries.
        ending = threading.Thread(target=self._provider.shutdown, name="last spans", daemon=True)
        ending.start()
        ending.join(seconds)
        if ending.is_alive():
            self._exporter.shutdown()


class _Recorded:
    """A span of the SDK."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    @property
    def traceparent(self) -> str | None:
        """The span as a parent."""
        own = self._span.get_span_context()
        return f"00-{own.trace_id:032x}-{own.span_id:016x}-{own.trace_flags:02x}"

    def tell(self, attributes: Attributes) -> None:
        """Add attributes."""
        self._span.set_attributes(attributes)


def create(settings: TracingSettings) -> OtlpTracer:
    """Return the tracer that sends to the endpoint, by the protocol that the settings say."""
    return OtlpTracer(_exporter(settings))


def _is_left_out(traceparent: str) -> bool:
    """Whether who began a trace has decided not to sample it: the last bit of version 00's flags."""
    return len(traceparent) == _VERSION_00_CHARACTERS and traceparent[-1] in "02468ace"


def _exporter(settings: TracingSettings) -> SpanExporter:
    # Either brings modules of its own that the other has no need of.
    if settings.protocol == GRPC:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as Grpc

        return Grpc(endpoint=settings.endpoint)
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as Http

    return Http(endpoint=f"{settings.endpoint.rstrip('/')}/v1/traces")


def _resource() -> Resource:
    resource = Resource.create({"service.version": VERSION})
    if str(resource.attributes["service.name"]).startswith(_UNNAMED):
        return resource.merge(Resource({"service.name": DEFAULT_SERVICE}))
    return resource


@contextlib.contextmanager
def _recording(span: trace.Span) -> Iterator[Span]:
    token = _current.set(trace.set_span_in_context(span, Context()))
    try:
        yield _Recorded(span)
    except BaseException as error:
        _note(span, error)
        raise
    finally:
        _current.reset(token)
        span.end()


def _note(span: trace.Span, error: BaseException) -> None:
    """Say what went wrong; a sender's mistake is no failure of a server, and its text may repeat the data."""
    if not isinstance(error, PlatformError):
        span.set_attribute("error.type", type(error).__qualname__)
        span.set_status(StatusCode.ERROR)
        return
    span.set_attribute("error.type", error.error_type)
    if error.fault is not Fault.SENDER:
        span.set_status(StatusCode.ERROR, error.message)
