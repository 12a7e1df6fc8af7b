import pytest
from pydantic import ValidationError

import pipelines
from pipelines.synonyms import HINTS, SYNONYMS, hint_for

TXT2IMG = pipelines.find("txt2img.sd").Params
FIELDS = {name for pipeline in pipelines.every() for name in pipeline.Params.model_fields}


def test_names_of_other_programs_are_stored_under_ours() -> None:
    theirs = {"prompt": "a cat", "width": 256, "height": 320, "n": 2, "steps": 9, "cfg_scale": 5}
    ours = {"text": "a cat", "w": 256, "h": 320, "num_samples": 2, "num_steps": 9, "guidance_scale": 5}
    params = TXT2IMG.model_validate(theirs)
    assert params == TXT2IMG.model_validate(ours)
    assert params.model_fields_set == ours.keys()
    assert TXT2IMG.model_validate(params) is params


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"text": "a", "prompt": "b"}, "prompt"),
        ({"text": "a", "steps": 3, "num_inference_steps": 4}, "steps"),
        ({"text": "a", "denoising_strength": 0.3}, "denoising_strength"),
    ],
)
def test_what_is_said_twice_or_means_something_else_is_refused(values: dict[str, object], name: str) -> None:
    with pytest.raises(ValidationError) as caught:
        TXT2IMG.model_validate(values)
    assert name in {error["loc"][-1] for error in caught.value.errors()}


def test_task_without_the_parameter_refuses_the_synonym() -> None:
    with pytest.raises(ValidationError, match="prompt"):
        pipelines.find("img2img.sr").Params.model_validate({"url": "x", "prompt": "a cat"})


def test_workflow_nodes_and_injections_take_synonyms() -> None:
    nodes = [
        {"key": "words", "endpoint": "txt2txt.prompt_enhance", "data": {"prompt": "a cat"}},
        {
            "key": "cat",
            "endpoint": "txt2img.sd",
            "data": {"width": 64, "h": 64},
            "injections": {"words": {"field": "prompt", "index": 0}},
        },
    ]
    workflow = pipelines.find("workflow").Params.model_validate({"nodes": nodes, "target": "cat"})
    words, cat = workflow.nodes
    assert (words.data, cat.data) == ({"text": "a cat"}, {"w": 64, "h": 64})
    assert cat.sources[0][1].field == "text"


def test_tables_name_parameters_that_exist() -> None:
    assert set(SYNONYMS.values()) <= FIELDS
    assert {ours for hints in HINTS.values() for ours in hints} <= FIELDS


def test_hint_fits_the_task() -> None:
    assert hint_for("size", {"wh"}) == "here it is wh, as [width, height]"
    assert hint_for("width", {"w"}) == hint_for("width", None) == "here it is w"
    assert hint_for("loras", {"lora_scales"}).startswith('here it is lora_scales, as {"NAME": 0.8}')
    assert hint_for("size", {"text"}) == "this task has nothing that means the same", "no name that is only similar"
    assert hint_for("zzz", None) is None
