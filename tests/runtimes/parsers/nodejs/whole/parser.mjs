// Reads source, type and data from its argument; an ECMAScript module with a default export.

export default function ({ source, type, subject = null, data }) {
  return { source, type, subject, data };
}
