'use strict';
// The wrapper's settings, read once from the environment. They are those of every runtime: names, units and
// limits are the Python wrapper's (runtimes/python/wrapper/settings.py).

const LEVELS = ['debug', 'info', 'warning', 'error'];

class InvalidSettings extends Error {}

/**
 * Return the settings. Durations are in seconds, sizes in bytes.
 * Throws InvalidSettings with every problem found.
 */
function settingsFrom(env) {
  const problems = [];
  const number = (name, fallback, low, high, whole = true) => {
    if (!env[name]) return fallback;
    const value = /^[+-]?[0-9.]+(e[+-]?[0-9]+)?$/i.test(env[name]) ? Number(env[name]) : NaN;
    if (!(value >= low && value <= high) || (whole && !Number.isInteger(value))) {
      problems.push(`${name} is '${env[name]}'; a number from ${low} to ${high} is allowed`);
    }
    return value;
  };
  const required = (name, ...others) => {
    const found = [name, ...others].find((each) => env[each]);
    if (!found) problems.push(`${name} is not set; the platform sets it to the function's own`);
    return found ? env[found] : '';
  };
  const settings = {
    functionName: required('FUNCTION_NAME', 'K_SERVICE'),
    functionNamespace: required('FUNCTION_NAMESPACE'),
    thirdPartyId: env.THIRD_PARTY_ID || '',
    parserId: env.PARSER_ID || '',
    handler: env.HANDLER || 'parser.handler',
    host: env.HOST || '0.0.0.0',
    port: number('PORT', 8080, 0, 65535),
    timeoutSeconds: number('TIMEOUT_SECONDS', 60, 0.01, 300, false),
    drainSeconds: number('DRAIN_SECONDS', 30, 0, 3600, false),
    maxConcurrency: number('MAX_CONCURRENCY', 100, 1, 10_000),
    maxBodyBytes: number('MAX_BODY_BYTES', 10 * 1024 * 1024, 1, 1024 ** 3),
    logLevel: level(env.LOG_LEVEL, problems),
  };
  if (problems.length) throw new InvalidSettings(problems.join('; '));
  return Object.freeze(settings);
}

function level(text, problems) {
  const name = (text || 'info').toLowerCase();
  const value = name === 'warn' ? 'warning' : name;
  if (!LEVELS.includes(value)) problems.push(`LOG_LEVEL is '${text}'; allowed are ${LEVELS.join(', ')}`);
  return value;
}

module.exports = { InvalidSettings, LEVELS, settingsFrom };
