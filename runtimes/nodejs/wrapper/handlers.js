'use strict';
// Finding the parser's function.
//
// The rule, in full:
//
// 1. HANDLER is `module.function`; the module may be a path such as `lib/jobs`. Without a dot it names the
//    function alone.
// 2. The module is looked up in the code folder as .js, .mjs or .cjs, or as a folder with an index. When HANDLER
//    names none, or one of the conventional names (parser, main, handler, index) that is not there, the first of
//    those that exists is taken. Any other has to exist.
// 3. The function is the one named, else the first of handler, main, parse, default that the module exports, else
//    the module itself (with a warning). ECMAScript and CommonJS modules are both fine.
// 4. It is called with the event and the context; JavaScript lets it take fewer. It may be async; it is no class,
//    no generator, and takes no callback.

const fs = require('node:fs');
const path = require('node:path');
const { createRequire } = require('node:module');
const { pathToFileURL } = require('node:url');
const logs = require('./logs');

const CONVENTIONAL = ['parser', 'main', 'handler', 'index'];
const FALLBACKS = ['handler', 'main', 'parse', 'default'];
const ENDINGS = ['.js', '.mjs', '.cjs', '/index.js', '/index.mjs', '/index.cjs'];
const SHAPES = 'export `function handler(event)` or `function handler(event, context)` (async is fine)';

/** There is no function to call; the message says what was looked for, what is there and what to do. */
class HandlerError extends Error {}

/** Load the module from the code folder and find its function: { name, call }. Rejects with HandlerError. */
async function load(wanted, code) {
  const dot = wanted.lastIndexOf('.');
  const [moduleName, functionName] = [wanted.slice(0, Math.max(dot, 0)), wanted.slice(dot + 1)];
  const { name: found, file } = findModule(moduleName, code);
  const exported = await importFile(found, file);
  const { name, call } = findFunction(found, exported, functionName);
  const full = `${found}.${name}`;
  if (full !== wanted) {
    logs.write('warning', 'wrapper.handlers', 'the handler is not the one named', { wanted, found: full });
  }
  return { name: full, call: checked(full, call) };
}

function findModule(wanted, code) {
  const candidates = wanted ? [wanted] : [];
  if (!wanted || CONVENTIONAL.includes(wanted)) candidates.push(...CONVENTIONAL);
  for (const name of candidates) {
    const file = fileOf(name, code);
    if (file) return { name, file };
  }
  const present = list(code).filter((name) => /\.[mc]?js$/.test(name));
  throw new HandlerError(
    `no module ${[...new Set(candidates)].join(' or ')} in the code folder; there is ` +
      `${present.join(', ') || 'no JavaScript file'}: name the file parser.js or set HANDLER to module.function`,
  );
}

function fileOf(name, code) {
  const stem = path.resolve(code, name);
  if (!stem.startsWith(code + path.sep)) return undefined;
  return ENDINGS.map((ending) => stem + ending).find((file) => fs.statSync(file, { throwIfNoEntry: false })?.isFile());
}

function list(folder) {
  try {
    return fs.readdirSync(folder).sort();
  } catch {
    return [];
  }
}

async function importFile(name, file) {
  const exit = process.exit;
  process.exit = (status) => {
    throw new HandlerError(
      `${name} ended itself with process.exit(${status ?? ''}) when it was imported; ` +
        `it seems to be a plain script: ${SHAPES}`,
    );
  };
  try {
    return isEsm(file) ? await import(pathToFileURL(file).href) : createRequire(file)(file);
  } catch (error) {
    if (error instanceof HandlerError) throw error;
    throw new HandlerError(`${name} cannot be imported: ${importProblem(error, file)}`, { cause: error });
  } finally {
    process.exit = exit;
  }
}

/** require() is ten milliseconds faster than import(), so only what needs import() gets it. */
function isEsm(file) {
  if (file.endsWith('.mjs')) return true;
  if (file.endsWith('.cjs')) return false;
  for (let folder = path.dirname(file); ; folder = path.dirname(folder)) {
    const manifest = path.join(folder, 'package.json');
    if (fs.existsSync(manifest)) return JSON.parse(fs.readFileSync(manifest, 'utf8')).type === 'module';
    if (folder === path.dirname(folder)) return false;
  }
}

function importProblem(error, file) {
  const text = error instanceof Error ? `${error.name}: ${error.message.split('\n')[0]}` : `thrown: ${String(error)}`;
  const line = placeOf(error, file);
  const place = line ? ` (${path.basename(file)}, line ${line})` : '';
  if (/MODULE_NOT_FOUND$/.test(error?.code)) return `${text}${place}; is it in package.json?`;
  if (/(import statement|Unexpected token 'export')/.test(text)) {
    return `${text}${place}; name the file .mjs or set "type": "module" in package.json`;
  }
  return text + place;
}

function placeOf(error, file) {
  const stack = String(error?.stack ?? '');
  const at = stack.indexOf(`${file}:`);
  return at < 0 ? undefined : /^[0-9]+/.exec(stack.slice(at + file.length + 1))?.[0];
}

function findFunction(module, exported, wanted) {
  const holders = [exported, exported?.default].filter((each) => each !== null && each !== undefined);
  for (const name of new Set([wanted, ...FALLBACKS])) {
    const holder = holders.find((each) => isPlain(each[name]));
    if (holder) return { name, call: holder[name] };
  }
  if (isPlain(exported)) return { name: 'default', call: exported };
  const own = holders.flatMap((each) => Object.keys(each).filter((name) => typeof each[name] === 'function'));
  throw new HandlerError(
    own.length
      ? `${module} exports no function ${wanted}, handler, main, parse or default; it exports ` +
          `${[...new Set(own)].sort().join(', ')}: name one of them so or set HANDLER to module.function`
      : `${module} exports no function; it seems to be a plain script: ${SHAPES}`,
  );
}

function isPlain(value) {
  return typeof value === 'function' && !/^class\b/.test(Function.prototype.toString.call(value));
}

function checked(name, call) {
  if (/GeneratorFunction$/.test(call.constructor?.name)) {
    throw new HandlerError(`${name} is a generator; return the whole result instead of yielding it: ${SHAPES}`);
  }
  if (call.length > 2) {
    throw new HandlerError(
      `${name} takes ${call.length} arguments; it is called with the event and the context, ` +
        `and returns its result instead of calling back: ${SHAPES}`,
    );
  }
  return call;
}

module.exports = { HandlerError, load };
