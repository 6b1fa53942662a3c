'use strict';
// The least that serves JSON over node:http: what the wrapper is measured against.

const http = require('node:http');

const handler = async (data) => ({ data });

http
  .createServer((request, response) => {
    const pieces = [];
    request.on('data', (piece) => pieces.push(piece));
    request.on('end', async () => {
      const body = JSON.stringify(await handler(JSON.parse(Buffer.concat(pieces).toString())));
      response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) });
      response.end(body);
    });
  })
  .listen(Number(process.env.PORT), '127.0.0.1');
