"""What a container sees: its environment, its volumes, its paths, and nothing of the platform."""

import base64
import dataclasses
import json
from pathlib import Path
from typing import Any

from local.apiserver.kinds import CONFIGMAP, POD, SECRET
from local.images import ImageConfig
from local.node.addresses import real_port
from tests.local_node.world import FAST, NAMESPACE_NAME, World, python, running_node, shell, until

DUMP = "import json, os; print(json.dumps(dict(os.environ)))"
TOKEN_VOLUME = {
    "name": "api",
    "projected": {
        "sources": [
            {"serviceAccountToken": {"path": "token", "expirationSeconds": 3600}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {
                "downwardAPI": {
                    "items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]
                }
            },
        ]
    },
}


def configmap(world: World, name: str, **data: str) -> None:
    world.store.create(CONFIGMAP, {"metadata": {"name": name, "namespace": NAMESPACE_NAME}, "data": data})


def secret(world: World, name: str, **data: str) -> None:
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    world.store.create(SECRET, {"metadata": {"name": name, "namespace": NAMESPACE_NAME}, "data": encoded})


async def environment(world: World, name: str, **more: Any) -> dict[str, str]:
    metadata = more.pop("metadata", {})
    world.run(name, python(DUMP, **more), metadata=metadata)
    await world.phase(name, "Succeeded")
    return json.loads(await world.log(name))


async def test_nothing_of_the_platforms_environment_leaks_in(world: World) -> None:
    env = await environment(world, "clean")

    assert "PLATFORM_SECRET" not in env
    assert set(env) == {
        *("PATH", "HOME", "TMPDIR", "HOSTNAME", "HOST", "LANG", "FROM_IMAGE"),
        *("KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT", "KUBERNETES_API_URL"),
    }
    assert env["KUBERNETES_API_URL"] == "http://127.0.0.1:8001"
    assert env["HOSTNAME"] == "clean"
    assert env["HOST"].startswith("127.")


async def test_variables_come_from_fields_objects_and_each_other(world: World) -> None:
    configmap(world, "settings", level="debug", color="blue")
    secret(world, "keys", access="s3cret")

    def ref(path: str) -> dict[str, Any]:
        return {"valueFrom": {"fieldRef": {"fieldPath": path}}}

    env = await environment(
        world,
        "informed",
        metadata={"labels": {"tp": "acme"}, "annotations": {"note.x/y": "n"}},
        envFrom=[{"configMapRef": {"name": "settings"}}, {"secretRef": {"name": "keys"}, "prefix": "KEY_"}],
        env=[
            {"name": "NAME", **ref("metadata.name")},
            {"name": "SPACE", **ref("metadata.namespace")},
            {"name": "TP", **ref("metadata.labels['tp']")},
            {"name": "NOTE", **ref("metadata.annotations['note.x/y']")},
            {"name": "IP", **ref("status.podIP")},
            {"name": "UID_", **ref("metadata.uid")},
            {"name": "LEVEL", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "level"}}},
            {"name": "ACCESS", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "access"}}},
            {"name": "MAYBE", "valueFrom": {"secretKeyRef": {"name": "no", "key": "no", "optional": True}}},
            {"name": "GREETING", "value": "$(NAME) of $(SPACE), $(UNKNOWN), $$(NAME)"},
            {"name": "color", "value": "red"},
        ],
    )

    assert (env["NAME"], env["SPACE"], env["TP"], env["NOTE"]) == ("informed", NAMESPACE_NAME, "acme", "n")
    assert (env["LEVEL"], env["ACCESS"], env["KEY_access"], env["level"]) == (
        "debug",
        "s3cret",
        "s3cret",
        "debug",
    )
    assert env["GREETING"] == "informed of lambda, $(UNKNOWN), $(NAME)"
    assert env["color"] == "red"
    assert env["IP"] == env["HOST"] == world.pod("informed")["status"]["podIP"]
    assert env["UID_"] == world.pod("informed")["metadata"]["uid"]
    assert "MAYBE" not in env


async def test_a_container_waits_for_a_missing_object_and_says_which(world: World) -> None:
    source = {"valueFrom": {"secretKeyRef": {"name": "late", "key": "k"}}}
    world.run("patient", python(DUMP, env=[{"name": "K", **source}]))
    await until(lambda: "waiting" in world.state("patient").get("state", {}))
    await until(lambda: world.state("patient")["state"]["waiting"]["reason"] == "CreateContainerConfigError")
    assert world.state("patient")["state"]["waiting"]["message"] == 'secret "late" not found'

    secret(world, "late", other="x")
    await until(lambda: "couldn't find key k" in world.state("patient")["state"]["waiting"]["message"])
    world.store.patch(SECRET, NAMESPACE_NAME, "late", {"stringData": {"k": "v"}}, patch_type="merge")

    await world.phase("patient", "Succeeded")
    assert json.loads(await world.log("patient"))["K"] == "v"


async def test_volumes_hold_what_their_sources_say(world: World) -> None:
    configmap(world, "settings", a="1", b="2")
    secret(world, "keys", k="v")
    volumes = [
        {"name": "settings", "configMap": {"name": "settings", "items": [{"key": "b", "path": "sub/b.txt"}]}},
        {"name": "keys", "secret": {"secretName": "keys"}},
        {"name": "none", "configMap": {"name": "absent", "optional": True}},
        {
            "name": "me",
            "downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]},
        },
    ]
    mounts = [{"name": volume["name"], "mountPath": f"/mnt/{volume['name']}"} for volume in volumes]
    world.run(
        "reader",
        shell(
            "cd /mnt/settings && find . -type f; cat sub/b.txt /mnt/keys/k /mnt/me/labels; ls /mnt/none",
            volumeMounts=mounts,
        ),
        volumes=volumes,
        metadata={"labels": {"x": "y"}},
    )

    await world.phase("reader", "Succeeded")

    assert await world.log("reader") == './sub/b.txt\n2vx="y"'


async def test_a_pod_waits_for_its_volumes(world: World) -> None:
    volumes = [{"name": "late", "configMap": {"name": "late"}}]
    world.run(
        "patient",
        shell("cat /late/k", volumeMounts=[{"name": "late", "mountPath": "/late"}]),
        volumes=volumes,
    )
    await until(lambda: "FailedMount" in world.reasons("patient"))
    assert world.state("patient")["state"]["waiting"]["reason"] == "ContainerCreating"

    configmap(world, "late", k="here")

    await world.phase("patient", "Succeeded")
    assert await world.log("patient") == "here"


async def test_containers_share_an_empty_dir_by_the_paths_of_their_own_mounts(world: World) -> None:
    writer = shell("echo shared > /out/file", "writer", volumeMounts=[{"name": "v", "mountPath": "/out"}])
    reader = shell(
        "until cat /in/deep/file; do sleep 0.01; done 2>/dev/null",
        "reader",
        volumeMounts=[{"name": "v", "mountPath": "/in/deep"}],
    )
    world.run("pair", writer, reader, volumes=[{"name": "v", "emptyDir": {}}])

    await world.phase("pair", "Succeeded")

    assert await world.log("pair", "reader") == "shared\n"


async def test_only_the_container_that_mounts_the_token_can_find_it(world: World) -> None:
    search = "import os; print([v for v in os.environ.values() if os.path.exists(v + '/token')])"
    mounted = python(
        "import os, pathlib; token = pathlib.Path(os.environ['TOKEN_FILE'])\n"
        "print(token.read_text()); print(*sorted(os.listdir(token.parent)))",
        "sidecar",
        env=[{"name": "TOKEN_FILE", "value": "/var/run/secrets/api/token"}],
        volumeMounts=[{"name": "api", "mountPath": "/var/run/secrets/api", "readOnly": True}],
    )
    blind = python(search, "kaniko", env=[{"name": "GUESS", "value": "/var/run/secrets/api"}])
    world.run("build", mounted, blind, volumes=[TOKEN_VOLUME], serviceAccountName="default")

    await world.phase("build", "Succeeded")

    token = (await world.log("build", "sidecar")).splitlines()[0]
    user = world.tokens.authenticate(token)
    assert user is not None
    assert user.name == f"system:serviceaccount:{NAMESPACE_NAME}:default"
    assert (await world.log("build", "sidecar")).splitlines()[1] == "ca.crt namespace token"
    assert await world.log("build", "kaniko") == "[]\n"


async def test_a_token_is_worth_nothing_when_its_pod_is_gone(world: World) -> None:
    container = shell("cat /api/token; exec sleep 600", volumeMounts=[{"name": "api", "mountPath": "/api"}])
    world.run("brief", container, volumes=[TOKEN_VOLUME])
    await until(lambda: world.state("brief").get("ready"))
    await until(lambda: world.log_file("brief").read_text())
    token = await world.log("brief")
    assert world.tokens.authenticate(token) is not None

    world.store.delete(POD, NAMESPACE_NAME, "brief")
    await world.gone("brief")

    assert world.tokens.authenticate(token) is None


async def test_an_image_brings_program_folder_and_environment(world: World, tmp_path: Path) -> None:
    rootfs = tmp_path / "rootfs"
    (rootfs / "app").mkdir(parents=True)
    (rootfs / "app" / "main.py").write_text(
        "import os, sys\nprint(os.getcwd(), sys.argv[1:], os.environ['DATA'], os.environ['OTHER'])\n"
    )
    config = ImageConfig(
        entrypoint=("python", "main.py"),
        cmd=("default",),
        env={"DATA": "/app/main.py", "OTHER": "/x"},
        workdir="/app",
    )
    world.images.tag("app:1", world.images.add(rootfs, config))
    where = world.images.resolve("app:1").rootfs
    world.run("plain", {"name": "main", "image": "app:1"})
    world.run(
        "with-args", {"name": "main", "image": "app:1", "args": ["--to=/app/main.py", "s3://b/app/main.py"]}
    )

    await world.phase("plain", "Succeeded")
    await world.phase("with-args", "Succeeded")

    assert await world.log("plain") == f"{where}/app ['default'] {where}/app/main.py /x\n"
    assert f"['--to={where}/app/main.py', 's3://b/app/main.py']" in await world.log("with-args")
    assert world.state("plain")["imageID"] == world.images.resolve("app:1").digest


async def test_python_in_a_container_has_none_of_our_packages(world: World) -> None:
    world.run("bare", {"name": "main", "image": "python", "command": ["python", "-c", "import aiohttp"]})

    await world.phase("bare", "Failed")

    assert "No module named 'aiohttp'" in await world.log("bare")


async def test_a_missing_image_is_reported_and_waited_for(world: World) -> None:
    world.run("eager", {"name": "main", "image": "absent:1", "command": ["true"]})
    seen = set()

    def both() -> bool:
        seen.add(world.state("eager").get("state", {}).get("waiting", {}).get("reason"))
        return {"ErrImagePull", "ImagePullBackOff"} <= seen

    await until(both, lambda: seen)
    assert "absent:1" in world.state("eager")["state"]["waiting"]["message"]

    world.images.register_builtin("absent:1", ImageConfig())

    await world.phase("eager", "Succeeded")


async def test_a_program_that_is_not_there_is_a_start_error(world: World) -> None:
    world.run("typo", {"name": "main", "image": "python", "command": ["no-such-program"]})

    await world.phase("typo", "Failed")

    ended = world.state("typo")["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (128, "StartError")
    assert "no-such-program" in ended["message"]


async def test_without_loopback_addresses_ports_are_mapped(tmp_path: Path) -> None:
    async with running_node(tmp_path, dataclasses.replace(FAST, own_addresses=False)) as world:
        server = (
            "import os, http.server as h\n"
            "address = os.environ['HOST'], int(os.environ['PORT'])\n"
            "h.HTTPServer(address, h.SimpleHTTPRequestHandler).serve_forever()"
        )
        container = python(
            server,
            env=[{"name": "PORT", "value": "8080"}],
            ports=[{"containerPort": 8080}],
            readinessProbe={"httpGet": {"path": "/", "port": 8080}},
        )
        for name in ("one", "two"):
            world.run(name, container)

        await until(lambda: world.state("one").get("ready") and world.state("two").get("ready"))

        ports = {real_port(world.pod(name), 8080) for name in ("one", "two")}
        assert len(ports) == 2
        assert 8080 not in ports
        assert world.pod("one")["status"]["podIP"] == "127.0.0.1"
