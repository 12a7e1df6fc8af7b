"""Every sampler's table against stepping the diffusers scheduler itself."""

from __future__ import annotations

import copy
from functools import cache

import diffusers
import numpy as np
import pytest
import torch

from models.noise import SeededNoise
from pipelines.engine.sampling import samplers
from pipelines.engine.sampling.sampler_table import Table
from pipelines.sampler_names import SAMPLERS, Spacing, denoiser_calls, max_steps_of, sigmas_of, spacings_of
from tests.pipelines.conftest import SD1

SHAPE = (1, 4, 8, 8)
CASES = [(sampler, sigmas) for sampler in SAMPLERS for sigmas in (None, *sigmas_of(sampler))]


def model(latents: torch.Tensor, timestep: float) -> torch.Tensor:
    """A smooth, bounded stand-in for a denoiser that no two latents or timesteps agree under."""
    return torch.tanh(latents.roll(1, -1) * 1.3 + latents * 0.7 + timestep / 500)


def new_scheduler(config: dict[str, object], sampler: str, sigmas: str | None) -> diffusers.SchedulerMixin:
    return copy.deepcopy(_scheduler(tuple(config.items()), sampler, sigmas))


@cache
def _scheduler(config: tuple[tuple[str, object], ...], sampler: str, sigmas: str | None) -> diffusers.SchedulerMixin:
    """Some schedulers of diffusers prepare 1000 steps, one by one, when they are constructed."""
    return samplers.scheduler_for(dict(config), sampler, sigmas)


def reference(
    scheduler: diffusers.SchedulerMixin, steps: int, source: torch.Tensor | None, strength: float
) -> torch.Tensor:
    """The denoising loop of diffusers' own pipelines."""
    noise = SeededNoise(7)
    generator = noise._generator  # private: diffusers takes the generator itself
    scheduler.set_timesteps(steps)
    timesteps = scheduler.timesteps
    if source is None:
        latents = noise.gaussian(SHAPE) * scheduler.init_noise_sigma
    else:
        skipped = (steps - min(int(steps * strength), steps)) * scheduler.order
        timesteps = timesteps[skipped:]
        if hasattr(scheduler, "set_begin_index"):
            scheduler.set_begin_index(skipped)
        latents = scheduler.add_noise(source, noise.gaussian(SHAPE), timesteps[:1])
    extra = {"generator": generator} if "generator" in scheduler.step.__code__.co_varnames else {}
    for timestep in timesteps:
        output = model(scheduler.scale_model_input(latents, timestep), float(timestep))
        latents = scheduler.step(output, timestep, latents, return_dict=False, **extra)[0]
    return latents


def by_table(table: Table, source: torch.Tensor | None) -> torch.Tensor:
    """The same denoising, as the equation of the table reads."""
    noise = SeededNoise(7)
    start = noise.gaussian(SHAPE)
    past, outputs = [table.sigma * start + (0 if source is None else table.signal * source)], []
    for i, draw in enumerate(table.draws):
        outputs.insert(0, model(past[0] * float(table.S[i]), float(table.T[i])))
        *AB, C = table.weights[i].tolist()
        A, B = AB[:4], AB[4:]
        latents = sum(a * x for a, x in zip(A, past, strict=False))
        latents = latents + sum(b * m for b, m in zip(B, outputs, strict=False))
        if draw is not None:
            z = noise.gaussian(SHAPE)
            if draw.sigma is not None and draw.sigma_next is not None:
                z = noise.brownian(SHAPE, table.sigma_range, draw.sigma, draw.sigma_next)
            latents = latents + C * z
        past.insert(0, latents)
    return past[0]


SOURCE = torch.randn(SHAPE, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize(("steps", "strength"), [(4, 1.0), (10, None), (10, 0.6)])
@pytest.mark.parametrize(("sampler", "sigmas"), CASES)
@pytest.mark.filterwarnings("ignore:Should have ta>=t0:UserWarning")
def test_table_steps_as_diffusers_does(
    config: dict[str, object], sampler: str, sigmas: str | None, steps: int, strength: float | None
) -> None:
    source = None if strength is None else SOURCE
    scheduler = new_scheduler(config, sampler, sigmas)
    if hasattr(scheduler, "noise_sampler_seed"):
        scheduler.noise_sampler_seed = 7
    expected = reference(scheduler, steps, source, strength or 1.0)
    found = by_table(samplers.table(config, sampler, sigmas, steps, strength), source)
    assert (found - expected).norm() <= 1e-5 * expected.norm()


@pytest.mark.parametrize(
    ("spacing", "steps", "strength"), [("linspace", 4, None), ("trailing", 4, None), ("trailing", 9, 0.6)]
)
@pytest.mark.parametrize("sampler", [sampler for sampler in SAMPLERS if spacings_of(sampler)])
@pytest.mark.filterwarnings("ignore:Should have ta>=t0:UserWarning")
def test_spacing_equals_diffusers(sampler: str, spacing: Spacing, steps: int, strength: float | None) -> None:
    source = None if strength is None else SOURCE
    scheduler = new_scheduler({**SD1, "timestep_spacing": spacing}, sampler, None)
    if hasattr(scheduler, "noise_sampler_seed"):
        scheduler.noise_sampler_seed = 7
    expected = reference(scheduler, steps, source, strength or 1.0)
    found = by_table(samplers.table(SD1, sampler, None, steps, strength, spacing), source)
    assert (found - expected).norm() <= 1e-5 * expected.norm()


@pytest.mark.parametrize(("sampler", "sigmas"), CASES)
def test_one_step_begins_at_the_most_noise(sampler: str, sigmas: str | None) -> None:
    """As in k-diffusion. diffusers does so with "trailing" alone, and else mostly begins at the least noise."""
    found = samplers.table({**SD1, "timestep_spacing": "leading"}, sampler, sigmas, 1)
    assert found.T[0] >= 998
    scheduler = new_scheduler({**SD1, "timestep_spacing": "trailing"}, sampler, sigmas)
    if hasattr(scheduler, "noise_sampler_seed"):
        scheduler.noise_sampler_seed = 7
    expected = reference(scheduler, 1, None, 1.0)
    assert (by_table(found, None) - expected).norm() <= 1e-5 * expected.norm()


@pytest.mark.parametrize("spacing", spacings_of("euler"))
def test_one_step_of_full_strength_hides_the_source(spacing: Spacing) -> None:
    table = samplers.table(SD1, "euler", None, 1, 1.0, spacing)
    assert (table.T[0], table.signal) == (999, 1)
    assert table.sigma == pytest.approx(14.6, abs=0.1)


def test_one_step_differs_from_diffusers() -> None:
    """If this fails, diffusers begins at the most noise as well, and the special case can go."""
    begins = {name: _first_timestep(name) for name in SAMPLERS if spacings_of(name)}
    least = {"ddim", "plms", "lms", "euler", "euler_a", "heun", "dpm2", "dpm2_a", "dpmpp_sde"}
    assert {name for name, begin in begins.items() if begin <= 1} == least
    assert all(begin < 502 for begin in begins.values())


def _first_timestep(sampler: str) -> float:
    scheduler = new_scheduler({**SD1, "timestep_spacing": "leading"}, sampler, None)
    scheduler.set_timesteps(1)
    return float(scheduler.timesteps[0])


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_evaluations_are_known_without_the_table(sampler: str) -> None:
    assert abs(len(samplers.table(SD1, sampler, None, 4)) - denoiser_calls(sampler, 4)) <= 1


@pytest.mark.parametrize("sigmas", sigmas_of("euler_a"))
def test_euler_a_uses_the_noise_levels_of_euler(sigmas: str) -> None:
    """Each step down to σ_down and up again by σ_up, as k-diffusion's sample_euler_ancestral has them, with η = 1."""
    euler, ancestral = (samplers.table(SD1, name, sigmas, 8) for name in ("euler", "euler_a"))
    assert (ancestral.T == euler.T).all()
    levels = np.sqrt(1 / ancestral.S**2 - 1)
    now, then = levels[:-1], levels[1:]
    up = np.sqrt(then**2 * (now**2 - then**2) / now**2)
    down = np.sqrt(then**2 - up**2)
    assert ancestral.weights[:-1, -1] == pytest.approx(up, rel=1e-4)
    assert ancestral.weights[:-1, 4] == pytest.approx(down - now, rel=1e-4)


def test_trailing_spacing_begins_at_pure_noise() -> None:
    begins = {spacing: samplers.table(SD1, "euler", None, 4, spacing=spacing).T[0] for spacing in spacings_of("euler")}
    assert begins == {"leading": 751, "linspace": 999, "trailing": 999}


@pytest.mark.parametrize("sampler", [sampler for sampler, sigmas in CASES if sigmas == "beta"])
def test_two_equal_first_timesteps_are_accepted(sampler: str) -> None:
    """Dense beta sigmas begin so, and diffusers' own search takes the second one for the first."""
    table = samplers.table(SD1, sampler, "beta", 50)
    assert len(table) >= 50
    assert torch.isfinite(torch.from_numpy(table.weights)).all()


def test_strength_below_one_step_is_an_empty_table(config: dict[str, object]) -> None:
    table = samplers.table(config, "plms", None, 10, 0.09)
    assert (len(table), table.signal, table.sigma) == (0, 1.0, 0.0)


def test_last_guess_is_the_clean_image(config: dict[str, object]) -> None:
    table = samplers.table(config, "ddim", None, 10)
    final_signal = table.weights[-1, 0] / table.G[-1, 0]
    assert final_signal == pytest.approx(1, abs=1e-3)


def test_unused_noise_is_drawn_where_diffusers_draws_it() -> None:
    assert all(samplers.table({}, "dpmpp_2m_sde", None, 5).draws)
    last = samplers.table({}, "euler_a", None, 5)
    assert last.draws[-1] is not None
    assert last.weights[-1, -1] == 0
    assert not any(samplers.table({}, "ddim", None, 5).draws)
    assert samplers.table({}, "lcm", None, 5).draws[-1] is None


@pytest.mark.parametrize(
    ("sampler", "sigmas", "steps", "advice"),
    [("ddim", "karras", 10, "leave sigmas out"), ("heun", "lu", 10, "karras"), ("lcm", None, 51, "1 to 50")],
)
def test_unsupported_sigmas_and_steps_are_refused(sampler: str, sigmas: str | None, steps: int, advice: str) -> None:
    with pytest.raises(samplers.SamplerError, match=advice):
        samplers.table({}, sampler, sigmas, steps)


@pytest.mark.parametrize("sampler", ["euler", "dpmpp_2m", "dpmpp_3m_sde", "unipc", "deis", "lcm"])
def test_most_steps_have_a_table(sampler: str) -> None:
    steps = max_steps_of(sampler)
    table = samplers.table({**SD1, "timestep_spacing": "leading"}, sampler, None, steps, 0.05)
    assert len(table) == int(steps * 0.05)
    assert np.isfinite(table.weights).all()


def test_unsupported_spacing_is_refused() -> None:
    with pytest.raises(samplers.SamplerError, match="leave it out"):
        samplers.table({}, "tcd", None, 4, spacing="trailing")


def test_non_linear_options_are_switched_off() -> None:
    scheduler = samplers.scheduler_for({"clip_sample": True, "thresholding": True}, "ddim", None)
    assert not scheduler.config.clip_sample
    assert not scheduler.config.thresholding


@pytest.mark.parametrize("sampler", ["euler", "ddim", "dpmpp_2m", "heun"])
def test_model_input_has_unit_variance(config: dict[str, object], sampler: str) -> None:
    table = samplers.table(config, sampler, None, 10)
    assert np.square(table.V).sum(axis=1) == pytest.approx(1)
    assert table.N[:-1] * table.S[1:, None] == pytest.approx(table.V[1:], abs=2e-3)
