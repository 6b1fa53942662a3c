'use strict';
// The function's metrics in Prometheus' text format, by the names that all runtimes share.

const BUCKETS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';
const PREFIX = 'knative_lambda_function';

/** Counts calls. */
class Metrics {
  #labels;
  #invocations = { success: 0, error: 0 };
  #errors = new Map();
  #buckets = new Array(BUCKETS.length + 1).fill(0);
  #seconds = 0;
  #inFlight = 0;
  #started = 0;
  #coldStartSeconds = 0;

  constructor(name, namespace) {
    this.#labels = `function="${escape(name)}",namespace="${escape(namespace)}"`;
  }

  /** Record how long the start took, from the process's birth until requests are served. */
  ready(seconds) {
    this.#coldStartSeconds = seconds;
  }

  /** Count a call in; true for the first one of this instance. */
  begin() {
    this.#inFlight += 1;
    this.#started += 1;
    return this.#started === 1;
  }

  /** Count a call out, with its error type or undefined for a success. */
  end(seconds, errorType) {
    this.#inFlight -= 1;
    this.#invocations[errorType === undefined ? 'success' : 'error'] += 1;
    const bucket = BUCKETS.findIndex((bound) => seconds <= bound);
    this.#buckets[bucket < 0 ? BUCKETS.length : bucket] += 1;
    this.#seconds += seconds;
    if (errorType !== undefined) this.error(errorType);
  }

  /** Count an error of a request that never became a call, too. */
  error(errorType) {
    this.#errors.set(errorType, (this.#errors.get(errorType) ?? 0) + 1);
  }

  /** Return everything in Prometheus' text format. */
  text() {
    return [...this.#counters(), ...this.#histogram(), ...this.#gauges(), ''].join('\n');
  }

  #counters() {
    return [
      ...head('invocations_total', 'counter', 'Handler calls by how they ended.'),
      ...Object.entries(this.#invocations).map(([key, n]) => this.#line('invocations_total', `status="${key}"`, n)),
      ...head('errors_total', 'counter', 'Errors by type.'),
      ...[...this.#errors].map(([key, n]) => this.#line('errors_total', `error_type="${key}"`, n)),
      ...head('cold_starts_total', 'counter', 'First calls of an instance.'),
      this.#line('cold_starts_total', '', Math.min(1, this.#started)),
    ];
  }

  #histogram() {
    const lines = head('duration_seconds', 'histogram', 'How long handler calls took.');
    let count = 0;
    [...BUCKETS, '+Inf'].forEach((bound, index) => {
      count += this.#buckets[index];
      lines.push(this.#line('duration_seconds_bucket', `le="${bound}"`, count));
    });
    lines.push(this.#line('duration_seconds_sum', '', Number(this.#seconds.toFixed(6))));
    return [...lines, this.#line('duration_seconds_count', '', count)];
  }

  #gauges() {
    return [
      ...head('in_flight', 'gauge', 'Handler calls that are running.'),
      this.#line('in_flight', '', this.#inFlight),
      ...head('cold_start_seconds', 'gauge', "From the process's birth until it served requests."),
      this.#line('cold_start_seconds', '', Number(this.#coldStartSeconds.toFixed(4))),
    ];
  }

  #line(name, label, value) {
    return `${PREFIX}_${name}{${this.#labels}${label ? `,${label}` : ''}} ${value}`;
  }
}

function head(name, kind, text) {
  return [`# HELP ${PREFIX}_${name} ${text}`, `# TYPE ${PREFIX}_${name} ${kind}`];
}

function escape(value) {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

module.exports = { CONTENT_TYPE, Metrics };
