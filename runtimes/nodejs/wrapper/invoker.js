'use strict';
// Running the handler within its time.
//
// An async handler that is late is answered for and its signal fires; one that stays in a loop is ended by the
// watchdog. Either way a handler that has not ended shortly after its time is stuck: the instance then takes
// no new calls, lets the others finish and is replaced (docs/decisions/0051-stuck-handlers-in-node-and-go.md).

const failures = require('./failures');
const { now } = require('./context');
const { Watchdog } = require('./watchdog');

const GRACE_MS = 500; // how long after its time a handler may still end without being taken for stuck

class Invoker {
  #handler;
  #timeoutMs;
  #maxConcurrency;
  #onStuck;
  #watchdog;
  #running = new Set(); // in the order in which they began, which is that of their deadlines unless some are hurried
  #hurried = 0; // calls among them whose event has a deadline of its own, before that of the function's time
  #waiting = new Set();

  constructor(handler, { timeoutSeconds, maxConcurrency }, onStuck) {
    this.#handler = handler;
    this.#timeoutMs = timeoutSeconds * 1000;
    this.#maxConcurrency = maxConcurrency;
    this.#onStuck = onStuck;
    this.#watchdog = new Watchdog(this.#timeoutMs, GRACE_MS, () => this.#afterInterruption());
  }

  /** Start what ends handlers that never return. */
  watch() {
    this.#watchdog.start();
  }

  /**
   * Run the handler and call `done` once with how it ended: { result, failure, seconds }, the result as JSON text.
   * `withinMs` is the time that the event itself leaves.
   */
  call(event, context, withinMs, done) {
    const began = now();
    const call = { event, context, done, began, latest: began + withinMs, due: 0, hurried: false, timer: null };
    if (this.#running.size < this.#maxConcurrency) {
      this.#run(call);
      return;
    }
    this.#waiting.add(call);
    call.timer = setTimeout(() => {
      this.#waiting.delete(call);
      answer(call, { failure: failures.saturated(this.#maxConcurrency) });
    }, Math.min(this.#timeoutMs, withinMs));
  }

  #run(call) {
    call.began = now();
    call.hurried = call.latest < call.began + this.#timeoutMs;
    call.due = call.hurried ? call.latest : call.began + this.#timeoutMs;
    call.context.endAt(call.due);
    this.#running.add(call);
    if (call.hurried) this.#hurried += 1;
    this.#reportDeadline();
    if (call.hurried) this.#watchdog.look();
    let value;
    try {
      value = this.#handler.call(call.event, call.context);
    } catch (error) {
      this.#end(call, { failure: failures.fromError(error) });
      return;
    }
    if (typeof value?.then !== 'function') {
      this.#end(call, outcomeOf(value));
      return;
    }
    call.timer = setTimeout(() => this.#late(call), call.due - now());
    value.then(
      (result) => this.#end(call, outcomeOf(result)),
      (error) => this.#end(call, { failure: failures.fromError(error) }),
    );
  }

  /** The handler has ended, in time or not: answer if nobody did, give its place to the next. */
  #end(call, outcome) {
    this.#remove(call);
    this.#reportDeadline();
    const ended = now();
    answer(call, ended <= call.due ? outcome : this.#timedOut(call), ended - call.began);
    if (this.#waiting.size) {
      const [next] = this.#waiting;
      this.#waiting.delete(next);
      clearTimeout(next.timer);
      this.#run(next);
    }
  }

  #remove(call) {
    if (this.#running.delete(call) && call.hurried) this.#hurried -= 1;
  }

  #late(call) {
    answer(call, this.#timedOut(call));
    call.context.abort(new DOMException('the time of the call is over', 'TimeoutError'));
    this.#reportDeadline();
    call.timer = setTimeout(() => this.#running.has(call) && this.#onStuck(), GRACE_MS);
  }

  /** What ran was thrown away in the middle of anything; calls that are over their time will never end. */
  #afterInterruption() {
    const time = now();
    for (const call of this.#running) {
      if (call.due > time) continue;
      answer(call, this.#timedOut(call));
      this.#remove(call);
    }
    this.#reportDeadline();
    this.#onStuck();
  }

  #timedOut(call) {
    if (!call.hurried) return { failure: failures.timedOut(this.#timeoutMs / 1000) };
    const seconds = Math.max(0, call.due - call.began) / 1000;
    return { failure: failures.timedOut(seconds, "the event's metadata.deadlineAt") };
  }

  /** Tell the watchdog by when something has to happen. */
  #reportDeadline() {
    if (this.#running.size === 0) {
      this.#watchdog.deadline = Infinity;
      return;
    }
    let first = Infinity;
    for (const call of this.#running) {
      if (call.done === null) continue;
      first = Math.min(first, call.due);
      if (this.#hurried === 0) break;
    }
    this.#watchdog.deadline = first;
  }
}

function answer(call, outcome, took = now() - call.began) {
  if (call.timer !== null) clearTimeout(call.timer);
  const { done } = call;
  call.done = null;
  outcome.seconds = took / 1000;
  done?.(outcome);
}

/** Return a result as JSON text, or the failure that says what is in the way. */
function outcomeOf(value) {
  try {
    const result = JSON.stringify(value === undefined ? null : value);
    if (result === undefined) throw new TypeError(`it is a ${typeof value}`);
    return { result };
  } catch (error) {
    const why = error?.message?.split('\n')[0];
    return {
      failure: failures.fromError(
        new failures.ResultNotJson(
          `the handler's result is not JSON: ${why}; return objects, arrays, texts, numbers, booleans and null`,
        ),
      ),
    };
  }
}

module.exports = { Invoker };
