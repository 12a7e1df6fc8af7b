"""A sampler is found by any of its names, and asked for nothing that it cannot do."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from pipelines.txt2img import Txt2ImgParams


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"sampler": "eular"}, "did you mean euler"),
        ({"sampler": "ddim", "sigmas": "karras"}, "sigmas 'karras' do not exist for sampler 'ddim'"),
        ({"sampler": "lcm", "num_steps": 60}, "takes 50 at most"),
        ({"sampler": "tcd", "timestep_spacing": "trailing"}, "'trailing' does not exist for sampler 'tcd'"),
    ],
)
def test_what_a_sampler_cannot_do_is_refused_with_what_to_change(wrong: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Txt2ImgParams.model_validate({"text": "a cat", **wrong})
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("given", "sampler", "sigmas"),
    [
        ({"sampler": "k_euler"}, "euler", None),
        ({"sampler": "Euler a"}, "euler_a", None),
        ({"sampler": "DPM++ 2M Karras"}, "dpmpp_2m", "karras"),
        ({"sampler": "k_dpmpp_2m", "sigmas_scheduler": "karras"}, "dpmpp_2m", "karras"),
        ({"sampler": "DPM++ 2M Karras", "sigmas": "exponential"}, "dpmpp_2m", "exponential"),
    ],
)
def test_samplers_answer_to_older_names(given: dict[str, str], sampler: str, sigmas: str | None) -> None:
    params = Txt2ImgParams.model_validate({"text": "a cat", **given})
    assert (params.sampler, params.sigmas) == (sampler, sigmas)
