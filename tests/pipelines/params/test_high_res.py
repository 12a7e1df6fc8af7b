from typing import Any

import pytest
import torch
from pydantic import ValidationError

from pipelines.params.high_res import HighRes
from pipelines.params.image import strength_of


def test_size_is_rounded_to_multiples_of_8() -> None:
    assert HighRes(upscale_factor=1.5).size(512, 520) == (768, 784)


def test_enlarge_resizes_latents_by_the_method() -> None:
    latents = torch.arange(4.0).reshape(1, 1, 2, 2)
    enlarged = HighRes(upscale_method="nearest").enlarge(latents, width=4, height=2)
    assert enlarged.tolist() == [[[[0, 0, 1, 1], [2, 2, 3, 3]]]]


@pytest.mark.parametrize("percent", range(100))
def test_a_step_runs_at_any_fidelity(percent: int) -> None:
    fidelity = percent / 100
    steps = HighRes(fidelity=fidelity).steps(1)
    assert int(steps * strength_of(fidelity)) >= 1


@pytest.mark.parametrize(
    ("fidelity", "num_steps", "sampler", "highest"),
    [(0.97, 40, "euler", 0.96), (0.5, 40, "lcm", 0.2), (0.1, 50, "tcd", 0)],
)
def test_too_many_steps_are_refused_with_what_the_sampler_can_take(
    fidelity: float, num_steps: int, sampler: str, highest: float
) -> None:
    advice = f"num_steps {num_steps} over .* set fidelity to at most {highest:g}, or lower num_steps"
    with pytest.raises(ValueError, match=advice):
        HighRes(fidelity=fidelity).refuse_too_many_steps(num_steps, sampler)
    HighRes(fidelity=highest).refuse_too_many_steps(num_steps, sampler)
    HighRes(fidelity=fidelity).refuse_too_many_steps(10, sampler)


@pytest.mark.parametrize(("fidelity", "steps"), [(0.0, 20), (0.5, 40), (0.75, 80)])
def test_steps_leave_as_many_to_run_at_any_fidelity(fidelity: float, steps: int) -> None:
    assert HighRes(fidelity=fidelity).steps(20) == pytest.approx(steps, abs=1)


def test_size_of_its_own_crops_latents_of_another_shape() -> None:
    highres = HighRes(w=512, h=256, upscale_method="nearest")
    assert highres.size(320, 320) == (512, 256)
    latents = torch.arange(4.0).reshape(1, 1, 4, 1).expand(1, 1, 4, 4)
    enlarged = highres.enlarge(latents, width=8, height=4)
    assert enlarged[0, 0, :, 0].tolist() == [1, 1, 2, 2]
    assert enlarged.shape == (1, 1, 4, 8)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"w": 512}, "set both"),
        ({"w": 500, "h": 512}, "w of highres_info 500 is not a multiple of 8"),
        ({"w": 2048, "h": 512}, "above max_wh 1024"),
        ({"text": "a <lora:toy:1> cat"}, "LoRAs act on both passes"),
    ],
)
def test_wrong_second_passes_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        HighRes(**fields)


def test_own_parameters_are_those_that_are_set() -> None:
    assert HighRes().own == {}
    assert HighRes(num_steps=4, text="a").own == {"num_steps": 4, "text": "a"}
    assert HighRes(sampler="heun").own == {"sampler": "heun", "sigmas": None, "timestep_spacing": None}
    assert HighRes(timestep_spacing="trailing").own == {"timestep_spacing": "trailing"}
