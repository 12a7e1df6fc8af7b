import asyncio
import dataclasses
from collections import Counter

import httpx
import pytest

from server.api.app import create_app
from server.audit.text_audit import TextAudit
from server.tenancy.auth import new_key

KEY, SETTING = new_key("red")
PATHS = ("/engine/get_prompt", "/engine/translate", "/get_prompt", "/prod-open-aigc/engine/get_prompt")


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        ({"text": " a red house "}, "a red house"),
        ({"text": "ein Haus, (rot:1.2)", "need_translate": True}, "ein Haus, (rot:1.2)"),
        ({"text": "一朵玫瑰花", "need_translate": False}, "一朵玫瑰花"),
        ({"text": "一朵玫瑰花"}, "a rose"),
        ({"text": "（红色：1.3）<lora:国风:0.8>，easynegative"}, "(red:1.3)<lora:国风:0.8>,easynegative"),
    ],
)
async def test_prompt_is_answered_in_english(client, sent, text):
    for path in PATHS:
        reply = await client.post(path, json=sent)
        assert reply.json() == {"text": text, "success": True, "reason": ""}


@pytest.mark.parametrize(
    ("text", "reason"),
    [("かわいい（猫）", "'かわいい' is not English"), ("빨간 집", "'빨간' is"), ("红，𪚥𪚥", "'𪚥𪚥' is not")],
)
async def test_what_cannot_be_translated_comes_back_with_the_reason(client, text, reason):
    reply = (await client.post("/engine/get_prompt", json={"text": text})).json()
    assert (reply["text"], reply["success"]) == (text, False)
    assert reply["reason"].startswith(reason)
    assert "need_translate" in reply["reason"]


@pytest.mark.parametrize("overrides", [{"translator": "off"}])
async def test_without_a_translator_chinese_is_refused(client):
    reply = (await client.post("/engine/get_prompt", json={"text": "（玫瑰花）"})).json()
    assert (reply["text"], reply["success"]) == ("（玫瑰花）", False)


@pytest.mark.parametrize("more_models", ["  - {name: hua, path: toy.safetensors, family: sd1, reads: [zh, en]}\n"])
async def test_other_models_that_read_chinese_change_nothing(client):
    assert (await client.post("/engine/get_prompt", json={"text": "玫瑰花"})).json()["text"] == "rose"


async def test_text_that_is_too_long_is_refused_in_the_shape_of_prompts(client):
    reply = await client.post("/engine/get_prompt", json={"text": "x" * 20_001})
    assert reply.status_code == 422
    assert reply.json().keys() == {"text", "success", "reason"}


@pytest.fixture
def low_rate(tmp_path, overrides) -> None:
    """The tenant may send two prompts in ten minutes, and as many tasks as it likes."""
    overrides["tenants"] = tmp_path / "tenants.yaml"
    overrides["tenants"].write_text("tenants: {red: {prompt_rate: {per_minute: 0.1, burst: 2}}}")
    overrides["api_keys"] = SETTING


async def test_prompts_have_a_rate_limit_of_their_own(low_rate, client):
    headers = {"Authorization": f"Bearer {KEY}"}
    replies = await asyncio.gather(
        *(client.post(path, json={"text": "x"}, headers=headers) for path in (*PATHS, *PATHS[:1]))
    )
    assert Counter(reply.status_code for reply in replies) == {200: 2, 429: 3}
    refused = next(reply for reply in replies if reply.status_code == 429)
    assert 590 < int(refused.headers["retry-after"]) <= 600
    assert (refused.json()["text"], refused.json()["success"]) == ("", False)
    assert refused.json()["reason"].startswith("rate limit: 0.1 prompts a minute")
    task = {"task": "txt2img.sd", "params": {"text": "x"}}
    assert (await client.post("/engine/push", json=task, headers=headers)).json()["success"]


@pytest.mark.parametrize(
    ("action", "text", "answer"),
    [
        ("refuse", "porn of a cat", ("porn of a cat", False, "sexual/explicit")),
        ("refuse", "一张裸體的照片", ("一张裸體的照片", False, "sexual/nudity")),
        ("refuse", "a cat", ("a cat", True, "")),
        ("mask", "((porn:1.2)), a cat", ("a cat", True, "")),
        ("report", "porn of a cat", ("porn of a cat", True, "")),
    ],
)
async def test_prompt_is_audited(services, action, text, answer):
    terms = services.settings.model_copy(update={"text_audit": action})
    audited = dataclasses.replace(services, text_audit=TextAudit(terms))
    transport = httpx.ASGITransport(create_app(audited), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://hua") as asking:
        for body in {"text": text}, {"text": text, "need_translate": False}:
            reply = (await asking.post("/engine/get_prompt", json=body)).json()
            assert tuple(reply.values()) == answer


async def test_english_of_a_prompt_is_audited(services, tmp_path):
    (tmp_path / "flowers.txt").write_text("rose")
    settings = services.settings.model_copy(update={"text_audit": "refuse", "words": tmp_path})
    audited = dataclasses.replace(services, text_audit=TextAudit(settings))
    transport = httpx.ASGITransport(create_app(audited), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://hua") as asking:
        reply = (await asking.post("/engine/get_prompt", json={"text": "玫瑰花"})).json()
    assert reply == {"text": "玫瑰花", "success": False, "reason": "flowers"}
