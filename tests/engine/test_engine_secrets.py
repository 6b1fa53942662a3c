"""Secrets.

Encrypted wherever they are stored, marked wherever they pass, and opened by the right passphrase only.
"""

import json
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pulumi
import pytest

from engine import CheckpointRefused, Engine, FileBackend, IncorrectPassphrase, StackRef, UpdateFailed, crypto
from engine.provider import Properties, ProviderError
from engine.values import Secret
from tests.engine import states
from tests.engine.fake import Group, Thing, World

WORD = "hunter2-in-the-clear"
LINES = 'first "line"\nsecond line'
SIGNATURE = "4dabf18193072939515e22adb298388d"


@pytest.fixture
def engine(make_engine: Callable[..., Engine]) -> Engine:
    return make_engine(passphrase="correct horse")


def secret_program() -> None:
    """Put a secret everywhere."""
    word = pulumi.Output.secret(WORD)
    thing = Thing("a", password=word, nested={"list": [word]}, plain="x")
    Group("group", outputs={"word": word})
    pulumi.export("password", word)
    pulumi.export("deep", {"in": [word]})
    pulumi.export("derived", thing.id.apply(lambda id_: f"id of {id_}"))


def every_file(root: Path) -> str:
    """Return all that is stored, in one text."""
    return "\n".join(path.read_text() for path in root.rglob("*") if path.is_file())


def test_no_secret_is_ever_stored_in_the_clear(engine: Engine, stack: StackRef, root: Path) -> None:
    engine.up(stack, secret_program, secret_config={"proj:token": f"{WORD}-too"}, config={"proj:open": "yes"})

    text = every_file(root)
    assert WORD not in text
    entry = engine.history(stack)[0]
    assert entry["config"]["proj:open"] == "yes"
    salt = states.latest(root, stack)["secrets_providers"]["state"]["salt"]
    cipher = crypto.open_state("correct horse", salt)
    assert crypto.decrypt(cipher, entry["config"]["proj:token"]["secure"]) == f"{WORD}-too"


def test_outputs_are_unwrapped_and_named_as_secret(engine: Engine, stack: StackRef) -> None:
    result = engine.up(stack, secret_program)

    assert result.outputs == {"password": WORD, "deep": {"in": [WORD]}, "derived": "id of a-1"}
    assert result.secret_names == {"password", "deep"}
    found = engine.outputs(stack)
    assert (found.values, found.secret_names) == (result.outputs, result.secret_names)


def test_the_state_marks_secrets_and_the_provider_sees_them_marked(
    engine: Engine, stack: StackRef, world: World, root: Path
) -> None:
    engine.up(stack, secret_program)

    recorded = states.named(root, stack, "a")
    assert recorded["inputs"]["password"].keys() == {SIGNATURE, "ciphertext"}
    assert recorded["outputs"]["password"].keys() == {SIGNATURE, "ciphertext"}
    assert recorded["inputs"]["plain"] == "x"
    assert world.resources["a-1"]["password"] == Secret(WORD)


def test_an_unchanged_secret_is_no_change(engine: Engine, stack: StackRef, root: Path) -> None:
    engine.up(stack, secret_program)
    before = states.checkpoint_file(root, stack).read_bytes()

    assert engine.up(stack, secret_program).changes == {"same": 3}
    assert states.checkpoint_file(root, stack).read_bytes() == before


def test_ciphertexts_of_other_resources_survive_an_update(
    engine: Engine, stack: StackRef, root: Path
) -> None:
    def program(size: int) -> Any:
        def run() -> None:
            Thing("kept", password=pulumi.Output.secret(WORD))
            Thing("changed", size=size)

        return run

    engine.up(stack, program(1))
    before = states.named(root, stack, "kept")
    engine.up(stack, program(2))

    assert states.named(root, stack, "kept") == before


def test_outputs_declared_secret_become_secret(engine: Engine, stack: StackRef, root: Path) -> None:
    def program() -> None:
        thing = Thing("a", pulumi.ResourceOptions(additional_secret_outputs=["answer"]), computed=True)
        pulumi.export("answer", thing.answer)

    assert engine.up(stack, program).secret_names == {"answer"}
    assert states.named(root, stack, "a")["additionalSecretOutputs"] == ["answer"]
    assert SIGNATURE in states.named(root, stack, "a")["outputs"]["answer"]


def test_secret_configuration_stays_secret(engine: Engine, stack: StackRef, world: World) -> None:
    def program() -> None:
        pulumi.export("token", pulumi.Config().require_secret("token"))
        Thing("a")

    config = {"proj:token": WORD, "fake:key": "k"}
    result = engine.up(stack, program, secret_config=config)

    assert result.secret_names == {"token"}
    assert world.configs == [{"key": Secret("k")}]


def test_a_wrong_passphrase_opens_nothing_and_changes_nothing(
    engine: Engine, stack: StackRef, root: Path, make_engine: Callable[..., Engine]
) -> None:
    engine.up(stack, secret_program)
    before = states.checkpoint_file(root, stack).read_bytes()
    wrong = make_engine(passphrase="incorrect horse")

    with pytest.raises(IncorrectPassphrase):
        wrong.outputs(stack)
    with pytest.raises(IncorrectPassphrase):
        wrong.up(stack, secret_program)

    assert states.checkpoint_file(root, stack).read_bytes() == before
    assert engine.up(stack, secret_program).changes == {"same": 3}


def test_another_engine_with_the_passphrase_goes_on(
    engine: Engine, stack: StackRef, make_engine: Callable[..., Engine]
) -> None:
    engine.up(stack, secret_program)

    other = make_engine(passphrase="correct horse")

    assert other.outputs(stack).values["password"] == WORD
    assert other.up(stack, secret_program).changes == {"same": 3}


def test_no_key_is_derived_where_nothing_is_secret(
    world: World, root: Path, stack: StackRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deriving takes half a second of CPU; a stack without secrets must never pay for it."""

    def refuse(*_: Any) -> None:
        raise AssertionError("a key was derived")

    monkeypatch.setattr(crypto.hashlib, "pbkdf2_hmac", refuse)
    engine = Engine(FileBackend(root), {"fake": world.provider}, passphrase="never derived")

    def program() -> None:
        pulumi.export("id", Thing("a").id)

    engine.up(stack, program, config={"proj:x": "y"})

    assert engine.outputs(stack).values == {"id": "a-1"}
    assert "secrets_providers" not in states.latest(root, stack)
    engine.destroy(stack)


def test_stacks_of_one_engine_share_one_derivation(
    engine: Engine, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.up(StackRef("proj", "one"), secret_program)

    def refuse(*_: Any) -> None:
        raise AssertionError("another key was derived")

    monkeypatch.setattr(crypto.hashlib, "pbkdf2_hmac", refuse)
    engine.up(StackRef("proj", "two"), secret_program)

    assert engine.outputs(StackRef("proj", "two")).values["password"] == WORD


def test_events_show_no_secret(engine: Engine, stack: StackRef) -> None:
    events: list[dict[str, Any]] = []

    engine.up(stack, secret_program, secret_config={"proj:token": f"{WORD}-too"}, on_event=events.append)

    text = json.dumps(events)
    assert WORD not in text
    assert events[0]["preludeEvent"] == {"config": {"proj:token": "[secret]"}}
    assert (
        '{"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "ciphertext": "[secret]"}'
        in text
    )


def test_errors_show_no_secret_value_of_the_state(engine: Engine, stack: StackRef, world: World) -> None:
    world.fail("create", "a", f'Invalid value: "{WORD}" in {json.dumps(LINES)}')
    seen: list[Any] = []

    def program() -> None:
        word = pulumi.Output.secret(WORD)
        Thing("a", nested={"list": [word], "lines": pulumi.Output.secret(LINES)})

    with pytest.raises(UpdateFailed, match=r'Invalid value: "\[secret\]" in "\[secret\]"') as failure:
        engine.up(stack, program, on_event=seen.append)

    assert WORD not in str(failure.value) + str(failure.value.diagnostics) + json.dumps(seen)


def test_what_a_partial_failure_quotes_is_not_recorded_in_the_clear(
    engine: Engine, stack: StackRef, world: World, root: Path
) -> None:
    world.fail_partially("create", "a", f"the server does not like {WORD}")

    with pytest.raises(UpdateFailed):
        engine.up(stack, secret_program)

    assert states.named(root, stack, "a")["initErrors"] == ["the server does not like [secret]"]
    assert WORD not in every_file(root)


def test_reasons_that_reads_give_are_not_recorded_in_the_clear(
    engine: Engine, stack: StackRef, world: World, root: Path
) -> None:
    def program() -> None:
        Thing("a", password=pulumi.Output.secret(WORD))

    engine.up(stack, program)
    world.unready["a"] = (f"cannot log in with {WORD}",)
    engine.refresh(stack)

    assert states.named(root, stack, "a")["initErrors"] == ["cannot log in with [secret]"]


def test_what_an_imported_resource_is_not_ready_for_is_not_recorded_in_the_clear(
    engine: Engine, stack: StackRef, world: World, root: Path
) -> None:
    world.resources["a-1"] = {"name": "a", "password": WORD}
    world.unready["a"] = (f"cannot log in with {WORD}",)

    def program() -> None:
        Thing("a", pulumi.ResourceOptions(import_="a-1"), password=pulumi.Output.secret(WORD))

    preview = engine.preview(stack, program)
    engine.up(stack, program)

    assert preview.changes["import"] == 1
    assert WORD not in states.checkpoint_file(root, stack).read_text()


@pytest.mark.parametrize("kind", [ProviderError, ValueError])
def test_an_error_hides_secrets_in_all_that_it_was_raised_from(
    engine: Engine, stack: StackRef, world: World, kind: type[Exception]
) -> None:
    """Traces show the whole chain; and a provider's own mistake quotes values as well."""

    def refuse(_: str, __: Properties) -> None:
        try:
            raise OSError(f"no user {WORD}")
        except OSError as error:
            raise kind(f"{WORD} was refused") from error

    world.faults["create", "a"] = refuse

    with pytest.raises(UpdateFailed) as failure:
        engine.up(stack, lambda: Thing("a", password=pulumi.Output.secret(WORD)))

    trace = "".join(traceback.format_exception(failure.value))
    assert "[secret] was refused" in trace
    assert "no user [secret]" in trace
    assert WORD not in trace


def test_messages_show_no_secret_configuration(engine: Engine, stack: StackRef) -> None:
    seen: list[Any] = []
    inner = json.dumps({"token": "s3cr3t-token"})

    def program() -> None:
        config = pulumi.Config()
        pulumi.log.info(f"logged in with {config.require('password')}")
        raise ValueError(f"{config.require_object('login')['token']} is no good")

    with pytest.raises(UpdateFailed, match=r"\[secret\] is no good"):
        engine.up(
            stack,
            program,
            secret_config={"proj:password": WORD, "proj:login": inner},
            on_event=seen.append,
        )

    messages = [event["diagnosticEvent"]["message"] for event in seen if "diagnosticEvent" in event]
    assert messages[0] == "logged in with [secret]"
    assert "s3cr3t" not in json.dumps(seen)


def test_secrets_stay_secret_on_every_way_into_the_state(
    engine: Engine, stack: StackRef, world: World, root: Path
) -> None:
    """In a trigger, nested in inputs, in outputs of components and of the stack, and through a refresh."""
    hidden = pulumi.Output.secret

    def program() -> None:
        a = Thing(
            "a",
            pulumi.ResourceOptions(replacement_trigger=hidden("s3cr3t-1")),
            nested={"list": [hidden("s3cr3t-2")]},
            key=hidden("s3cr3t-3"),
        )
        Group("g", None, {"in": hidden("s3cr3t-4")}, {"out": a.id.apply(lambda _: hidden("s3cr3t-5"))})
        pulumi.export("made", pulumi.Output.all(a.key).apply(lambda found: f"{found[0]} and more"))

    engine.up(stack, program)
    world.named("a").update(key="s3cr3t-6", nested={"list": ["x"]})
    engine.refresh(stack)

    assert "s3cr3t-" not in every_file(root)
    assert engine.outputs(stack).secret_names == {"made"}
    assert engine.up(stack, program).changes == {"same": 2, "update": 1}


def test_what_becomes_secret_without_a_change_is_recorded_so(
    engine: Engine, stack: StackRef, world: World, root: Path
) -> None:
    engine.up(stack, lambda: Thing("a", key="s3cr3t", token="hidden"))

    result = engine.up(
        stack,
        lambda: Thing(
            "a",
            pulumi.ResourceOptions(additional_secret_outputs=["token"]),
            key=pulumi.Output.secret("s3cr3t"),
            token="hidden",
        ),
    )

    assert result.changes == {"same": 2}
    assert "s3cr3t" not in states.checkpoint_file(root, stack).read_text()
    assert "ciphertext" in states.named(root, stack, "a")["outputs"]["token"]


def test_a_configuration_file_is_encrypted_with_the_stacks_salt(engine: Engine, stack: StackRef) -> None:
    """Pulumi expects the same salt record in both places."""
    engine.up(stack, secret_program)
    ours = engine.secrets(stack)

    token = ours.encrypt("in the file")

    assert token.startswith("v1:")
    assert crypto.Secrets("correct horse", ours.state).decrypt(token) == "in the file"
    with pytest.raises(IncorrectPassphrase):
        crypto.Secrets("battery staple", ours.state).decrypt(token)


def test_a_configuration_file_of_a_new_stack_gets_a_salt_of_its_own() -> None:
    secrets = crypto.Secrets("correct horse", None)
    assert secrets.state is None

    token = secrets.encrypt("first")

    assert crypto.Secrets("correct horse", secrets.state).decrypt(token) == "first"


@pytest.mark.parametrize(
    "token", ["", "v1:a", "v2:YQ==:YQ==", "v1:%%:YQ==", "v1:YWFhYWFhYWFhYWFh:%", "v1:YQ==:YQ=="]
)
def test_damaged_secrets_are_told_from_wrong_passphrases(token: str) -> None:
    with pytest.raises(CheckpointRefused):
        crypto.decrypt(crypto.cipher_for("x", b"saltsalt"), token)


@pytest.mark.parametrize("record", ["", "v1:a", "v2:YQ==:v1:YQ==:YQ==", "v1:%:v1:YQ==:YQ=="])
def test_a_damaged_salt_record_is_refused(record: str) -> None:
    with pytest.raises(CheckpointRefused):
        crypto.open_state("x", record)
