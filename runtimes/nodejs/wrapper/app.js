'use strict';
// The routes: events on POST /, health, metrics. What happens between a request and its reply.

const { randomUUID } = require('node:crypto');
const { Context, correlationId, parseTrace } = require('./context');
const { InvalidEvent, decode, eventOf } = require('./events');
const failures = require('./failures');
const { Invoker } = require('./invoker');
const logs = require('./logs');
const { CONTENT_TYPE, OPEN_CONTENT_TYPE, Metrics } = require('./metrics');
const { milliseconds, reply } = require('./replies');

const HEALTH = new Set(['/health', '/healthz', '/ready', '/readyz']);
const NO_METADATA = Object.freeze({});
const NO_EVENT = { id: '', source: '', type: '', extensions: {} };

/** One function. `handle` takes a request and a callback for its reply; it does not throw. */
class App {
  #settings;
  #invoker;
  #accepting = true;
  #onStuck;
  stuck = false; // a handler did not end; the instance has to be replaced

  constructor(settings, handler, onStuck) {
    this.#settings = settings;
    this.#onStuck = onStuck;
    this.metrics = new Metrics(settings.functionName, settings.functionNamespace);
    const message = 'a handler did not end in time and cannot be stopped; the instance ends to be replaced';
    this.#invoker = new Invoker(handler, settings, () => this.fail(message));
  }

  /** Guard the calls from now on. */
  watch() {
    this.#invoker.watch();
  }

  /** Answer a request. */
  handle(request, send) {
    const { method, path } = request;
    if (path === '/') {
      if (method === 'POST') this.#event(request, send);
      else send(problem(405, `${method} / is not served; POST an event`, 'Allow', 'POST'));
    } else if (!HEALTH.has(path) && path !== '/metrics') {
      send(problem(404, 'served are POST / and GET /health, /healthz, /ready, /readyz, /metrics'));
    } else if (method !== 'GET' && method !== 'HEAD') {
      send(problem(405, `${method} ${path} is not served`, 'Allow', 'GET, HEAD'));
    } else if (path === '/metrics') {
      send(this.#metrics(request.headers.accept ?? ''));
    } else {
      send(this.#health());
    }
  }

  /** Answer further events with 503 and be unready; calls that run go on. */
  stopAccepting() {
    this.#accepting = false;
  }

  /** Give the instance up: no new calls, and whoever runs the server is told to end it. */
  fail(message, fields) {
    if (this.stuck) return;
    this.stuck = true;
    this.stopAccepting();
    logs.write('error', 'wrapper', message, fields);
    this.#onStuck();
  }

  #metrics(accept) {
    const open = accept.includes('application/openmetrics-text');
    const headers = ['Content-Type', open ? OPEN_CONTENT_TYPE : CONTENT_TYPE, 'Vary', 'Accept'];
    return { status: 200, headers, body: this.metrics.text(open) };
  }

  #health() {
    if (this.#accepting) return { status: 200, headers: ['Content-Type', 'application/json'], body: '{"status":"healthy"}' };
    return problem(503, this.stuck ? 'a handler is stuck' : 'shutting down');
  }

  #event({ headers, body }, send) {
    let call;
    try {
      call = decode(headers, body, randomUUID);
    } catch (error) {
      if (!(error instanceof InvalidEvent)) throw error;
      const empty = { envelope: { ...NO_EVENT, id: randomUUID() } };
      this.#refuse(this.#context(headers, empty, false), failures.invalidRequest(error.message), send);
      return;
    }
    if (!this.#accepting) {
      this.#refuse(this.#context(headers, call, false), failures.shuttingDown(), send);
      return;
    }
    const leftMs = call.deadlineAt === undefined ? Infinity : call.deadlineAt - Date.now();
    if (leftMs <= 0) {
      this.#refuse(this.#context(headers, call, false), failures.pastDeadline(), send);
      return;
    }
    const context = this.#context(headers, call, this.metrics.begin());
    this.#invoker.call(eventOf(call.envelope, call.data), context, leftMs, (outcome) => {
      const { traceId, flags } = context.trace;
      const sampled = traceId && parseInt(flags, 16) & 1 ? traceId : '';
      this.metrics.end(outcome.seconds, outcome.failure?.kind, sampled);
      this.#answer(context, outcome, send);
    });
  }

  #context(headers, call, coldStart) {
    const { envelope } = call;
    const { correlationid, traceparent } = envelope.extensions;
    return new Context(this.#settings, envelope, {
      invocationId: call.invocationId ?? randomUUID(),
      correlationId:
        correlationId(headers['x-correlation-id'], correlationid, call.correlationId, envelope.id) ?? randomUUID(),
      trace: parseTrace(headers.traceparent, traceparent, call.traceparent),
      metadata: call.metadata ?? NO_METADATA,
      coldStart,
    });
  }

  #refuse(context, failure, send) {
    this.metrics.error(failure.kind);
    this.#answer(context, { failure, seconds: 0 }, send);
  }

  #answer(context, outcome, send) {
    logOutcome(context, outcome);
    send(reply(context, outcome, memoryMb(), this.#settings.logLevel === 'debug'));
  }
}

function logOutcome(context, { failure, seconds }) {
  const duration_ms = milliseconds(seconds);
  if (!failure) {
    logs.writeLater('wrapper', 'the event was handled', { duration_ms }, context);
    return;
  }
  const fields = { duration_ms, error_code: failure.code, error: failure.message };
  if (failure.stack) fields.stack = failure.stack;
  logs.write('error', 'wrapper', 'the event was not handled', fields, context);
}

function problem(status, message, ...headers) {
  return { status, headers: ['Content-Type', 'application/json', ...headers], body: JSON.stringify({ error: message }) };
}

let memory = 0;
let memoryAt = -Infinity;

/** Resident memory in MB, looked up once a second at most: it costs as much as the rest of a reply. */
function memoryMb() {
  const time = Date.now();
  if (time - memoryAt >= 1000) {
    memoryAt = time;
    memory = Math.round(process.memoryUsage.rss() / 1e5) / 10;
  }
  return memory;
}

module.exports = { App };
