"""The program around a Python parser: CloudEvents over HTTP in, response CloudEvents out.

It stands in the image as the package `wrapper`, beside `packages` (the parser's dependencies) and `code` (the
parser's files), and is started with `python -m wrapper`. Standard library only; Python 3.11 or newer. It
knows nothing of Kubernetes, brokers or builds; its settings come from the environment (`settings.py`).

Modules, lowest first: `http11` (bytes to requests, pure), `server` (sockets and threads), `settings`,
`events` (requests to events, pure), `context` (what a handler is told), `logs`, `failures` (exceptions to
error classes, pure), `handlers` (finding the function), `invoker` (running it within its time), `replies`
(outcomes to responses, pure), `metrics`, `app` (routes). Imports are relative, so that the package works
under any name; heavy modules (asyncio, http.server, email, uuid) stay out of the start, which every cold
start pays for.
"""
