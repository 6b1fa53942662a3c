"""Reading over REST: what a function is, what the queue is, and who may know."""

import pytest

from service.app import create_app

TOKEN, OTHER = "0123456789abcdef", "fedcba9876543210"
PATHS = ["/functions/acme/greeter", "/async-jobs/stats"]


def bearer(token):
    return {"authorization": f"Bearer {token}"}


@pytest.fixture
def tokens(tmp_path):
    path = tmp_path / "tokens"
    path.write_text(f"{TOKEN}\nshort\n\n")
    return path


@pytest.fixture
async def reader(automation, app_settings, open_client, tokens):
    async with open_client(create_app(automation, app_settings(api_tokens_file=tokens))) as client:
        yield client


async def test_a_function_is_told_to_the_holder_of_a_token(reader, automation):
    automation.functions["acme", "greeter"] = {"phase": "ready"}

    response = await reader.get("/functions/acme/greeter", headers=bearer(TOKEN))

    assert (response.status_code, response.json()) == (200, {"phase": "ready"})


@pytest.mark.parametrize("path", ["/functions/acme/nobody", "/functions/acme/%2E%2E", "/functions/a b/c"])
async def test_a_function_that_is_not_there_is_not_found(reader, path):
    response = await reader.get(path, headers=bearer(TOKEN))

    assert (response.status_code, response.json()["error_type"]) == (404, "not_found")


async def test_a_function_is_looked_at_for_drift_when_somebody_asks(reader, automation):
    automation.functions["acme", "greeter"] = {"phase": "ready"}
    automation.drift = {"resources": []}

    found = await reader.post("/functions/acme/greeter/drift", headers=bearer(TOKEN))
    absent = await reader.post("/functions/acme/nobody/drift", headers=bearer(TOKEN))
    stranger = await reader.post("/functions/acme/greeter/drift")

    assert (found.status_code, found.json()) == (200, {"phase": "ready", "drift": {"resources": []}})
    assert (absent.status_code, stranger.status_code) == (404, 401)


async def test_the_queue_is_told(reader):
    body = (await reader.get("/async-jobs/stats", headers=bearer(TOKEN))).json()

    assert body.pop("timestamp")
    assert body == {
        "worker_count": 8,
        "queue_size": 3,
        "max_queue_size": 100,
        "results_count": 2,
        "is_shutdown": False,
    }


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="none"),
        pytest.param({"authorization": TOKEN}, id="no-scheme"),
        pytest.param({"authorization": f"Basic {TOKEN}"}, id="another-scheme"),
        pytest.param(bearer(OTHER), id="unknown"),
        pytest.param(bearer(""), id="empty"),
        pytest.param(bearer("short"), id="too-short-to-count"),
    ],
)
async def test_nobody_reads_without_a_token(reader, path, headers):
    response = await reader.get(path, headers=headers)

    assert (response.status_code, response.json()["error_type"]) == (401, "unauthorized")
    assert response.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("path", PATHS)
async def test_where_no_tokens_are_set_nobody_reads(client, path):
    response = await client.get(path, headers=bearer(TOKEN))

    assert response.status_code == 403
    assert "set API_TOKENS_FILE" in response.json()["error"]


async def test_a_token_is_replaced_without_a_gap(reader, tokens):
    async def status(token):
        return (await reader.get("/async-jobs/stats", headers=bearer(token))).status_code

    tokens.write_text(f"{TOKEN}\n{OTHER}\n")
    assert [await status(TOKEN), await status(OTHER)] == [200, 200]

    tokens.write_text(f"{OTHER} \n")
    assert [await status(TOKEN), await status(OTHER)] == [401, 200]

    tokens.unlink()
    assert await status(OTHER) == 403


async def test_a_file_that_is_no_text_keeps_its_good_lines(reader, tokens):
    tokens.write_bytes(b"\xff\xfe" * 20 + f"\n{TOKEN}\n".encode())

    assert (await reader.get("/async-jobs/stats", headers=bearer(TOKEN))).status_code == 200


async def test_metrics_count_readers_by_the_kind_of_path(reader, automation):
    for name in ("a", "b"):
        await reader.get(f"/functions/acme/{name}", headers=bearer(TOKEN))

    text = (await reader.get("/metrics")).text

    assert 'path="/functions/{third_party_id}/{parser_id}"' in text
    assert "/functions/acme" not in text
