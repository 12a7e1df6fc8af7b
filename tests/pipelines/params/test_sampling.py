from __future__ import annotations

import pytest
from pydantic import ValidationError

from pipelines.txt2img import Txt2ImgParams


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"sampler": "eular"}, "did you mean euler"),
        ({"sampler": "ddim", "sigmas": "karras"}, "sampler 'ddim' does not support sigmas 'karras'"),
        ({"sampler": "lcm", "num_steps": 60}, "set at most 50"),
        ({"sampler": "tcd", "timestep_spacing": "trailing"}, "does not support timestep_spacing 'trailing'"),
    ],
)
def test_unsupported_sampler_options_are_refused_with_advice(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Txt2ImgParams.model_validate({"text": "a cat", **wrong})
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("values", "sampler", "sigmas"),
    [
        ({"sampler": "k_euler"}, "euler", None),
        ({"sampler": "Euler a"}, "euler_a", None),
        ({"sampler": "DPM++ 2M Karras"}, "dpmpp_2m", "karras"),
        ({"sampler": "k_dpmpp_2m", "sigmas_scheduler": "karras"}, "dpmpp_2m", "karras"),
        ({"sampler": "DPM++ 2M Karras", "sigmas": "exponential"}, "dpmpp_2m", "exponential"),
    ],
)
def test_sampler_names_of_older_clients_are_accepted(values: dict[str, str], sampler: str, sigmas: str | None) -> None:
    params = Txt2ImgParams.model_validate({"text": "a cat", **values})
    assert (params.sampler, params.sigmas) == (sampler, sigmas)
