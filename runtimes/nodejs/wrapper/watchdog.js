'use strict';
// Ends JavaScript that never lets the event loop run again.
//
// A second thread sleeps until the deadline of the call that has to end first. If that passes and the main thread
// has not answered for it, the main thread is in a loop: the inspector's Runtime.terminateExecution, which works
// from a thread of the same process, throws away what it is doing, and the event loop goes on. Code that blocks
// in a system call (execSync) is out of reach; the platform's own timeout and liveness probe have to do.

const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads');

class Watchdog {
  #shared = new Float64Array(new SharedArrayBuffer(8));
  #timeoutMs;
  #graceMs;
  #onInterruption;
  #worker = null;

  constructor(timeoutMs, graceMs, onInterruption) {
    this.deadline = Infinity;
    this.#timeoutMs = timeoutMs;
    this.#graceMs = graceMs;
    this.#onInterruption = onInterruption;
  }

  /** When the main thread has to have done something, on the clock of process.hrtime, in milliseconds. */
  set deadline(milliseconds) {
    this.#shared[0] = milliseconds;
  }

  /** Start the thread; it holds up no exit. */
  start() {
    const worker = new Worker(__filename, {
      workerData: { shared: this.#shared, timeoutMs: this.#timeoutMs, graceMs: this.#graceMs },
      env: {},
      execArgv: [],
    });
    worker.on('message', () => this.#onInterruption());
    worker.unref();
    this.#worker = worker;
  }

  /** Have the thread look at the deadline now, which is before what it expects. */
  look() {
    this.#worker?.postMessage('look');
  }
}

let timer = null;

function watch({ shared, timeoutMs, graceMs }) {
  const [seconds, nanoseconds] = process.hrtime();
  const now = seconds * 1000 + nanoseconds / 1e6;
  const due = shared[0] + graceMs;
  if (now >= due) interrupt();
  // A call that begins from now on has its deadline a whole timeout ahead.
  const next = now >= due ? graceMs : Math.min(due - now, timeoutMs + graceMs);
  clearTimeout(timer);
  timer = setTimeout(watch, Math.max(1, next), { shared, timeoutMs, graceMs });
}

function interrupt() {
  const { Session } = require('node:inspector');
  const session = new Session();
  session.connectToMainThread();
  session.post('Runtime.terminateExecution', () => session.disconnect());
  parentPort.postMessage('interrupted');
}

if (!isMainThread && workerData?.shared) {
  parentPort.on('message', () => watch(workerData));
  watch(workerData);
}

module.exports = { Watchdog };
