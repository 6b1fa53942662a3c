'use strict';
// Says in words how old a block is: both arguments, one dependency with its lock, and an error that chooses its class.

const ms = require('ms');

class NotYet extends Error {
  retryable = true; // the platform delivers the event again
}

exports.handler = async (event, context) => {
  const { blockId, minedAt, now } = event.parameters;
  const age = Date.parse(now) - Date.parse(minedAt);
  if (Number.isNaN(age)) throw new RangeError('minedAt and now have to be times such as 2026-01-31T12:00:00Z');
  if (age < 0) throw new NotYet(`block ${blockId} is not mined yet`);
  context.logger.info('block seen', { block: blockId });
  return { block: Number(blockId), age: `${ms(age, { long: true })} old`, function: context.functionName };
};
