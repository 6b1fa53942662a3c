'use strict';
// The smallest parser in JavaScript: what the event brings comes back in a greeting.

exports.handler = async (event) => {
  const { name = 'world' } = event;
  return { greeting: `Hello, ${name}!`, received: event };
};
