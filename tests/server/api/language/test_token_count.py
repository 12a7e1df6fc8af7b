"""POST /v1/prompts/count on a server whose models are files of the test."""

from __future__ import annotations

import json
import struct

import pytest

PATH = "/v1/prompts/count"


async def test_tokens_and_chunks_of_a_prompt(client) -> None:
    answer = await client.post(PATH, json={"text": "a red house"})
    assert answer.json() == {
        "model": "toy",
        "tokens": 3,
        "chunk_size": 75,
        "prompts": [{"tokens": 3, "chunks": [{"tokens": 3, "text": "a red house"}]}],
    }


@pytest.mark.parametrize(
    ("text", "tokens", "chunks"),
    [
        ("", 0, [""]),
        ("((red)) [house] \\(a\\) x:y", 8, ["red house (a) x:y"]),
        ("(red house:1.3) <lora:ink:0.8>", 2, ["red house"]),
        ("red BREAK house", 2, ["red", "house"]),
        ("[red:dark blue sky:0.5]", 3, ["dark blue sky"]),
        (", ".join(["cat"] * 38), 75, [", ".join(["cat"] * 38)]),
        (", ".join(["cat"] * 39), 77, [", ".join(["cat"] * 38), ", cat"]),
    ],
)
async def test_words_fall_where_the_text_encoder_cuts(client, text: str, tokens: int, chunks: list[str]) -> None:
    prompt = (await client.post(PATH, json={"text": text})).json()["prompts"][0]
    assert (prompt["tokens"], [chunk["text"] for chunk in prompt["chunks"]]) == (tokens, chunks)


async def test_prompts_joined_by_and_are_counted_apart(client) -> None:
    answer = (await client.post(PATH, json={"text": "a cat AND a big dog:1.2"})).json()
    assert [prompt["tokens"] for prompt in answer["prompts"]] == [2, 3]
    assert answer["tokens"] == 3


async def test_an_embedding_takes_as_many_tokens_as_it_has_vectors(client, settings) -> None:
    header = json.dumps({"emb_params": {"dtype": "F16", "shape": [8, 768], "data_offsets": [0, 8 * 768 * 2]}}).encode()
    content = struct.pack("<Q", len(header)) + header + bytes(8 * 768 * 2)
    (settings.models_dir / "Neg.safetensors").write_bytes(content)
    assert (await client.post("/v1/models/refresh")).status_code == 200
    prompt = (await client.post(PATH, json={"text": "a cat, neg, NEG"})).json()["prompts"][0]
    assert (prompt["tokens"], prompt["chunks"][0]["text"]) == (3 + 8 + 1 + 8, "a cat, neg , NEG")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"text": "a", "model": "nothing"}, "nothing"),
        ({"text": "a", "model": "ink"}, "ink"),
        ({"text": "(a:1000)"}, "weight"),
        ({"text": "a", "steps": 3}, "steps"),
    ],
)
async def test_what_cannot_be_counted_is_refused(client, body: dict[str, str], message: str) -> None:
    answer = await client.post(PATH, json=body)
    assert answer.status_code == 422
    assert message in answer.text
