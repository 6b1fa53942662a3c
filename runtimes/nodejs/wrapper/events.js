'use strict';
// Requests to events: CloudEvents 1.0 over HTTP, binary and structured mode, and plain JSON. Pure.
//
// What a handler gets as its first argument is the event's data. Names that the data does not have itself and
// that are CloudEvents attributes (`event.source`, `event.type`, `event.data`, ...) are answered from the
// envelope, which sits on the data's prototype: Object.keys, spread and JSON see the data alone. So parsers
// written for `handler(data)` and for `handler(event)` both work.
//
// A request with none of the `ce-` headers and a JSON body is a direct call. The `io.knative.lambda.invoke.*`
// events wrap their data in `payload`; it is taken out, their `invocationId`, `correlationId` and `metadata`
// (`deadlineAt`, `traceId`, `spanId`) are honoured (docs/decisions/0069-invocation-events.md).

const { isUtf8 } = require('node:buffer');

const DIRECT_TYPE = 'io.knative.lambda.invoke.sync';
const DIRECT_SOURCE = 'io.knative.lambda/direct';
const INVOKE_PREFIX = 'io.knative.lambda.invoke.';

const REQUIRED = ['specversion', 'id', 'source', 'type'];
const ATTRIBUTES = [...REQUIRED, 'subject', 'time', 'datacontenttype', 'dataschema'];
const KNOWN = new Set(ATTRIBUTES);
const ATTRIBUTE_NAME = /^[a-z0-9]{1,64}$/;
const JSON_TYPE = /^[\w.!#$&^+-]+\/(?:[\w.!#$&^-]+\+)?json$/;
const RFC_3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/i;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** The request holds no event; the message lists every problem. The sender's fault, never worth a retry. */
class InvalidEvent extends Error {}

// Not a WeakMap: its entries cost the garbage collector more than all else of a call.
const BEHIND = Symbol('behind');

/** What stands behind an event's data; a name that is written to becomes the data's own. */
class Event {}
for (const name of [...ATTRIBUTES, 'data', 'envelope']) {
  Object.defineProperty(Event.prototype, name, {
    get() {
      const { envelope, data } = this[BEHIND] ?? { envelope: {} };
      return name === 'data' ? data : name === 'envelope' ? envelope : envelope[name];
    },
    set(value) {
      Object.defineProperty(this, name, { value, writable: true, enumerable: true, configurable: true });
    },
    configurable: true,
  });
}

/** Return the event as a handler gets it. Data that is no JSON object is in `data` alone. */
function eventOf(envelope, data) {
  const isObject = data !== null && typeof data === 'object' && !Array.isArray(data);
  const event = isObject ? Object.setPrototypeOf(data, Event.prototype) : new Event();
  return Object.defineProperty(event, BEHIND, { value: { envelope, data } });
}

/**
 * Decode a request: { envelope, data } and of an invocation event also { invocationId, correlationId, metadata,
 * deadlineAt (milliseconds since 1970), traceparent }. `headers` have names in lower case, `newId` makes an id for an event that has none of its own. Throws InvalidEvent.
 */
function decode(headers, body, newId) {
  const contentType = headers['content-type'] ?? '';
  const mediaType = contentType === 'application/json' ? contentType : mediaTypeOf(contentType);
  const call =
    mediaType === 'application/cloudevents+json'
      ? structured(body)
      : binaryOrPlain(headers, mediaType, body, newId);
  if (call.envelope.type.startsWith(INVOKE_PREFIX) && isRecord(call.data) && Object.hasOwn(call.data, 'payload')) {
    return unwrapped(call.envelope, call.data);
  }
  return call;
}

function mediaTypeOf(contentType) {
  const mediaType = contentType.split(';', 1)[0].trim().toLowerCase();
  if (mediaType.startsWith('application/cloudevents') && mediaType !== 'application/cloudevents+json') {
    throw new InvalidEvent(`content type '${mediaType}': one event a request, as application/cloudevents+json`);
  }
  return mediaType;
}

function unwrapped(envelope, data) {
  const text = (value) => (typeof value === 'string' && value ? value : undefined);
  const ids = { invocationId: text(data.invocationId), correlationId: text(data.correlationId) };
  const metadata = data.metadata ?? {};
  if (!isRecord(metadata)) throw new InvalidEvent('metadata is no JSON object');
  const traceparent = `00-${metadata.traceId}-${metadata.spanId}-01`;
  return { envelope, data: data.payload, ...ids, metadata, deadlineAt: timeOf(metadata.deadlineAt), traceparent };
}

/** Return a time of RFC 3339 in milliseconds since 1970, undefined for none. */
function timeOf(value) {
  if (value === undefined || value === null) return undefined;
  const found = typeof value === 'string' && RFC_3339.test(value) ? Date.parse(value) : NaN;
  if (Number.isNaN(found)) {
    const shown = String(value).slice(0, 40);
    throw new InvalidEvent(
      `metadata.deadlineAt is '${shown}'; a time of RFC 3339 is allowed, as 2026-01-31T12:00:00Z`,
    );
  }
  return found;
}

function binaryOrPlain(headers, mediaType, body, newId) {
  if (body.length && mediaType !== 'application/json' && !JSON_TYPE.test(mediaType)) {
    throw new InvalidEvent(
      `content type '${mediaType}': a body has to be JSON, as application/json or application/cloudevents+json`,
    );
  }
  const attributes = {};
  let found = false;
  for (const name in headers) {
    if (name.startsWith('ce-')) {
      attributes[name.slice(3)] = unquote(headers[name]);
      found = true;
    }
  }
  if (!found) {
    const direct = { specversion: '1.0', id: newId(), source: DIRECT_SOURCE, type: DIRECT_TYPE, extensions: {} };
    return { envelope: direct, data: json(body) };
  }
  if (mediaType) attributes.datacontenttype = mediaType;
  return { envelope: envelopeOf(attributes, 'the header ce-'), data: json(body) };
}

function structured(body) {
  const document = json(body);
  if (!isRecord(document)) throw new InvalidEvent('a structured event is a JSON object');
  const { data = null, data_base64: encoded = null, ...rest } = document;
  const envelope = envelopeOf(texts(rest), 'the attribute ');
  if (encoded === null) return { envelope, data };
  if (data !== null) throw new InvalidEvent('data and data_base64 are both given');
  return { envelope, data: base64(encoded, envelope) };
}

function texts(document) {
  const found = {};
  for (const [name, value] of Object.entries(document)) {
    if (typeof value === 'string' || typeof value === 'boolean' || Number.isInteger(value)) {
      found[name] = String(value);
    } else if (value !== null) {
      throw new InvalidEvent(`the attribute '${name}' is neither text nor a whole number nor a boolean`);
    }
  }
  return found;
}

function envelopeOf(attributes, place) {
  const problems = [];
  for (const name of REQUIRED) if (!attributes[name]) problems.push(`${place}${name} is missing or empty`);
  const version = attributes.specversion;
  if (version && version !== '1.0') {
    problems.push(`specversion is '${version.slice(0, 20)}'; 1.0 is understood`);
  }
  const envelope = { extensions: {} };
  for (const name in attributes) {
    if (KNOWN.has(name)) envelope[name] = attributes[name];
    else if (ATTRIBUTE_NAME.test(name)) envelope.extensions[name] = attributes[name];
    else problems.push(`'${name.slice(0, 80)}' is no attribute name (a-z and 0-9)`);
  }
  if (problems.length) throw new InvalidEvent(problems.join('; '));
  return envelope;
}

function base64(encoded, envelope) {
  const type = (envelope.datacontenttype ?? 'application/json').split(';', 1)[0].trim().toLowerCase();
  if (!JSON_TYPE.test(type)) {
    throw new InvalidEvent(`datacontenttype is '${envelope.datacontenttype}'; data has to be JSON`);
  }
  if (typeof encoded !== 'string' || !BASE64.test(encoded)) throw new InvalidEvent('data_base64 is not base64');
  return json(Buffer.from(encoded, 'base64'));
}

/** Parse strictly: UTF-8 and nothing beyond JSON; an empty body is no data. */
function json(body) {
  if (!body.length) return null;
  if (!isUtf8(body)) throw new InvalidEvent('the body is not JSON: it is not UTF-8');
  try {
    return JSON.parse(body.toString('utf8'));
  } catch (error) {
    throw new InvalidEvent(`the body is not JSON: ${error.message}`);
  }
}

/** Undo the percent-encoding of the HTTP binding; the value came as latin-1. */
function unquote(value) {
  if (!value.includes('%')) return value;
  const raw = value.replace(/%([0-9A-Fa-f]{2})/g, (_, digits) => String.fromCharCode(parseInt(digits, 16)));
  return Buffer.from(raw, 'latin1').toString('utf8');
}

function isRecord(value) {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

module.exports = { InvalidEvent, decode, eventOf };
