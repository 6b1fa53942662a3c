'use strict';
// A function by hand over node:http: what the wrapper is measured against. See server.py, which does the same.

const http = require('node:http');
const { randomUUID } = require('node:crypto');

const { FUNCTION_NAME: name, FUNCTION_NAMESPACE: namespace } = process.env;
const least = process.env.ANSWER === 'least';

const handler = async (data) => ({ data });

function envelope(headers, body, milliseconds) {
  return {
    functionName: name,
    namespace,
    invocationId: randomUUID(),
    correlationId: headers['ce-id'],
    result: { statusCode: 200, body },
    metrics: { durationMs: Math.round(milliseconds * 1000) / 1000, coldStart: false, memoryUsedMb: 16.4 },
  };
}

function attributes(headers) {
  return {
    'ce-specversion': '1.0',
    'ce-id': randomUUID(),
    'ce-type': 'io.knative.lambda.response.success',
    'ce-source': `io.knative.lambda/${name}`,
    'ce-subject': name,
    'ce-time': `${new Date().toISOString().slice(0, 19)}Z`,
    'ce-correlationid': headers['ce-id'],
    'ce-causationid': headers['ce-id'],
    'X-Correlation-ID': headers['ce-id'],
  };
}

http
  .createServer({ noDelay: true }, (request, response) => {
    const pieces = [];
    request.on('data', (piece) => pieces.push(piece));
    request.on('end', async () => {
      const { headers } = request;
      const data = JSON.parse(Buffer.concat(pieces).toString());
      const began = performance.now();
      const result = await handler(data);
      const body = JSON.stringify(least ? result : envelope(headers, result, performance.now() - began));
      response.sendDate = false;
      response.writeHead(200, {
        'Content-Type': 'application/json',
        ...(least ? {} : attributes(headers)),
        'Content-Length': Buffer.byteLength(body),
      });
      response.end(body);
    });
  })
  .listen(Number(process.env.PORT), '127.0.0.1');
