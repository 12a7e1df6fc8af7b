"""A1111's names of samplers and of noise schedules ("schedulers")."""

from __future__ import annotations

from collections.abc import Mapping

SAMPLERS = {
    "ddim": "DDIM",
    "plms": "PLMS",
    "lms": "LMS",
    "solver": "DPM++ 2M",
    "euler": "Euler",
    "euler_a": "Euler a",
    "heun": "Heun",
    "dpm2": "DPM2",
    "dpm2_a": "DPM2 a",
    "dpmpp_2m": "DPM++ 2M",
    "dpmpp_2m_sde": "DPM++ 2M SDE",
    "dpmpp_3m_sde": "DPM++ 3M SDE",
    "dpmpp_sde": "DPM++ SDE",
    "dpmpp_2s_a": "DPM++ 2S a",
    "unipc": "UniPC",
    "deis": "DEIS",
    "lcm": "LCM",
    "tcd": "TCD",
}
"""Label by our name. The web UI knows one sampler by both names of DPM++ 2M."""
AUTOMATIC, UNIFORM = "automatic", "uniform"
SCHEDULERS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    AUTOMATIC: ("Automatic", {}),
    UNIFORM: ("Uniform", {}),
    "karras": ("Karras", {"sigmas": "karras"}),
    "exponential": ("Exponential", {"sigmas": "exponential"}),
    "polyexponential": ("Polyexponential", {"sigmas": "exponential"}),
    "beta": ("Beta", {"sigmas": "beta"}),
    "lu": ("Lu", {"sigmas": "lu"}),
    "sgm_uniform": ("SGM Uniform", {"timestep_spacing": "trailing"}),
    "simple": ("Simple", {"timestep_spacing": "trailing"}),
    "normal": ("Normal", {"timestep_spacing": "linspace"}),
    "ddim": ("DDIM", {"timestep_spacing": "leading"}),
}
"""Label and params by name. With A1111's default of rho, polyexponential is exponential."""
AUTOMATIC_SCHEDULES = {
    "solver": "karras",
    "dpmpp_2m": "karras",
    "dpmpp_sde": "karras",
    "dpmpp_2s_a": "karras",
    "dpm2": "karras",
    "dpm2_a": "karras",
    "dpmpp_2m_sde": "exponential",
    "dpmpp_3m_sde": "exponential",
}
"""What "Automatic" means for a sampler since version 1.9 of the web UI; for others, their own schedule."""


def schedule_label(sampler: str, sigmas: str | None, spacing: str | None) -> str | None:
    """The label from which the web UI takes the same schedule for a sampler; None if it is the sampler's own anyway."""
    if sigmas is spacing is AUTOMATIC_SCHEDULES.get(sampler):
        return None
    wanted = {"sigmas": sigmas} if sigmas else {"timestep_spacing": spacing} if spacing else {}
    labels = (label for name, (label, params) in SCHEDULERS.items() if params == wanted and name != AUTOMATIC)
    return next(labels, sigmas and sigmas.capitalize())
