'use strict';
// Takes the event alone, and gives its data back.

exports.handler = (event) => ({ data: event.data });
