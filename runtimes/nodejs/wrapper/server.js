'use strict';
// The HTTP server around the application: node:http with limits, one request after the other on a connection.

const http = require('node:http');
const logs = require('./logs');

const MAX_CONNECTIONS = 512;
const SINGLE = new Set([
  'authorization', 'content-encoding', 'content-length', 'content-type', 'expect', 'host',
  'traceparent', 'tracestate', 'transfer-encoding', 'x-correlation-id',
]);
const OPTIONS = {
  maxHeaderSize: 32 * 1024,
  headersTimeout: 10_000,
  requestTimeout: 70_000,
  keepAliveTimeout: 120_000,
  connectionsCheckingInterval: 1000,
  noDelay: true,
};
const REFUSALS = {
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'Request Timeout', 'the request did not arrive in time'],
  HPE_HEADER_OVERFLOW: [431, 'Request Header Fields Too Large', 'the request head is larger than 32768 bytes'],
};

/**
 * Serves one application: a function of { method, path, headers, body } and a callback that takes
 * { status, headers, body } with headers as a flat array of names and values.
 */
class Server {
  #application;
  #maxBodyBytes;
  #server;
  #sockets = new Set();
  #draining = false;

  constructor(application, maxBodyBytes) {
    this.#application = application;
    this.#maxBodyBytes = maxBodyBytes;
    this.#server = http.createServer(OPTIONS, (request, response) => this.#read(request, response));
    this.#server.on('connection', (socket) => this.#connected(socket));
    this.#server.on('clientError', refuse);
  }

  /** Listen and return the port. Rejects with the system's error. */
  listen(host, port) {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host, port, backlog: 512 }, () => resolve(this.#server.address().port));
    });
  }

  /**
   * Accept nothing new, let idle peers go, and wait until every request is answered; false when that took longer
   * than the time given.
   */
  drain(seconds) {
    this.#draining = true;
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), seconds * 1000);
      this.#server.close(() => {
        clearTimeout(timer);
        resolve(true);
      });
      this.#server.closeIdleConnections();
      for (const socket of this.#sockets) if (socket.bytesRead === 0) socket.destroy();
    });
  }

  #connected(socket) {
    if (this.#sockets.size >= MAX_CONNECTIONS) {
      socket.end('HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
      return;
    }
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
  }

  #read(request, response) {
    const headers = headersOf(request.rawHeaders);
    if (typeof headers === 'string') {
      this.#refuse(request, response, 400, headers);
      return;
    }
    const declared = Number(headers['content-length'] ?? 0);
    if (declared > this.#maxBodyBytes) {
      this.#refuse(request, response, 413, `the body is larger than ${this.#maxBodyBytes} bytes`);
      return;
    }
    this.#collect(request, response, headers);
  }

  #collect(request, response, headers) {
    const pieces = [];
    let size = 0;
    request.on('data', (piece) => {
      size += piece.length;
      if (size <= this.#maxBodyBytes) pieces.push(piece);
      else if (!response.headersSent) {
        pieces.length = 0;
        this.#refuse(request, response, 413, `the body is larger than ${this.#maxBodyBytes} bytes`);
      }
    });
    request.on('end', () => {
      if (response.headersSent) return;
      const body = pieces.length === 1 ? pieces[0] : Buffer.concat(pieces);
      const path = request.url.split('?', 1)[0];
      this.#application({ method: request.method, path, headers, body }, (reply) => this.#send(response, reply));
    });
  }

  #send(response, { status, headers, body }) {
    if (this.#draining) headers.push('Connection', 'close');
    headers.push('Content-Length', String(Buffer.byteLength(body)));
    response.sendDate = false;
    response.writeHead(status, headers);
    response.end(body);
  }

  #refuse(request, response, status, message) {
    logs.write('info', 'wrapper.server', 'a request was refused', { status, error: message });
    this.#send(response, { status, headers: ['Content-Type', 'text/plain; charset=utf-8'], body: `${message}\n` });
    // The rest of the body is read away, for as long as a request may take, so that the peer gets to read why.
    request.resume();
  }
}

/** Return the headers by lower-case name, repeated ones joined; or why they cannot be taken. */
function headersOf(raw) {
  const headers = {};
  for (let index = 0; index < raw.length; index += 2) {
    const name = raw[index].toLowerCase();
    if (!Object.hasOwn(headers, name)) headers[name] = raw[index + 1];
    else if (SINGLE.has(name) || name.startsWith('ce-')) return `the header ${name} is given twice`;
    else headers[name] += `, ${raw[index + 1]}`;
  }
  return headers;
}

/** Answer what is no HTTP; the connection cannot be used further. */
function refuse(error, socket) {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const [status, reason, text] = REFUSALS[error.code] ?? [400, 'Bad Request', `the request is no HTTP: ${error.message}`];
  logs.write('info', 'wrapper.server', 'a request was refused', { status, error: text });
  const head = `HTTP/1.1 ${status} ${reason}\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n`;
  socket.end(`${head}Content-Length: ${Buffer.byteLength(text) + 1}\r\n\r\n${text}\n`);
}

module.exports = { Server };
