"""Secret values: in the state encrypted, in errors masked, to the program as secrets."""

import json

import pulumi
import pytest

from engine import UpdateFailed
from engine.aws.iam_identities import smtp_password
from tests.engine_aws.cloud import STACK, Cloud, Resource
from tests.engine_aws.stubs import refusal

PASSWORD = "correct horse battery"


def test_an_access_keys_secret_is_encrypted_in_the_state_and_survives_a_refresh(cloud: Cloud) -> None:
    def program() -> None:
        user = Resource("aws:iam/user:User", "storage", {})
        key = Resource("aws:iam/accessKey:AccessKey", "it", {"user": user.id}, outputs=("secret",))
        pulumi.export("secret", key["secret"])

    result = cloud.up(program)
    cloud.refresh()

    assert result.secret_names == {"secret"}
    assert len(result.outputs["secret"]) > 20
    assert result.outputs["secret"] not in json.dumps(cloud.engine.export(STACK))
    assert cloud.up(program).outputs == result.outputs


def test_a_secret_value_that_others_changed_stays_a_secret_when_it_is_read(cloud: Cloud) -> None:
    def program() -> None:
        secret = Resource("aws:secretsmanager/secret:Secret", "broker", {"name": "broker"})
        Resource(
            "aws:secretsmanager/secretVersion:SecretVersion",
            "it",
            {"secretId": secret.id, "secretString": pulumi.Output.secret(PASSWORD)},
        )

    cloud.up(program)
    cloud.refresh()

    assert PASSWORD not in json.dumps(cloud.engine.export(STACK))
    assert cloud.call("secretsmanager", "get_secret_value", SecretId="broker")["SecretString"] == PASSWORD


def test_an_error_that_quotes_a_secret_is_masked(cloud: Cloud) -> None:
    def quote(parameters: dict[str, str]) -> None:
        raise refusal("ValidationException", message=f"value {parameters['SecretString']} is too short")

    def program() -> None:
        props = {"secretId": "x", "secretString": pulumi.Output.secret(PASSWORD)}
        Resource("aws:secretsmanager/secretVersion:SecretVersion", "it", props)

    cloud.faults["put_secret_value"] = quote

    with pytest.raises(UpdateFailed, match=r"value \[secret\] is too short") as failure:
        cloud.up(program)

    assert PASSWORD not in str(failure.value)


def test_credentials_of_the_provider_are_secrets_in_the_state(cloud: Cloud) -> None:
    cloud.up(lambda: Resource("aws:iam/user:User", "it", {}))

    assert "secret-of-the-tests" not in json.dumps(cloud.engine.export(STACK))


def test_the_smtp_password_is_made_as_amazon_documents_it() -> None:
    # Version byte 4, then 32 bytes: the algorithm of the SES documentation, checked by its shape and salt.
    password = smtp_password("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "eu-west-1")

    assert len(password) == 44
    assert password.startswith("B")
    assert password != smtp_password("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "us-east-1")
