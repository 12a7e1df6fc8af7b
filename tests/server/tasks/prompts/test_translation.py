import dataclasses

import pytest

from server.tasks.submission import IdempotencyConflictError, InvalidParamsError, Submission, submit

ROSE = Submission(type="txt2img.sd", params={"text": "玫瑰花"}, tenant="red")


async def test_task_has_the_english_and_keeps_the_words_as_sent(services):
    params = {
        "text": "玫瑰花",
        "negative_prompt": "（雾：1.2）",
        "highres_info": {"text": "草地上的红房子"},
        "disable_easy_negative": True,
    }
    task = (await submit(services, dataclasses.replace(ROSE, params=params))).task
    assert (task.params["text"], task.params["negative_prompt"]) == ("rose", "(fog:1.2)")
    assert task.params["highres_info"]["text"] == "red house on the grass"
    assert task.original_prompts == {
        "text": "玫瑰花",
        "negative_prompt": "（雾：1.2）",
        "highres_info.text": "草地上的红房子",
    }
    async for _, logged in services.broker.tasks():
        assert logged == task
        break


async def test_english_prompt_stays_and_has_no_original(services):
    task = (await submit(services, dataclasses.replace(ROSE, params={"text": "a (rose:1.2)"}))).task
    assert (task.params["text"], task.original_prompts, task.notes) == ("a (rose:1.2)", {}, ())


async def test_prompts_of_nodes_are_translated(services):
    nodes = [
        {"key": "a", "endpoint": "txt2img.sd", "data": {"text": "玫瑰花"}},
        {"key": "unused", "endpoint": "txt2img.sd", "data": {"text": "玫瑰花"}},
        {"key": "b", "endpoint": "img2img.sd", "data": {"text": "雾"}, "injections": {"a": {"field": "url"}}},
    ]
    submission = Submission(type="workflow", params={"nodes": nodes, "target": "b"}, tenant="red")
    task = (await submit(services, submission)).task
    assert [node["data"].get("text") for node in task.params["nodes"]] == ["rose", "玫瑰花", "fog"]
    assert task.original_prompts == {"nodes.0.data.text": "玫瑰花", "nodes.2.data.text": "雾"}


async def test_prompt_of_control_task_is_translated(services):
    params = {"prompt": "玫瑰花", "hint_url": "https://example.com/a.png"}
    submission = Submission(type="control_new.canny", params=params, tenant="red")
    with pytest.raises(Exception, match="no ControlNet"):  # it is looked for after the prompt was prepared
        await submit(services, submission)


@pytest.mark.parametrize("more_models", ["  - {name: hua, path: toy.safetensors, family: sd1, reads: [zh, en]}\n"])
async def test_model_that_reads_chinese_gets_it_as_it_is(services):
    params = {"text": "（玫瑰花，“雾”）", "model": "hua"}
    task = (await submit(services, dataclasses.replace(ROSE, params=params))).task
    assert (task.params["text"], task.original_prompts) == ("（玫瑰花，“雾”）", {})
    japanese = (await submit(services, dataclasses.replace(ROSE, params={**params, "text": "かわいい"}))).task
    assert japanese.notes == ("text: 'かわいい' is Japanese and was not translated",)


async def test_names_of_embeddings_stay(services):
    params = {"text": "红色, bad-hands, 国风, 玫瑰花 style", "custom_embeddings": {"国风": [[0.0] * 768]}}
    task = (await submit(services, dataclasses.replace(ROSE, params=params))).task
    assert task.params["text"] == "red, bad-hands, 国风, rose style"
    assert task.params["embeddings"] == ["bad-hands", "style"]


async def test_untranslated_words_are_told(services, client):
    answer = (await client.post("/v1/tasks", json={"type": "txt2img.sd", "params": {"text": "빨간 집"}})).json()
    assert answer["params"]["text"] == "빨간 집"
    assert answer["warnings"] == ["text: '빨간' is Korean and was not translated"]


async def test_answer_shows_both(services, client):
    answer = (await client.post("/v1/tasks", json={"type": "txt2img.sd", "params": {"text": "玫瑰花"}})).json()
    assert (answer["params"]["text"], answer["original_prompts"]) == ("rose", {"text": "玫瑰花"})


async def test_repeated_request_is_recognised_by_the_words_as_sent(services):
    keyed = dataclasses.replace(ROSE, idempotency_key="order-1")
    first = (await submit(services, keyed)).task
    assert (await submit(services, keyed)).task.id == first.id
    with pytest.raises(IdempotencyConflictError):
        await submit(services, dataclasses.replace(keyed, params={"text": "rose"}))


async def test_full_width_syntax_counts(services):
    with pytest.raises(InvalidParamsError, match="weight 200"):
        await submit(services, dataclasses.replace(ROSE, params={"text": "（红色：200）"}))


async def test_long_prompt_stays_within_its_limit(services):
    text = "草地上的红房子，" * 2500
    task = (await submit(services, dataclasses.replace(ROSE, params={"text": text}))).task
    assert len(task.params["text"]) <= 20_000
    assert task.params["text"].startswith("red house on the grass, red house on the grass, ")
    [note] = task.notes
    assert "clauses were left out" in note
