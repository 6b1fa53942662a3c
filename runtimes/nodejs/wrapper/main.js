'use strict';
// `node wrapper/main.js`: find the handler, serve it, end in order.
//
// It stands in the image beside `code` (the parser's files, and their packages in node_modules). node: modules
// only; Node.js 20 or newer. Exit status: 0 after SIGTERM when every request in flight was answered; 1 when the
// function cannot be started (the last log line says why), a handler got stuck, something was thrown outside of
// any call, or requests were still in flight at the end of the drain time.

const path = require('node:path');
const { App } = require('./app');
const handlers = require('./handlers');
const logs = require('./logs');
const { Server } = require('./server');
const { InvalidSettings, settingsFrom } = require('./settings');

process.on('exit', logs.flush);
const exit = process.exit.bind(process);

async function main() {
  const leave = () => exit(0); // nothing is served yet, so nothing has to be finished
  process.on('SIGTERM', leave);
  const settings = settingsFrom(process.env);
  logs.configure(settings);
  const handler = await handlers.load(settings.handler, path.join(__dirname, '..', 'code'));
  process.exit = refuseExit;
  let stop;
  const stopped = new Promise((resolve) => (stop = resolve));
  const app = new App(settings, handler, stop);
  const server = new Server((request, send) => app.handle(request, send), settings.maxBodyBytes);
  const port = await server.listen(settings.host, settings.port);
  process.on('SIGTERM', stop).on('SIGINT', stop).off('SIGTERM', leave);
  replaceWhenBroken(app);
  app.metrics.ready(performance.now() / 1000);
  logs.write('info', 'wrapper', 'ready', { handler: handler.name, port, start_ms: Math.round(performance.now()) });
  app.watch();
  await stopped;
  app.stopAccepting();
  const drained = await server.drain(settings.drainSeconds);
  if (!drained) logs.write('error', 'wrapper', 'requests were still in flight at the end of the drain time');
  logs.write('info', 'wrapper', 'stopped');
  exit(drained && !app.stuck ? 0 : 1);
}

/** After an error that nobody caught, what the parser keeps between calls is in an unknown state. */
function replaceWhenBroken(app) {
  process.on('uncaughtException', (error) => {
    const message = 'an error was thrown outside of any call; the instance ends to be replaced';
    app.fail(message, { error: String(error?.message ?? error), stack: String(error?.stack ?? '') });
  });
}

function refuseExit(status) {
  throw new Error(`the handler called process.exit(${status ?? ''}); return a result or throw an error instead`);
}

main().catch((error) => {
  let message = `the function cannot be started: ${error?.stack ?? error}`;
  if (error instanceof InvalidSettings || error instanceof handlers.HandlerError) message = error.message;
  else if (error?.syscall) message = `the port cannot be served: ${error.message}`;
  if (error?.cause?.stack) logs.write('debug', 'wrapper', 'the cause', { stack: error.cause.stack });
  logs.write('critical', 'wrapper', message);
  exit(1);
});
