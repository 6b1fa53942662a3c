'use strict';
// Structured logs on standard output: one JSON object a line, with the ids of the call that it belongs to.
// What a parser prints with console.log stays as it is, on lines of its own.

const fs = require('node:fs');
const { LEVELS } = require('./settings');

const OWN = new Set(['timestamp', 'level', 'message', 'logger', 'service', 'third_party_id', 'parser_id']);
const PLAIN = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;
const RANK = { debug: 0, info: 1, warning: 2, error: 3, critical: 4 };

const FLUSH_MS = 20;
const FLUSH_CHARACTERS = 32 * 1024;

let waiting = '';
let timer = null;
let prefix = '"service":{"name":"","namespace":""},"third_party_id":"","parser_id":""';
let threshold = RANK.info;

/** Fix the level from which on lines are written, and the fields that all of them have. */
function configure(settings) {
  threshold = RANK[settings.logLevel];
  const service = { name: settings.functionName, namespace: settings.functionNamespace };
  prefix = JSON.stringify({ service, third_party_id: settings.thirdPartyId, parser_id: settings.parserId });
  prefix = prefix.slice(1, -1);
}

/**
 * Write a line that tells nothing unexpected: it waits for others, for FLUSH_MS at most, since a system call for each
 * would cost a call more than all else that the wrapper does. A process that is killed may lose it.
 */
function writeLater(name, message, fields, context) {
  if (RANK.info < threshold) return;
  waiting += lineOf('info', name, message, fields, context);
  if (waiting.length >= FLUSH_CHARACTERS) flush();
  else timer ??= setTimeout(flush, FLUSH_MS).unref();
}

/** Write what waits. */
function flush() {
  clearTimeout(timer);
  timer = null;
  if (!waiting) return;
  const text = waiting;
  waiting = '';
  emit(text);
}

/** Write one line at once; `context` is the call that it belongs to, `fields` are added unless a field has that name. */
function write(level, name, message, fields, context) {
  if (RANK[level] < threshold) return;
  flush();
  emit(lineOf(level, name, message, fields, context));
}

/** Return a text's JSON form; JSON.stringify has a price that most texts need not pay. */
function quoted(text) {
  return PLAIN.test(text) ? `"${text}"` : JSON.stringify(text);
}

function lineOf(level, name, message, fields, context) {
  const head = `{"timestamp":"${timestamp()}","level":"${level}","message":${quoted(String(message))}`;
  const call = context ? callFields(context, fields) : '';
  return `${head},"logger":"${name}",${prefix}${call}${others(fields, context)}}\n`;
}

/** Return an object with a method for each level. */
function logger(name, context) {
  const bound = {};
  for (const level of LEVELS) {
    bound[level] = (message, fields) => write(level, name, message, fields, context);
  }
  bound.warn = bound.warning;
  return bound;
}

function callFields(context, fields) {
  const { event, trace } = context;
  const duration = fields?.duration_ms === undefined ? '' : `,"duration_ms":${fields.duration_ms}`;
  const ids =
    `,"correlation_id":${quoted(context.correlationId)}` +
    `,"invocation":{"id":${quoted(context.invocationId)},"cold_start":${context.coldStart}${duration}}` +
    `,"cloudevent":{"id":${quoted(event.id)},"type":${quoted(event.type)},"source":${quoted(event.source)}}`;
  if (!trace.traceId) return ids;
  return `${ids},"trace_id":"${trace.traceId}","span_id":"${trace.spanId}","trace_flags":"${trace.flags}"`;
}

function others(fields, context) {
  let text = '';
  for (const key in fields) {
    if (OWN.has(key) || (context && (key in CALL || key === 'duration_ms'))) continue;
    text += `,${quoted(key)}:${encode(fields[key])}`;
  }
  return text;
}

const CALL = { correlation_id: 0, invocation: 0, cloudevent: 0, trace_id: 0, span_id: 0, trace_flags: 0 };

function encode(value) {
  try {
    return JSON.stringify(value) ?? JSON.stringify(String(value));
  } catch {
    return JSON.stringify(String(value));
  }
}

/** One system call a line, so that lines and prints never mix; a closed output is no reason to fail a call. */
function emit(line) {
  let rest = Buffer.from(line);
  while (rest.length) {
    try {
      rest = rest.subarray(fs.writeSync(1, rest));
    } catch (error) {
      if (error.code !== 'EAGAIN') return;
    }
  }
}

let second = 0;
let secondText = '';

function timestamp() {
  const time = Date.now();
  const whole = Math.floor(time / 1000);
  if (whole !== second) {
    second = whole;
    secondText = new Date(whole * 1000).toISOString().slice(0, 20);
  }
  return `${secondText}${String(time - whole * 1000).padStart(3, '0')}Z`;
}

module.exports = { configure, flush, logger, quoted, write, writeLater };
