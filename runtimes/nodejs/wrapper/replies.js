'use strict';
// Outcomes to HTTP replies, each a response CloudEvent in binary mode. Pure but for the ids and the time.

const { randomUUID } = require('node:crypto');
const { quoted } = require('./logs');

const PREFIX = 'io.knative.lambda.response.';
const RESULT_FIELDS = new Set(['statusCode', 'body', 'headers']);

/** Make the reply to a call: { status, headers, body }; the stack of an error is told only when `debug` is set. */
function reply(context, outcome, memoryUsedMb, debug) {
  const { failure } = outcome;
  const status = failure ? failure.status : 200;
  const kind = failure ? (status === 504 ? 'timeout' : 'error') : 'success';
  const middle = failure ? `"error":${errorOf(failure, debug)}` : `"result":${resultOf(outcome.result)}`;
  const body =
    `{"functionName":${quoted(context.functionName)},"namespace":${quoted(context.functionNamespace)}` +
    `,"invocationId":${quoted(context.invocationId)},"correlationId":${quoted(context.correlationId)}` +
    `,${middle},"metrics":{"durationMs":${milliseconds(outcome.seconds)},"coldStart":${context.coldStart}` +
    `,"memoryUsedMb":${memoryUsedMb}}}`;
  return { status, headers: headersOf(context, kind, status), body };
}

function milliseconds(seconds) {
  return Math.round(seconds * 1e6) / 1e3;
}

function errorOf({ code, message, retryable, stack }, debug) {
  return JSON.stringify({ code, message, retryable, stack: debug && stack ? stack : undefined });
}

/** Wrap a result as statusCode and body, unless the handler already did. */
function resultOf(text) {
  if (text[0] === '{' && text.includes('"statusCode"')) {
    const value = JSON.parse(text);
    if (Number.isInteger(value.statusCode) && Object.keys(value).every((key) => RESULT_FIELDS.has(key))) return text;
  }
  return `{"statusCode":200,"body":${text}}`;
}

function headersOf(context, kind, status) {
  const name = quote(context.functionName);
  const headers = [
    'Content-Type', 'application/json',
    'ce-specversion', '1.0',
    'ce-id', randomUUID(),
    'ce-type', PREFIX + kind,
    'ce-source', `io.knative.lambda/${name}`,
    'ce-subject', name,
    'ce-time', time(),
    'ce-correlationid', quote(context.correlationId),
    'ce-causationid', quote(context.event.id),
    'X-Correlation-ID', context.correlationId,
  ];
  if (context.trace.traceparent) {
    headers.push('ce-traceparent', context.trace.traceparent, 'X-Trace-ID', context.trace.traceId);
  }
  if (status === 503) headers.push('Retry-After', '1');
  return headers;
}

/** Percent-encode an attribute for a header, as the HTTP binding says. */
function quote(value) {
  if (/^[\x21\x23\x24\x26-\x7e]*$/.test(value)) return value;
  let text = '';
  for (const byte of Buffer.from(value, 'utf8')) {
    const kept = byte > 0x20 && byte < 0x7f && byte !== 0x22 && byte !== 0x25;
    text += kept ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return text;
}

let second = 0;
let secondText = '';

function time() {
  const whole = Math.floor(Date.now() / 1000);
  if (whole !== second) {
    second = whole;
    secondText = `${new Date(whole * 1000).toISOString().slice(0, 19)}Z`;
  }
  return secondText;
}

module.exports = { milliseconds, reply };
