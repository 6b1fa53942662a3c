"""The stack commands: what is listed, made, renamed, exported, imported and forgotten."""

import argparse
import json
import re
from pathlib import Path

import pytest

from engine import FileBackend, StackRef
from engine.cli import flags
from engine.locks import held
from tests.engine_cli.conftest import SALT, Shop


def test_a_new_stack_is_selected_and_listed(dev: Shop) -> None:
    assert dev.ok("stack", "ls").splitlines()[1].split()[0] == "dev*"
    assert json.loads(dev.ok("stack", "ls", "--json"))[0]["current"] is True


def test_a_stack_is_made_once(dev: Shop) -> None:
    ended = dev.run("stack", "init", "dev")

    assert (ended.code, ended.err) == (1, "error: stack 'dev' already exists\n")


def test_a_new_stack_has_one_salt_in_state_and_file(shop: Shop) -> None:
    shop.ok("stack", "init", "dev")

    salt = shop.stack_file.read_text().removeprefix("encryptionsalt: ").strip()
    assert json.loads(shop.ok("export"))["deployment"]["secrets_providers"]["state"] == {"salt": salt}


def test_commands_follow_the_selection_the_flag_and_the_environment(dev: Shop) -> None:
    dev.write("Pulumi.stg.yaml", f"encryptionsalt: {SALT}\n")
    dev.ok("stack", "init", "stg")

    assert "Current stack is stg:" in dev.ok("stack")
    assert "Current stack is dev:" in dev.ok("stack", "--stack", "dev")
    assert "Current stack is dev:" in dev.ok("stack", PULUMI_STACK="dev")
    assert "Current stack is dev:" in dev.ok("stack", "-s", "organization/shop/dev")
    dev.ok("stack", "select", "dev")
    assert "Current stack is dev:" in dev.ok("stack")
    dev.ok("stack", "unselect")
    assert dev.run("stack").code == 6


def test_the_selection_is_kept_where_pulumi_keeps_it(dev: Shop) -> None:
    (path,) = Path(dev.env["PULUMI_HOME"], "workspaces").iterdir()

    assert path.name.startswith("shop-")
    assert path.name.endswith("-workspace.json")
    assert json.loads(path.read_text()) == {"stack": "dev"}


@pytest.mark.parametrize(
    "argv",
    [
        ("up", "--yes"),
        ("preview",),
        ("refresh", "--yes"),
        ("destroy", "--yes"),
        ("stack", "output"),
        ("stack", "select"),
        ("stack", "rm", "--yes"),
        ("stack", "rename", "other"),
        ("stack", "export"),
        ("history",),
        ("cancel", "--yes"),
    ],
)
def test_a_stack_that_is_not_there_is_code_6(dev: Shop, argv: tuple[str, ...]) -> None:
    ended = dev.run(*argv, "--stack", "nope")

    assert ended.code == 6
    assert "no stack named 'nope' found" in ended.err


def test_a_stack_of_another_project_is_refused(dev: Shop) -> None:
    assert "organization/shop/dev is expected" in dev.run("stack", "-s", "organization/other/dev").err


def test_outputs_are_shown_masked_whole_or_one_by_one(deployed: Shop) -> None:
    assert deployed.ok("stack", "output") == (
        "Current stack outputs (2):\n    OUTPUT    VALUE\n    first     first\n    password  [secret]\n"
    )
    assert deployed.ok("outputs", "first") == "first\n"
    assert deployed.ok("outputs", "password") == "[secret]\n"
    assert deployed.ok("outputs", "password", "--show-secrets") == "hunter2\n"
    assert deployed.ok("outputs", "--shell") == "first=first\npassword='[secret]'\n"
    assert json.loads(deployed.ok("outputs", "--json")) == {"first": "first", "password": "[secret]"}
    ended = deployed.run("outputs", "nope")
    assert (ended.code, ended.err) == (1, "error: current stack does not have output property 'nope'\n")


def test_the_stack_is_shown_as_a_tree(deployed: Shop) -> None:
    assert (
        "Current stack resources (4):\n"
        "    TYPE                    NAME\n"
        "    pulumi:pulumi:Stack     shop-dev\n"
        "    ├─ fake:index:Group     group\n"
        "    │  └─ fake:index:Thing  first\n"
        "    └─ fake:index:Thing     second\n"
    ) in deployed.ok("stack")


def test_what_is_exported_can_be_imported_again(deployed: Shop, tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    deployed.ok("stack", "export", "--file", str(path))
    deployed.ok("destroy", "--yes")

    assert "Import complete." in deployed.ok("import", "--file", str(path))
    assert (
        json.loads(path.read_text())["deployment"]["resources"]
        == (json.loads(deployed.ok("export"))["deployment"]["resources"])
    )


def test_an_export_holds_secrets_in_the_open_only_on_request(deployed: Shop) -> None:
    assert "hunter2" not in deployed.ok("export")
    assert "hunter2" in deployed.ok("export", "--show-secrets")


def test_what_is_no_deployment_is_not_imported(dev: Shop) -> None:
    path = dev.write("state.json", "[]")

    assert dev.run("import", "--file", str(path)).code == 2
    path.write_text("{")
    assert dev.run("import", "--file", str(path)).code == 2


def test_a_rename_takes_file_and_selection_along(deployed: Shop) -> None:
    deployed.ok("stack", "rename", "prd")

    assert not deployed.stack_file.exists()
    assert (deployed.folder / "Pulumi.prd.yaml").exists()
    assert deployed.ok("stack", "ls").splitlines()[1].startswith("prd*")
    assert "urn:pulumi:prd::shop" in deployed.ok("export")


def test_a_rename_overwrites_no_other_stacks_file(dev: Shop) -> None:
    dev.write("Pulumi.prd.yaml", "config: {}\n")

    assert "exists already" in dev.run("stack", "rename", "prd").err
    assert dev.stack_file.exists()


def test_a_stack_with_resources_is_removed_only_by_force(deployed: Shop) -> None:
    assert "--yes" in deployed.run("stack", "rm", "dev").err
    assert deployed.run("stack", "rm", "dev", "--yes").code == 1

    deployed.ok("stack", "rm", "dev", "--yes", "--force", "--preserve-config")

    assert deployed.stack_file.exists()
    assert deployed.run("stack").code == 6, "nor is it selected any more"


def test_a_lock_is_reported_with_its_owner_and_broken_by_cancel(dev: Shop) -> None:
    backend = FileBackend(dev.env["PULUMI_BACKEND_URL"])
    with held(backend, StackRef("shop", "dev")):
        ended = dev.run("up", "--yes", "--skip-preview")
        assert ended.code == 1
        assert "the stack is currently locked by 1 lock(s)" in ended.err
        assert "created by" in ended.err
        assert "in progress" in dev.ok("stack", "ls")

        assert "has been canceled!" in dev.ok("cancel", "dev")

        dev.ok("up", "--yes", "--skip-preview")


def test_a_project_is_found_from_a_folder_below(dev: Shop) -> None:
    inner = dev.write("a/b/file", "").parent

    assert "dev" in dev.ok("stack", "ls", "-C", str(inner))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: shop\nruntime: nodejs\n", "the runtime 'nodejs'"),
        ("runtime: python\n", "has no `name`"),
        ("- shop\n", "is no project file"),
        ("name: shop\nruntime: python\nbackend: {url: 3}\n", "`url` is 3"),
    ],
)
def test_a_project_file_that_is_none_is_refused(shop: Shop, text: str, message: str) -> None:
    shop.write("Pulumi.yaml", text)

    ended = shop.run("stack", "ls")

    assert ended.code == 2
    assert message in ended.err


def test_no_project_no_backend_and_a_cloud_backend_are_told_with_their_remedies(
    shop: Shop, tmp_path: Path
) -> None:
    del shop.env["PULUMI_BACKEND_URL"]
    assert "--backend, PULUMI_BACKEND_URL or `backend.url`" in shop.run("stack", "ls").err
    assert "(Pulumi Cloud) is not supported" in shop.run("stack", "ls", "--backend", "https://x").err
    (shop.folder / "Pulumi.yaml").unlink()
    ended = shop.run("stack", "ls", "--backend", f"file://{tmp_path}")
    assert ended.code == 2
    assert "no Pulumi.yaml project file found" in ended.err


def test_the_backend_may_come_from_the_project_or_from_pulumi_login(shop: Shop, tmp_path: Path) -> None:
    url = shop.env.pop("PULUMI_BACKEND_URL")
    home = Path(shop.env["PULUMI_HOME"])
    home.mkdir()
    (home / "credentials.json").write_text(json.dumps({"current": url}))
    shop.write("Pulumi.dev.yaml", f"encryptionsalt: {SALT}\n")
    shop.ok("stack", "init", "dev")
    assert "dev" in shop.ok("stack", "ls")

    shop.write("Pulumi.yaml", f"name: shop\nruntime: python\nbackend:\n  url: file://{tmp_path}/elsewhere\n")

    assert "dev" not in shop.ok("stack", "ls")


def test_a_missing_program_is_named(dev: Shop) -> None:
    (dev.folder / "__main__.py").unlink()

    ended = dev.run("preview")

    assert ended.code == 2
    assert "there is no program at" in ended.err


def test_wrong_words_are_code_2_with_the_way_to_help(shop: Shop) -> None:
    for argv in (("fly",), ("up", "--bogus"), ("config", "set"), ("up", "--parallel", "0")):
        ended = shop.run(*argv)

        assert ended.code == 2
        assert "--help" in ended.err


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("30s", 30), ("1.5s", 1.5), ("2m30s", 150), ("1h", 3600), ("0", 0)]
)
def test_times_are_written_as_in_go(text: str, seconds: float) -> None:
    assert flags.seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "-3", "3 s", "1d"])
def test_what_is_no_time_is_refused(shop: Shop, text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=f"^{re.escape(repr(text))} is no time: expected"):
        flags.seconds(text)
    assert shop.run("up", f"--lock-timeout={text}").code == 2


def test_a_damaged_state_is_named_with_what_there_is_beside_it(deployed: Shop) -> None:
    path = Path(deployed.env["PULUMI_BACKEND_URL"].removeprefix("file://"), ".pulumi/stacks/shop/dev.json")
    path.write_text("garbage")

    for argv in (("stack", "ls"), ("stack",), ("preview",), ("stack", "output"), ("destroy", "--yes")):
        ended = deployed.run(*argv)
        assert ended.code == 1
        assert ended.err == (
            f"error: stack shop/dev: the state is no JSON: Expecting value: line 1 column 1 (char 0) (file "
            f"file://{path}; the state before the last write is beside it as .bak, earlier ones are in "
            ".pulumi/backups/shop/dev)\n"
        )
    path.with_suffix(".json.bak").rename(path)
    deployed.ok("preview")


def test_an_import_without_a_deployment_leaves_the_state_alone(deployed: Shop, tmp_path: Path) -> None:
    before = deployed.ok("export")
    (tmp_path / "empty.json").write_text('{"version": 3}')

    ended = deployed.run("stack", "import", "--file", str(tmp_path / "empty.json"))

    assert (ended.code, ended.err) == (
        1,
        "error: the file holds no deployment; give what `stack export` wrote\n",
    )
    assert deployed.ok("export") == before


def test_files_that_cannot_be_opened_are_named(dev: Shop, tmp_path: Path) -> None:
    missing = str(tmp_path / "missing" / "file.json")
    (tmp_path / "latin").write_bytes(b'"\xff"')

    for argv in (("import", "--file", missing), ("export", "--file", missing)):
        ended = dev.run(*argv)
        assert (ended.code, ended.err) == (
            1,
            f"error: cannot open or write {missing}: No such file or directory\n",
        )
    ended = dev.run("import", "--file", str(tmp_path / "latin"))
    assert ended.code == 2
    assert ended.err.startswith("error: the deployment is no JSON: ")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (("up", "--yess"), "unrecognized arguments: --yess; did you mean --yes?\nusage: python -m engine up"),
        (("stack", "ls", "extra"), "unrecognized arguments: extra\nusage: python -m engine stack ls"),
        (("up", "--parallel", "0"), "argument -p/--parallel: '0' is no whole number from 1"),
        (
            ("up", "--lock-timeout", "soon"),
            "argument --lock-timeout: 'soon' is no time: expected as in 90, 1.5s, 2m30s or 1h",
        ),
    ],
)
def test_a_mistyped_flag_is_told_with_what_is_allowed(dev: Shop, argv: tuple[str, ...], message: str) -> None:
    ended = dev.run(*argv)

    assert ended.code == 2
    assert ended.err.startswith(f"error: {message}")
