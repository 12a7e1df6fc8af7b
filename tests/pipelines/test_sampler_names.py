from __future__ import annotations

import pytest

from pipelines.sampler_names import (
    SAMPLERS,
    UnknownSamplerError,
    canonical,
    denoiser_calls,
    max_steps_of,
    sigmas_of,
    spacings_of,
)


@pytest.mark.parametrize("name", SAMPLERS)
def test_canonical_keeps_own_names_in_any_case(name: str) -> None:
    assert canonical(name) == (name, None)
    assert canonical(name.upper()) == (name, None)
    assert max_steps_of(name) >= 50


@pytest.mark.parametrize(
    ("name", "sampler"),
    [
        ("k_euler", "euler"),
        ("k_euler_a", "euler_a"),
        ("klms", "lms"),
        ("k_heun", "heun"),
        ("k_dpmpp_2m", "dpmpp_2m"),
        ("Euler a", "euler_a"),
        ("Euler", "euler"),
        ("LMS", "lms"),
        ("Heun", "heun"),
        ("DPM2", "dpm2"),
        ("DPM2 a", "dpm2_a"),
        ("DPM++ 2S a", "dpmpp_2s_a"),
        ("DPM++ 2M", "dpmpp_2m"),
        ("DPM++ SDE", "dpmpp_sde"),
        ("DPM++ 2M SDE", "dpmpp_2m_sde"),
        ("DPM++ 3M SDE", "dpmpp_3m_sde"),
        ("DDIM", "ddim"),
        ("PLMS", "plms"),
        ("UniPC", "unipc"),
        ("LCM", "lcm"),
        ("TCD", "tcd"),
        ("DEIS", "deis"),
    ],
)
def test_canonical_maps_names_of_older_clients(name: str, sampler: str) -> None:
    assert canonical(name) == (sampler, None)


@pytest.mark.parametrize(
    ("label", "sampler", "sigmas"),
    [
        ("DPM++ 2M Karras", "dpmpp_2m", "karras"),
        ("DPM++ SDE Karras", "dpmpp_sde", "karras"),
        ("DPM++ 2M SDE Exponential", "dpmpp_2m_sde", "exponential"),
        ("DPM2 a Karras", "dpm2_a", "karras"),
        ("lms karras", "lms", "karras"),
        ("Euler Beta", "euler", "beta"),
        ("Euler a Karras", "euler_a", "karras"),
    ],
)
def test_canonical_splits_labels_that_include_sigmas(label: str, sampler: str, sigmas: str) -> None:
    assert canonical(label) == (sampler, sigmas)


def test_misspelt_name_gets_a_suggestion() -> None:
    with pytest.raises(UnknownSamplerError, match=r"did you mean dpmpp_2m\?"):
        canonical("dpmpp_2n")


@pytest.mark.parametrize("name", ["", "karras", "DDIM Karras", "restart"])
def test_unknown_name_is_refused_with_the_list(name: str) -> None:
    with pytest.raises(UnknownSamplerError, match="dpmpp_3m_sde"):
        canonical(name)


def test_distilled_samplers_have_no_timestep_spacing() -> None:
    assert spacings_of("euler") == ("leading", "linspace", "trailing")
    assert spacings_of("lcm") == spacings_of("tcd") == ()


def test_sigmas_of_names_the_noise_schedules() -> None:
    assert sigmas_of("ddim") == ()
    assert "karras" in sigmas_of("dpmpp_2m")


def test_second_order_samplers_run_the_denoiser_twice_but_for_the_last_step() -> None:
    assert denoiser_calls("euler", 10) == 10
    assert denoiser_calls("heun", 10) == 19
