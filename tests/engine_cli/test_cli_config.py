"""The config commands, and the stack's file that they write: Pulumi's own, to the letter."""

import json

import pytest

from tests.engine_cli.conftest import SALT, Shop

WRITTEN_BY_PULUMI = f"""\
encryptionsalt: {SALT}
config:
  shop:size: "4"
  shop:token:
    secure: v1:H5IRcJ9EH+vWaJFQ:fpV8F+Om6gO88FMJBgkH3QRx5ZzCqQ==
  shop:tree:
    a:
      - 1
    b:
      c: hello
      d:
        secure: v1:m2X9fuy6t0i+XGng:sVKGxc9UzrHsQK+WhN61JL3H4Q==
"""
"""What the CLI wrote for `config set` of size, --secret token, --path tree.a[0], tree.b.c and tree.b.d."""


@pytest.fixture
def pulumis(dev: Shop) -> Shop:
    dev.write("Pulumi.dev.yaml", WRITTEN_BY_PULUMI)
    return dev


def test_a_file_of_pulumis_cli_is_read_and_its_secrets_are_opened(pulumis: Shop) -> None:
    assert pulumis.ok("config") == (
        'KEY    VALUE\nsize   4\ntoken  [secret]\ntree   {"a":[1],"b":{"c":"hello","d":"[secret]"}}\n'
    )
    assert "token  s3cr3t\n" in pulumis.ok("config", "--show-secrets")
    assert pulumis.ok("config", "get", "token") == "s3cr3t\n"
    assert pulumis.ok("config", "get", "--path", "tree.b.d") == "sec\n"
    assert json.loads(pulumis.ok("config", "--json")) == {
        "shop:size": {"value": "4", "secret": False},
        "shop:token": {"secret": True},
        "shop:tree": {"secret": True},
    }


def test_the_same_commands_write_what_pulumi_writes(dev: Shop) -> None:
    dev.ok("config", "set", "size", "4")
    dev.ok("config", "set", "--path", "tree.a[0]", "1")
    dev.ok("config", "set", "--path", "tree.b.c", "hello")

    assert dev.stack_file.read_text() == (
        f'encryptionsalt: {SALT}\nconfig:\n  shop:size: "4"\n'
        "  shop:tree:\n    a:\n      - 1\n    b:\n      c: hello\n"
    )


def test_a_new_secret_leaves_the_others_and_their_ciphertexts(pulumis: Shop) -> None:
    pulumis.ok("config", "set", "--secret", "aws:key", "AKIA")

    text = pulumis.stack_file.read_text()
    assert text.startswith(WRITTEN_BY_PULUMI + "  aws:key:\n    secure: v1:")
    assert "AKIA" not in text
    assert pulumis.ok("config", "get", "aws:key") == "AKIA\n"


def test_removing_a_value_leaves_the_rest(pulumis: Shop) -> None:
    pulumis.ok("config", "rm", "size")
    pulumis.ok("config", "rm", "--path", "tree.b")
    pulumis.ok("config", "rm", "never-there")

    assert pulumis.stack_file.read_text() == (
        f"encryptionsalt: {SALT}\nconfig:\n"
        "  shop:token:\n    secure: v1:H5IRcJ9EH+vWaJFQ:fpV8F+Om6gO88FMJBgkH3QRx5ZzCqQ==\n"
        "  shop:tree:\n    a:\n      - 1\n"
    )


def test_a_value_may_be_given_a_type(dev: Shop) -> None:
    dev.ok("config", "set", "on", "true", "--type", "bool")
    dev.ok("config", "set", "share", "0.5", "--type", "float")

    assert dev.stack_file.read_text().endswith("config:\n  shop:on: true\n  shop:share: 0.5\n")
    assert dev.run("config", "set", "on", "maybe", "--type", "bool").code == 2


def test_a_value_that_is_not_there_is_named(dev: Shop) -> None:
    ended = dev.run("config", "get", "nope")

    assert (ended.code, ended.err) == (1, "error: configuration key 'nope' not found for stack 'dev'\n")


def test_a_wrong_passphrase_opens_nothing(pulumis: Shop) -> None:
    ended = pulumis.run("config", "get", "token", PULUMI_CONFIG_PASSPHRASE="other")

    assert ended.code == 1
    assert "incorrect passphrase" in ended.err


def test_without_a_passphrase_and_a_terminal_the_remedy_is_told(pulumis: Shop) -> None:
    del pulumis.env["PULUMI_CONFIG_PASSPHRASE"]

    ended = pulumis.run("config", "get", "token")

    assert ended.code == 2
    assert "passphrase must be set with PULUMI_CONFIG_PASSPHRASE" in ended.err
    assert pulumis.ok("config", "get", "size") == "4\n", "what is not secret needs none"


def test_the_passphrase_may_be_in_a_file(pulumis: Shop) -> None:
    del pulumis.env["PULUMI_CONFIG_PASSPHRASE"]
    path = pulumis.write("passphrase", "pw\n")

    assert pulumis.ok("config", "get", "token", PULUMI_CONFIG_PASSPHRASE_FILE=str(path)) == "s3cr3t\n"


def test_stack_files_are_where_the_project_says(shop: Shop) -> None:
    shop.write("Pulumi.yaml", "name: shop\nruntime: python\nstackConfigDir: stacks\n")
    shop.write("stacks/Pulumi.dev.yaml", f"# ours\nencryptionsalt: {SALT}\n")
    shop.ok("stack", "init", "dev")

    shop.ok("config", "set", "size", "3")

    text = (shop.folder / "stacks" / "Pulumi.dev.yaml").read_text()
    assert text == f'# ours\nencryptionsalt: {SALT}\nconfig:\n  shop:size: "3"\n'
    assert not shop.stack_file.exists()


def test_another_file_may_be_named(dev: Shop) -> None:
    dev.write("other.yaml", f"encryptionsalt: {SALT}\nconfig:\n  shop:size: '11'\n")

    assert dev.ok("config", "get", "size", "--config-file", "other.yaml") == "11\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("secretsprovider: awskms://key\n", "secrets provider 'awskms://key' is not supported"),
        ("environment: [prod]\n", "`environment` (Pulumi ESC) is not supported"),
        ("config: [1]\n", "is no stack's file"),
        ("config: {\n", "is no valid YAML"),
    ],
)
def test_a_file_that_cannot_be_honoured_is_refused(dev: Shop, text: str, message: str) -> None:
    dev.write("Pulumi.dev.yaml", text)

    ended = dev.run("config")

    assert ended.code == 2
    assert message in ended.err


def test_a_secret_of_the_state_gives_the_file_its_salt(shop: Shop) -> None:
    shop.ok("stack", "init", "dev")
    salt = shop.stack_file.read_text().removeprefix("encryptionsalt: ").strip()
    shop.ok("up", "--yes", "--skip-preview")
    shop.stack_file.unlink()

    shop.ok("config", "set", "--secret", "token", "x")

    assert f"encryptionsalt: {salt}\n" in shop.stack_file.read_text()
    exported = json.loads(shop.ok("export"))["deployment"]["secrets_providers"]
    assert exported["state"]["salt"] == salt
