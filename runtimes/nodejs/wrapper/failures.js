'use strict';
// Errors to the platform's error classes. Pure. The table is the Python wrapper's (failures.py) in JavaScript's
// words:
//
//   class             retryable  HTTP  when
//   VALIDATION_ERROR  no         422   TypeError, RangeError, SyntaxError, URIError, or named like a validation
//                                      error; 400: no event at all
//   RUNTIME_ERROR     no         422   anything else that is thrown; a result that is not JSON
//   TRANSIENT_ERROR   yes        500   the network did not do its part (ECONNRESET, fetch failed, ...)
//   SYSTEM_ERROR      yes        500   no space, no descriptors; 503: no room, or shutting down
//   TIMEOUT_ERROR     yes        504   the parser took longer than TIMEOUT_SECONDS
//
// An error that has a boolean property `retryable` decides for itself. Why 422: a Knative trigger retries 5xx
// and sends other statuses to the dead-letter sink at once (docs/decisions/0020-function-error-status.md).

const MAX_MESSAGE_CHARACTERS = 2000;

const VALIDATION = /^(?:TypeError|RangeError|SyntaxError|URIError|.*ValidationError|ZodError)$/;
const NETWORK = /^(?:ECONN.*|EPIPE|ETIMEDOUT|EAI_.*|ENOTFOUND|EHOST.*|ENET.*|ESOCKETTIMEDOUT|UND_ERR_.*)$/;
const EXHAUSTED = new Set(['ENOSPC', 'EMFILE', 'ENFILE', 'ENOMEM', 'EDQUOT', 'ERR_WORKER_OUT_OF_MEMORY']);
const IMPORT = new Set(['MODULE_NOT_FOUND', 'ERR_MODULE_NOT_FOUND', 'ERR_PACKAGE_PATH_NOT_EXPORTED']);
const PERMISSION = new Set(['EACCES', 'EPERM', 'ERR_ACCESS_DENIED']);

/** The handler returned a value that JSON cannot hold. */
class ResultNotJson extends Error {
  name = 'ResultNotJson';
}

/** Classify what a handler threw: { code, message, retryable, status, kind, stack }. */
function fromError(error) {
  let [code, kind] = classify(error);
  const wish = isObject(error) ? error.retryable : undefined;
  const permanent = code === 'RUNTIME_ERROR' || code === 'VALIDATION_ERROR';
  if (wish === true && permanent) code = 'TRANSIENT_ERROR';
  if (wish === false && !permanent) code = 'RUNTIME_ERROR';
  const retryable = code !== 'RUNTIME_ERROR' && code !== 'VALIDATION_ERROR';
  return failure(code, textOf(error), retryable, retryable ? 500 : 422, kind, stackOf(error));
}

function timedOut(seconds, limit = 'TIMEOUT_SECONDS') {
  const message = `the handler did not return within ${Number(seconds.toPrecision(3))} s (${limit})`;
  return failure('TIMEOUT_ERROR', message, true, 504, 'timeout');
}

/** An event came after its own deadline; a retry would come later still. */
function pastDeadline() {
  const message = 'the event came after its metadata.deadlineAt; the handler was not called';
  return failure('TIMEOUT_ERROR', message, false, 504, 'timeout');
}

function invalidRequest(message) {
  return failure('VALIDATION_ERROR', message, false, 400, 'request');
}

function saturated(limit) {
  const message = `${limit} calls are running (MAX_CONCURRENCY) and none ended in time`;
  return failure('SYSTEM_ERROR', message, true, 503, 'other');
}

function shuttingDown() {
  return failure('SYSTEM_ERROR', 'the instance is shutting down', true, 503, 'other');
}

function failure(code, message, retryable, status, kind, stack = '') {
  return { code, message: message.slice(0, MAX_MESSAGE_CHARACTERS), retryable, status, kind, stack };
}

function classify(error) {
  if (!isObject(error)) return ['RUNTIME_ERROR', 'runtime'];
  // fetch wraps the reason in a TypeError, several attempts in an AggregateError.
  const codes = [error.code, error.cause?.code, ...(error.errors ?? []).map((each) => each?.code)].map(String);
  if (codes.some((code) => EXHAUSTED.has(code))) return ['SYSTEM_ERROR', 'other'];
  if (codes.some((code) => IMPORT.has(code))) return ['RUNTIME_ERROR', 'import'];
  if (codes.some((code) => PERMISSION.has(code))) return ['RUNTIME_ERROR', 'permission'];
  if (codes.some((code) => NETWORK.test(code))) return ['TRANSIENT_ERROR', 'network'];
  if (error.name === 'TimeoutError' || error.name === 'AbortError') return ['TRANSIENT_ERROR', 'network'];
  if (VALIDATION.test(nameOf(error))) return ['VALIDATION_ERROR', 'validation'];
  return ['RUNTIME_ERROR', 'runtime'];
}

function isObject(value) {
  return value !== null && (typeof value === 'object' || typeof value === 'function');
}

function nameOf(error) {
  const own = error.name;
  return typeof own === 'string' && own !== 'Error' ? own : (error.constructor?.name ?? 'Error');
}

function textOf(error) {
  try {
    return isObject(error) && 'message' in error ? `${nameOf(error)}: ${error.message}` : `thrown: ${String(error)}`;
  } catch {
    return 'an error that cannot be turned into text';
  }
}

function stackOf(error) {
  try {
    return isObject(error) && typeof error.stack === 'string' ? error.stack : '';
  } catch {
    return '';
  }
}

module.exports = { ResultNotJson, fromError, invalidRequest, pastDeadline, saturated, shuttingDown, textOf, timedOut };
