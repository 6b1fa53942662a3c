'use strict';
// The function's metrics in Prometheus' text format and in OpenMetrics, by the names that all runtimes share.
//
// OpenMetrics (https://prometheus.io/docs/specs/om/open_metrics_spec/) is what Prometheus asks for first. In it a
// bucket of durations shows the trace of its last call, if that had one that is sampled.

const BUCKETS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const START_BUCKETS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';
const OPEN_CONTENT_TYPE = 'application/openmetrics-text; version=1.0.0; charset=utf-8';
const PREFIX = 'knative_lambda_function';

/** Counts by bounds, the last of them infinite, and the trace that each bucket saw last. */
class Histogram {
  seconds = 0;
  exemplars = [];

  constructor(bounds) {
    this.bounds = bounds;
    this.counts = new Array(bounds.length + 1).fill(0);
  }

  add(seconds, traceId) {
    const found = this.bounds.findIndex((bound) => seconds <= bound);
    const at = found < 0 ? this.bounds.length : found;
    this.counts[at] += 1;
    this.seconds += seconds;
    if (traceId) this.exemplars[at] = { traceId, seconds, time: Date.now() };
  }

  get count() {
    return this.counts.reduce((sum, each) => sum + each, 0);
  }
}

/** Counts calls. */
class Metrics {
  #labels;
  #errors = new Map();
  #durations = { success: new Histogram(BUCKETS), error: new Histogram(BUCKETS) };
  #starts = { ready: new Histogram(START_BUCKETS), first_call: new Histogram(START_BUCKETS) };
  #inFlight = 0;
  #started = 0;
  #coldStartSeconds = 0;

  constructor(name, namespace) {
    this.#labels = `function="${escape(name)}",namespace="${escape(namespace)}"`;
  }

  /** Record how long the start took, from the process's birth until requests are served. */
  ready(seconds) {
    this.#coldStartSeconds = seconds;
    this.#starts.ready.add(seconds);
  }

  /** Count a call in; true for the first one of this instance. */
  begin() {
    this.#inFlight += 1;
    this.#started += 1;
    if (this.#started > 1) return false;
    this.#starts.first_call.add(performance.now() / 1000);
    return true;
  }

  /** Count a call out, with its error type or undefined for a success, and its trace if that is sampled. */
  end(seconds, errorType, traceId) {
    this.#inFlight -= 1;
    this.#durations[errorType === undefined ? 'success' : 'error'].add(seconds, traceId);
    if (errorType !== undefined) this.error(errorType);
  }

  /** Count an error of a request that never became a call, too. */
  error(errorType) {
    this.#errors.set(errorType, (this.#errors.get(errorType) ?? 0) + 1);
  }

  /** Return everything in Prometheus' text format or in OpenMetrics. */
  text(openMetrics) {
    const page = new Page(this.#labels, openMetrics);
    page.head('invocations_total', 'counter', 'Handler calls by how they ended.');
    for (const [status, { count }] of Object.entries(this.#durations)) {
      page.line('invocations_total', `status="${status}"`, count);
    }
    page.head('errors_total', 'counter', 'Errors by type.');
    for (const [kind, count] of this.#errors) page.line('errors_total', `error_type="${kind}"`, count);
    page.head('cold_starts_total', 'counter', 'First calls of an instance.');
    page.line('cold_starts_total', '', Math.min(1, this.#started));
    page.histograms('duration_seconds', 'status', this.#durations, 'How long handler calls took.');
    page.head('in_flight', 'gauge', 'Handler calls that are running.');
    page.line('in_flight', '', this.#inFlight);
    page.head('cold_start_seconds', 'gauge', "From the process's birth until it served requests.");
    page.line('cold_start_seconds', '', Number(this.#coldStartSeconds.toFixed(4)));
    const text = "From the process's birth until it served requests, and until its first call.";
    page.histograms('start_duration_seconds', 'until', this.#starts, text);
    return page.text();
  }
}

/** A text that is being written. */
class Page {
  #labels;
  #open;
  #lines = [];

  constructor(labels, openMetrics) {
    this.#labels = labels;
    this.#open = openMetrics;
  }

  head(name, kind, text) {
    const family = `${PREFIX}_${this.#open ? name.replace(/_total$/, '') : name}`;
    this.#lines.push(`# HELP ${family} ${text}`, `# TYPE ${family} ${kind}`);
  }

  line(name, label, value, exemplar = '') {
    this.#lines.push(`${PREFIX}_${name}{${this.#labels}${label ? `,${label}` : ''}} ${value}${exemplar}`);
  }

  histograms(name, label, found, text) {
    this.head(name, 'histogram', text);
    for (const [value, histogram] of Object.entries(found)) this.#histogram(name, `${label}="${value}"`, histogram);
  }

  #histogram(name, label, { bounds, counts, exemplars, seconds }) {
    let count = 0;
    [...bounds, Infinity].forEach((bound, at) => {
      count += counts[at];
      const exemplar = this.#open && exemplars[at] ? exemplarOf(exemplars[at]) : '';
      this.line(`${name}_bucket`, `${label},le="${this.#bound(bound)}"`, count, exemplar);
    });
    this.line(`${name}_sum`, label, Number(seconds.toFixed(6)));
    this.line(`${name}_count`, label, count);
  }

  /** OpenMetrics wants a decimal point in whole numbers. */
  #bound(bound) {
    if (bound === Infinity) return '+Inf';
    return this.#open && Number.isInteger(bound) ? bound.toFixed(1) : String(bound);
  }

  text() {
    return [...this.#lines, ...(this.#open ? ['# EOF'] : []), ''].join('\n');
  }
}

function exemplarOf({ traceId, seconds, time }) {
  return ` # {trace_id="${traceId}"} ${seconds.toFixed(6)} ${(time / 1000).toFixed(3)}`;
}

function escape(value) {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

module.exports = { CONTENT_TYPE, OPEN_CONTENT_TYPE, Metrics };
