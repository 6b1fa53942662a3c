"""The dead letter program as a process, told what its Deployment tells it."""

import json
import subprocess
import sys
import threading
from pathlib import Path
from queue import Queue

import httpx

ROOT = Path(__file__).parents[2]
BODY = b"<not-json>\xff"
TOKEN = "a-token-that-is-long-enough"
LETTER = {
    "ce-id": "e-1",
    "ce-source": "network.notifi.acme",
    "ce-specversion": "1.0",
    "ce-type": "network.notifi.lambda.build.start",
    "ce-subject": "caf%C3%A9",
    "ce-time": "2026-01-31T12:00:00Z",
    "ce-knativeerrorcode": "503",
    "ce-knativeerrordest": "http://knative-lambda-builder.knative-lambda-dev.svc.cluster.local",
    "content-type": "text/xml; charset=latin-1",
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
}


class Sink:
    """A running sink, or another program of ours that listens."""

    def __init__(self, environment, module="service.dead_letters"):
        self.process = subprocess.Popen(
            [sys.executable, "-m", module],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines = Queue()
        self.reader = threading.Thread(target=self._read)
        self.reader.start()
        self.client = httpx.Client(base_url=self._listening(), timeout=30, trust_env=False)

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put("")

    def close(self):
        self.client.close()
        self.process.kill()
        self.process.wait()
        self.reader.join()
        self.process.stdout.close()

    def _listening(self):
        said = []
        while line := self.lines.get(timeout=30):
            said.append(line)
            if '"msg": "listening"' in line:
                return json.loads(line)["address"]
        raise AssertionError("".join(said))

    def post(self, headers=LETTER, body=BODY):
        return self.client.post("/", headers=headers, content=body)

    def keep(self, body=BODY, **attributes):
        """Have a letter kept; attributes in place of LETTER's."""
        changed = {f"ce-{name}": value for name, value in attributes.items()}
        assert self.post({**LETTER, **changed}, body).status_code == 202

    def ask(self, method, path, **how):
        return self.client.request(method, path, headers={"authorization": f"Bearer {TOKEN}"}, **how)

    def metric(self, name):
        text = self.client.get("/metrics").text
        return next(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))
