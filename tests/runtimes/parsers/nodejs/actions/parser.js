'use strict';
// Does what the event asks for: the Node.js third of the conformance suite's parser.

const fs = require('node:fs');
const { setTimeout: sleep } = require('node:timers/promises');

const raise = (properties) => {
  throw Object.assign(new Error('raised'), properties);
};

const actions = {
  echo: (event) => ({ data: event.value }),
  facts: (event, context) => ({
    function: context.functionName,
    namespace: context.functionNamespace,
    third_party: context.thirdPartyId,
    parser: context.parserId,
    invocation: context.invocationId,
    correlation: context.correlationId,
    traceparent: context.trace.traceparent,
    cold_start: context.coldStart,
    event_id: context.event.id,
    remaining: context.remainingSeconds(),
  }),
  metadata: (event, context) => context.metadata,
  validation: () => new Array(-1),
  runtime: () => raise({}),
  network: () => fetch('http://127.0.0.1:2/'),
  exhausted: () => raise({ code: 'ENOSPC' }),
  permission: () => raise({ code: 'EACCES' }),
  retryable: () => raise({ retryable: true }),
  permanent: () => raise({ code: 'ECONNRESET', retryable: false }),
  exit: () => process.exit(3),
  not_json: () => ({ value: 10n }),
  wrapped: () => ({ statusCode: 202, body: { a: 1 } }),
  unwrapped: () => ({ statusCode: 202, more: 1 }),
  nothing: () => undefined,
  log(event, context) {
    console.log('printed');
    context.logger.warning('logged', { n: event.n });
  },
  async hold(event) {
    console.log('holding');
    while (!fs.existsSync(event.until)) await sleep(5);
    return 'finished';
  },
  late: (event) => sleep(event.seconds * 1000),
  hang() {
    console.log('hanging');
    for (;;) JSON.stringify('busy');
  },
};

exports.handler = (event, context) => actions[event.do](event, context);
