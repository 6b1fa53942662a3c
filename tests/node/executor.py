"""An executor of the tests' own: takes Kaniko's arguments, makes an image, pushes it. Runs in a build's pod.

It makes what our Dockerfiles consist of: a base image that stays as it is, copied files as further layers,
and settings. RUN needs a root file system of its own, which a pod without CAP_SYS_CHROOT can only have in
Kaniko's way (unpack the base onto `/`); it is refused by name, and left to the real one (KANIKO_IMAGE).
"""

import argparse
import gzip
import hashlib
import io
import json
import os
import sys
import tarfile
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import boto3

MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


class Registry:
    """A repository of a plain HTTP registry."""

    def __init__(self, image):
        address, _, self.tag = image.rpartition("@" if "@" in image else ":")
        host, _, self.name = address.partition("/")
        self.url = f"http://{host}/v2/{self.name}"

    def call(self, method, url, body=None, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(url, data=body, headers=headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.read(), response.headers

    def manifest(self):
        return json.loads(
            self.call("GET", f"{self.url}/manifests/{self.tag}", Accept=", ".join(MANIFESTS))[0]
        )

    def blob(self, digest):
        return self.call("GET", f"{self.url}/blobs/{digest}")[0]

    def push_blob(self, data):
        digest = digest_of(data)
        upload = self.call("POST", f"{self.url}/blobs/uploads/", b"")[1]["Location"]
        place = urljoin(self.url, upload)
        joint = "&" if urlsplit(place).query else "?"
        self.call("PUT", f"{place}{joint}digest={digest}", data, Content_Type="application/octet-stream")
        return {"digest": digest, "size": len(data)}

    def mount(self, digest, source):
        self.call("POST", f"{self.url}/blobs/uploads/?mount={digest}&from={source}", b"")

    def push_manifest(self, manifest):
        body = json.dumps(manifest).encode()
        self.call("PUT", f"{self.url}/manifests/{self.tag}", body, Content_Type=MANIFESTS[0])
        return digest_of(body)


class Build:
    """A Dockerfile's instructions, applied to a base image's configuration."""

    def __init__(self, context):
        self.context, self.layers = context, []

    def apply(self, word, rest):
        if word not in ("FROM", "ENV", "WORKDIR", "COPY", "USER", "EXPOSE", "ENTRYPOINT"):
            raise SystemExit(f"error building image: {word} is not done by this executor")
        getattr(self, word.lower())(rest)

    def from_(self, image):
        self.base = Registry(image)
        self.manifest = self.base.manifest()
        self.config = json.loads(self.base.blob(self.manifest["config"]["digest"]))
        self.settings = self.config.setdefault("config", {})

    def env(self, rest):
        names = dict(item.split("=", 1) for item in rest.split(" "))
        self.settings.setdefault("Env", []).extend(f"{k}={v.strip(chr(34))}" for k, v in names.items())

    def workdir(self, rest):
        self.settings["WorkingDir"] = rest

    def user(self, rest):
        self.settings["User"] = rest

    def expose(self, rest):
        self.settings["ExposedPorts"] = {f"{rest}/tcp": {}}

    def entrypoint(self, rest):
        self.settings["Entrypoint"] = json.loads(rest)
        self.settings.pop("Cmd", None)

    def copy(self, rest):
        source, target = rest.split(" ")
        raw = io.BytesIO()
        with tarfile.open(fileobj=raw, mode="w") as layer:
            inside = os.path.normpath(f"{self.settings['WorkingDir']}/{target}").lstrip("/")
            layer.add(self.context / source, arcname=inside)
        self.layers.append(raw.getvalue())

    def push(self, destination):
        target = Registry(destination)
        for layer in self.manifest["layers"]:
            target.mount(layer["digest"], self.base.name)
        made = []
        for layer in self.layers:
            self.config["rootfs"]["diff_ids"].append(digest_of(layer))
            made.append({"mediaType": LAYER, **target.push_blob(gzip.compress(layer, mtime=0))})
        self.config.pop("history", None)
        config = target.push_blob(json.dumps(self.config).encode())
        return target.push_manifest(
            {
                "schemaVersion": 2,
                "mediaType": MANIFESTS[0],
                "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **config},
                "layers": [*self.manifest["layers"], *made],
            }
        )


setattr(Build, "from", Build.from_)


def digest_of(data):
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def fetch(context, folder):
    """Unpack the context that `s3://bucket/key` names, as Kaniko finds it."""
    place = urlsplit(context)
    client = boto3.client(
        "s3", endpoint_url=os.environ.get("S3_ENDPOINT"), region_name=os.environ["AWS_REGION"]
    )
    archive = client.get_object(Bucket=place.netloc, Key=place.path.lstrip("/"))["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(folder, filter="data")


def main():
    parser = argparse.ArgumentParser()
    for name in ("context", "dockerfile", "destination", "digest-file"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("cache", "cache-ttl", "cache-repo", "compressed-caching", "snapshot-mode"):
        parser.add_argument(f"--{name}")
    for name in ("use-new-run", "insecure", "insecure-pull"):
        parser.add_argument(f"--{name}", action="store_true")
    options = parser.parse_args()
    folder = Path("/workspace")
    fetch(options.context, folder)
    build = Build(folder)
    for line in (folder / options.dockerfile).read_text().splitlines():
        print(line, flush=True)  # noqa: T201
        word, _, rest = line.partition(" ")
        build.apply(word, rest)
    digest = build.push(options.destination)
    Path(options.digest_file).write_text(digest)
    print(f"Pushed {options.destination}@{digest}", flush=True)  # noqa: T201


if __name__ == "__main__":
    try:
        main()
    except urllib.error.HTTPError as error:
        sys.exit(f"error building image: {error.url}: {error} {error.read(500).decode(errors='replace')}")
