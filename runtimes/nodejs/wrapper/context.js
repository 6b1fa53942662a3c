'use strict';
// What a handler is told about its call, and the ids that log lines carry.

const { logger } = require('./logs');

const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?$/;
const CORRELATION = /^[\x21-\x7e]{1,256}$/;

/** The second argument of `handler(event, context)`. */
class Context {
  #deadline = Infinity;
  #abort = null;
  #logger = null;

  constructor(settings, envelope, facts) {
    this.event = envelope; // the event's context attributes
    this.functionName = settings.functionName;
    this.functionNamespace = settings.functionNamespace;
    this.thirdPartyId = settings.thirdPartyId;
    this.parserId = settings.parserId;
    this.invocationId = facts.invocationId; // new for every call, a redelivery of the same event included
    this.correlationId = facts.correlationId; // the same for everything that one cause set off
    this.trace = facts.trace; // W3C trace context as it came: { traceparent, traceId, spanId, flags }
    this.metadata = facts.metadata; // an invocation event's own: retryCount, deadlineAt, ...; else empty
    this.coldStart = facts.coldStart;
  }

  /** How much time the handler has left, in seconds; never negative. */
  remainingSeconds() {
    return Math.max(0, (this.#deadline - now()) / 1000);
  }

  /** An AbortSignal that fires when the time is over: give it to fetch and timers. */
  get signal() {
    this.#abort ??= new AbortController();
    return this.#abort.signal;
  }

  /** Writes JSON lines with the call's ids: debug, info, warning and error take a text and fields. */
  get logger() {
    this.#logger ??= logger('function', this);
    return this.#logger;
  }

  /** Say when the time is over, on the clock of now(); for the invoker. */
  endAt(deadline) {
    this.#deadline = deadline;
  }

  /** Fire the signal; for the invoker. */
  abort(reason) {
    this.#abort?.abort(reason);
  }
}

/** Milliseconds on the clock that all threads of the process share, without process.hrtime's array. */
function now() {
  return CLOCK_BEGAN + performance.now();
}

const [began, beganNanoseconds] = process.hrtime();
const CLOCK_BEGAN = began * 1000 + beganNanoseconds / 1e6 - performance.now();

const NO_TRACE = Object.freeze({ traceparent: '', traceId: '', spanId: '', flags: '' });

/** Return the first well-formed traceparent of those given, else an empty trace. */
function parseTrace(...candidates) {
  for (const text of candidates) {
    const match = text && TRACEPARENT.exec(text);
    if (match) return { traceparent: text, traceId: match[1], spanId: match[2], flags: match[3] };
  }
  return NO_TRACE;
}

/** Return the first candidate that is fit for a header and a log line, else undefined. */
function correlationId(...candidates) {
  return candidates.find((text) => text && CORRELATION.test(text));
}

module.exports = { Context, correlationId, now, parseTrace };
