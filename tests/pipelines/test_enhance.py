from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from models.kinds.kind import ModelRef
from models.kinds.prompt_enhancer import PROMPT_ENHANCER
from models.language.prompt_enhancer import SamplingOptions
from pipelines.engine.events import Failed, Finished
from pipelines.enhance import Enhance
from tests.pipelines.conftest import Studio

ENHANCE = Enhance()


def params(**changes: Any) -> Enhance.Params:
    return ENHANCE.Params.model_validate({"text": "a photo of a red apple", "seed": 7, **changes})


def prompts(studio: Studio, **changes: Any) -> list[str]:
    finished = studio.run(ENHANCE, params(**changes), {})
    assert isinstance(finished, Finished), finished
    assert finished.result.answer is not None
    texts: list[str] = finished.result.answer["prompts"]
    return texts


def test_defaults_are_those_of_the_replaced_api() -> None:
    request = params().model_dump(exclude={"text", "seed", "model", "written", "callback_url"})
    assert request == {
        "temperature": 0.9,
        "top_k": 8,
        "max_length": 76,
        "repetition_penalty": 1.2,
        "num_return_sequences": 1,
        "comma_mode": False,
    }
    assert params(repitition_penalty=1.5) == params(repetition_penalty=1.5)


def test_every_parameter_reaches_the_model(studio: Studio) -> None:
    request: dict[str, Any] = {"temperature": 2.0, "top_k": 30, "max_length": 20, "repitition_penalty": 2.5}
    with studio.held("enhancer") as handle:
        enhancer = handle.get(ModelRef(PROMPT_ENHANCER, "enhancer"))
        *_, rows = enhancer.tokens("a photo of a red apple", 20, [7, 8], SamplingOptions(2.0, 30, 2.5, True))
        expected = [enhancer.text(row) for row in rows]
    assert prompts(studio, **request, num_return_sequences=2, comma_mode=True) == expected


def test_prompt_does_not_depend_on_the_number_of_prompts(studio: Studio) -> None:
    both = prompts(studio, num_return_sequences=2)
    assert both == [prompts(studio, seed=7)[0], prompts(studio, seed=8)[0]]
    assert both[0] != both[1]


def test_seed_is_drawn_once() -> None:
    drawn = ENHANCE.resolve(params(seed=-1))
    assert drawn.seed >= 0
    assert ENHANCE.resolve(drawn) == drawn


def test_text_as_long_as_max_length_is_refused(studio: Studio) -> None:
    failed = studio.run(ENHANCE, params(max_length=3), {})
    assert isinstance(failed, Failed)
    assert (failed.code, "raise max_length" in failed.message) == ("bad_input", True)


@pytest.mark.parametrize("wrong", [{"text": ""}, {"temperature": 0}, {"top_k": 0}, {"num_return_sequences": 9}])
def test_invalid_enhance_params_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        params(**wrong)


def test_prompts_of_the_language_model_need_no_model(studio: Studio) -> None:
    request = params(model="llm", written=["a cat at dusk", "a cat"])
    assert not Enhance().needs(request)
    assert prompts(studio, model="llm", written=["a cat at dusk", "a cat"]) == ["a cat at dusk", "a cat"]
