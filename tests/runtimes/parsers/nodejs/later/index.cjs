'use strict';
// An async handler that waits as long as it is told to, and can be stopped.

const { setTimeout: sleep } = require('node:timers/promises');

module.exports = async (event, context) => {
  try {
    await sleep(event.seconds * 1000, undefined, { signal: context.signal });
  } catch (error) {
    console.log('stopped');
    throw error;
  }
  return { waited: event.seconds };
};
