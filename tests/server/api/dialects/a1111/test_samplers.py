"""A1111's names of samplers and schedulers."""

from __future__ import annotations

from typing import Any

import pytest

from pipelines.sampler_names import SAMPLERS
from pipelines.txt2img import Txt2ImgParams
from server.api.dialects.a1111.samplers import sampling_params, second_sampling_params
from server.images.a1111_names import SAMPLERS as LABELS
from server.images.a1111_names import SCHEDULERS
from server.tasks.submission import InvalidParamsError


@pytest.mark.parametrize(
    ("sampler", "scheduler", "expected"),
    [
        ("Euler a", "", {"sampler": "euler_a"}),
        ("Euler a", "automatic", {"sampler": "euler_a"}),
        ("DPM++ 2M", "Automatic", {"sampler": "dpmpp_2m", "sigmas": "karras"}),
        ("DPM++ 2M", "uniform", {"sampler": "dpmpp_2m"}),
        ("DPM++ 2M Karras", "", {"sampler": "dpmpp_2m", "sigmas": "karras"}),
        ("DPM++ 2M Karras", "Exponential", {"sampler": "dpmpp_2m", "sigmas": "exponential"}),
        ("DPM++ 2M SDE Exponential", "", {"sampler": "dpmpp_2m_sde", "sigmas": "exponential"}),
        ("k_dpmpp_2m", "SGM Uniform", {"sampler": "dpmpp_2m", "timestep_spacing": "trailing"}),
        ("Euler", "Polyexponential", {"sampler": "euler", "sigmas": "exponential"}),
        ("DDIM", "karras", {"sampler": "ddim"}),
        ("LCM", "sgm_uniform", {"sampler": "lcm"}),
        ("", "", {"sampler": "euler"}),
    ],
)
def test_names_in_every_spelling(sampler: str, scheduler: str, expected: dict[str, Any]) -> None:
    assert sampling_params(sampler, scheduler) == expected


@pytest.mark.parametrize("scheduler", [*SCHEDULERS, *(label for label, _ in SCHEDULERS.values())])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_pair_is_a_valid_task(sampler: str, scheduler: str) -> None:
    params = sampling_params(LABELS[sampler], scheduler)
    assert Txt2ImgParams.model_validate({"text": "a", "num_steps": 4, **params}).sampler in (sampler, "dpmpp_2m")


@pytest.mark.parametrize(
    ("sampler", "scheduler", "words"), [("Restart", "", "Euler a"), ("Euler", "KL Optimal", "Karras")]
)
def test_unknown_names_are_refused_with_those_that_exist(sampler: str, scheduler: str, words: str) -> None:
    with pytest.raises(InvalidParamsError, match=words):
        sampling_params(sampler, scheduler)


@pytest.mark.parametrize(
    ("sampler", "scheduler", "first", "expected"),
    [
        ("", "", ("Euler", "Karras"), {}),
        ("Use same sampler", "Use same scheduler", ("Euler", "Karras"), {}),
        ("Heun", "", ("Euler", ""), {"sampler": "heun"}),
        ("Heun", "Use same scheduler", ("Euler", "Karras"), {"sampler": "heun", "sigmas": "karras"}),
        ("Heun", "", ("DPM++ 2M Karras", "automatic"), {"sampler": "heun", "sigmas": "karras"}),
        ("DPM++ 2M", "Use same scheduler", ("Euler", ""), {"sampler": "dpmpp_2m", "sigmas": "karras"}),
        ("Use same sampler", "Karras", ("Euler", ""), {"sampler": "euler", "sigmas": "karras"}),
        ("", "SGM Uniform", ("DPM++ 2M", ""), {"sampler": "dpmpp_2m", "timestep_spacing": "trailing"}),
        ("", "Uniform", ("DPM++ 2M", "Karras"), {"sampler": "dpmpp_2m"}),
        ("", "Automatic", ("DPM++ 2M", "Exponential"), {"sampler": "dpmpp_2m", "sigmas": "karras"}),
        ("Heun", "Normal", ("", ""), {"sampler": "heun", "timestep_spacing": "linspace"}),
    ],
)
def test_second_pass_may_keep_those_of_the_first(
    sampler: str, scheduler: str, first: tuple[str, str], expected: dict[str, Any]
) -> None:
    assert second_sampling_params(sampler, scheduler, *first) == expected


@pytest.mark.parametrize("names", [("Restart", ""), ("", "KL Optimal")])
def test_unknown_names_of_the_second_pass_are_refused_by_its_fields(names: tuple[str, str]) -> None:
    with pytest.raises(InvalidParamsError) as refused:
        second_sampling_params(*names, "Euler", "")
    assert refused.value.field.startswith("hr_")
