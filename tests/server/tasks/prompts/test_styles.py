"""Tasks that name styles and offer variants, as they are accepted."""

from __future__ import annotations

import base64
import dataclasses
from typing import Any

import pytest

from server.prompts.wildcards import Wildcards
from server.task import Task
from server.tasks.submission import InvalidParamsError, Submission, submit

STYLES = """
styles:
  - {id: 7, title: Ink Look, prompt: "ink painting of {prompt}", negative_prompt: photo, loras: {ink: 0.5},
     model: anime-toy, params: {num_steps: 12, guidance_scale: 3, fidelity: 0.5}}
  - {id: paper, prompt: on paper}
"""
STYLED = pytest.mark.parametrize("more_models", [STYLES])


async def accepted(services, params: dict[str, Any], type_: str = "txt2img.sd") -> Task:
    return (await submit(services, Submission(type=type_, params=params, tenant="red"))).task


@STYLED
async def test_styles_add_words_loras_and_what_is_not_set(services) -> None:
    params = {"text": "a cat", "styles": ["ink look", "paper"], "num_steps": 9, "lora_scales": {"ink": 0.7}}
    task = await accepted(services, params)
    assert task.params["text"] == "ink painting of a cat, on paper"
    assert "photo" in task.params["negative_prompt"]
    assert task.params["lora_scales"] == {"ink": 0.7}
    assert (task.params["num_steps"], task.params["guidance_scale"]) == (9, 3)
    assert task.params["model"] == "anime-toy"
    assert task.params["styles"] == []
    assert task.original_prompts == {"text": "a cat", "negative_prompt": ""}


@STYLED
async def test_a_style_counts_for_its_node_alone(services) -> None:
    nodes = [
        {"key": "one", "endpoint": "txt2img.sd", "data": {"text": "a cat", "styles": ["paper"]}},
        {"key": "two", "endpoint": "txt2img.sd", "data": {"text": "a dog"}},
    ]
    task = await accepted(services, {"nodes": nodes, "target": "two", "intermediate": ["one"]}, "workflow")
    texts = [node["data"]["text"] for node in task.params["nodes"]]
    assert texts == ["a cat, on paper", "a dog"]
    assert task.original_prompts == {"nodes.0.data.text": "a cat"}


@STYLED
async def test_an_unknown_style_is_refused_with_those_there_are(services) -> None:
    with pytest.raises(InvalidParamsError, match="did you mean paper") as refusal:
        await accepted(services, {"text": "a", "styles": ["papers"]})
    assert refusal.value.field == "styles"


@STYLED
async def test_a_style_that_makes_params_wrong_is_refused(services) -> None:
    with pytest.raises(InvalidParamsError, match="text"):
        await accepted(services, {"text": "a" * 19_999, "styles": ["paper"]})


async def test_variants_are_chosen_by_the_seed(services, tmp_path) -> None:
    services = dataclasses.replace(services, wildcards=Wildcards(tmp_path))
    (tmp_path / "animals.txt").write_text("cat\ndog\n")
    params = {"text": "{red|blue} __animals__", "negative_prompt": "{x|y}", "seed": 3}
    first, second = [await accepted(services, params) for _ in range(2)]
    assert first.params["text"] == second.params["text"]
    assert first.params["text"] in {f"{colour} {animal}" for colour in ("red", "blue") for animal in ("cat", "dog")}
    assert first.params["negative_prompt"] in {"x", "y"}
    assert first.original_prompts["text"] == params["text"]
    texts = {(await accepted(services, {**params, "seed": -1})).params["text"] for _ in range(20)}
    assert len(texts) > 1


FULL_WIDTH = """
styles:
  - {id: colored, prompt: "｛红色｜红色｝的{prompt}"}
"""


@pytest.mark.parametrize("more_models", [FULL_WIDTH])
async def test_full_width_variants_of_styles_and_wildcards_are_chosen(services, tmp_path) -> None:
    """Else braces would be painted, and the text would not stay the same when the image is painted again."""
    services = dataclasses.replace(services, wildcards=Wildcards(tmp_path))
    (tmp_path / "things.txt").write_text("｛房子｜房子｝。")
    styled = await accepted(services, {"text": "房子。", "styles": ["colored"], "seed": 3})
    drawn = await accepted(services, {"text": "红色的__things__", "seed": 3})
    assert (styled.params["text"], drawn.params["text"]) == ("red house", "red house")


async def test_an_unknown_wildcard_is_refused(services) -> None:
    task = await accepted(services, {"text": "__animals__"})
    assert task.params["text"] == "__animals__"
    with pytest.raises(InvalidParamsError, match="variants are nested") as refusal:
        await accepted(services, {"text": "{a|" * 30 + "}" * 30})
    assert refusal.value.field == "text"


PORTRAIT = """
styles:
  - {id: JOJO_style, prompt: "hatched {prompt}", model: toy, loras: {ink: 0.5}, params: {control_strength: 1.5}}
"""


async def test_own_style_of_a_task_type_adds_words_and_params(services, png) -> None:
    image = base64.b64encode(png).decode()
    task = await accepted(services, {"url": image, "style": "JOJO_style", "text": "红头发"}, "img2img.portrait")
    assert (
        task.params["text"]
        == "anime portrait, red hair, bold outlines, dramatic shading, hatching, strong contrast, posed"
    )
    assert (task.params["style"], task.params["control_strength"]) == ("", 0.8)
    assert task.original_prompts == {"text": "红头发"}
    again = await accepted(services, dict(task.params), "img2img.portrait")
    assert again.params == task.params


@pytest.mark.parametrize("more_models", [PORTRAIT])
async def test_operators_style_takes_the_place_of_one_of_the_task_type(services, png) -> None:
    image = base64.b64encode(png).decode()
    task = await accepted(services, {"url": image, "style": "JOJO_style"}, "img2img.portrait")
    assert task.params["text"] == "hatched"
    assert (task.params["model"], task.params["control_strength"]) == ("toy", 1.5)
    assert task.params["lora_scales"] == {"ink": 0.5}


@STYLED
async def test_unknown_style_of_a_portrait_is_refused_with_the_list(services, png) -> None:
    image = base64.b64encode(png).decode()
    with pytest.raises(
        InvalidParamsError, match=r"there is no style 'JOJO'; there are: Chinese_style, .*paper"
    ) as refusal:
        await accepted(services, {"url": image, "style": "JOJO"}, "img2img.portrait")
    assert refusal.value.field == "style"
    with pytest.raises(InvalidParamsError, match="there is no style 'JOJO_style'") as refusal:
        await accepted(services, {"text": "a cat", "styles": ["JOJO_style"]})
