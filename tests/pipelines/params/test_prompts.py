from pydantic import BaseModel

import pipelines
from pipelines.params.prompts import PromptText, prompts_of, with_prompts

PARAMS = pipelines.find("txt2img.sd").Params.model_validate(
    {"text": "雪山", "negative_prompt": "fog", "highres_info": {"text": "雪", "negative_prompt": ""}}
)


def test_prompts_are_found_at_any_depth_unless_they_are_empty() -> None:
    assert prompts_of(PARAMS) == {
        "text": PromptText("雪山", negative=False, limit=20_000),
        "negative_prompt": PromptText("fog", negative=True, limit=20_000),
        "highres_info.text": PromptText("雪", negative=False, limit=20_000),
    }


def test_prompts_have_the_limit_of_their_field() -> None:
    params = pipelines.find("txt2txt.prompt_enhance").Params.model_validate({"text": "雪山"})
    assert prompts_of(params)["text"].limit == 2000


def test_with_prompts_replaces_these_prompts_and_nothing_else() -> None:
    replaced = with_prompts(PARAMS, {"text": "snowy mountain", "highres_info.text": "snow"})
    assert {path: prompt.text for path, prompt in prompts_of(replaced).items()} == {
        "text": "snowy mountain",
        "negative_prompt": "fog",
        "highres_info.text": "snow",
    }
    assert with_prompts(PARAMS, {}) is PARAMS
    restored = with_prompts(replaced, {"text": "雪山", "highres_info.text": "雪"})
    assert restored.model_dump() == PARAMS.model_dump()


def test_all_texts_for_models_are_marked_as_prompts() -> None:
    """A text that is not marked is neither translated nor audited."""
    names = {"text", "prompt", "negative_prompt"}
    unmarked = [
        f"{pipeline.names[0]}: {model.__name__}.{name}"
        for pipeline in pipelines.every()
        for model in _models(pipeline.Params)
        for name in names & model.model_fields.keys()
        if not any(type(each).__name__ == "PromptMark" for each in model.model_fields[name].metadata)
    ]
    assert not unmarked


def _models(model: type[BaseModel]) -> list[type[BaseModel]]:
    inner = [annotation for field in model.model_fields.values() for annotation in _classes(field.annotation)]
    return [model, *(deeper for each in inner for deeper in _models(each))]


def _classes(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for each in getattr(annotation, "__args__", ()) for found in _classes(each)]
