"""The names of the samplers: Hua's own, those of older clients, and the labels of A1111's web UI.

Torch-free, because the API validates sampler names with this module.
"""

from __future__ import annotations

import re
from typing import Literal, get_args

from models.suggestions import did_you_mean

_NOISE_SCHEDULES = ("karras", "exponential", "beta")

_SIGMAS: dict[str, tuple[str, ...]] = {
    "ddim": (),
    "plms": (),
    "lms": _NOISE_SCHEDULES,
    "solver": (),
    "euler": _NOISE_SCHEDULES,
    "euler_a": _NOISE_SCHEDULES,
    "heun": _NOISE_SCHEDULES,
    "dpm2": _NOISE_SCHEDULES,
    "dpm2_a": _NOISE_SCHEDULES,
    "dpmpp_2m": (*_NOISE_SCHEDULES, "lu"),
    "dpmpp_2m_sde": (*_NOISE_SCHEDULES, "lu"),
    "dpmpp_sde": _NOISE_SCHEDULES,
    "dpmpp_3m_sde": (*_NOISE_SCHEDULES, "lu"),
    "dpmpp_2s_a": _NOISE_SCHEDULES,
    "unipc": _NOISE_SCHEDULES,
    "deis": _NOISE_SCHEDULES,
    "lcm": (),
    "tcd": (),
}

SAMPLERS: tuple[str, ...] = tuple(_SIGMAS)

Spacing = Literal["leading", "linspace", "trailing"]
"""How the steps are spread over the timesteps of training (Lin et al. 2024, table 2).

`trailing` begins at the very last timestep, which is pure noise. `leading` ends at the very first one. `linspace` has
both ends.
"""

_DISTILLED = frozenset({"lcm", "tcd"})
"""Samplers for weights that were distilled on a fixed list of timesteps; the sampler chooses its steps from that list.
"""
_MAX_STEPS_DISTILLED = 50
_MAX_STEPS = 1000
_MULTISTEP = frozenset({"solver", "dpmpp_2m", "dpmpp_2m_sde", "dpmpp_3m_sde", "unipc", "deis"})
"""Samplers whose spacing `leading` divides the timesteps by one more than the steps."""
_SECOND_ORDER = frozenset({"heun", "dpm2", "dpm2_a", "dpmpp_sde"})
"""Samplers that run the denoiser twice in every step but the last."""
_WITHOUT_SPACING = _DISTILLED | {"dpmpp_2s_a"}


class UnknownSamplerError(ValueError):
    """No sampler has this name."""

    def __init__(self, name: str) -> None:
        hint = did_you_mean(_key(name), _BY_KEY, cutoff=0.5, labels=_BY_KEY)
        super().__init__(
            f"unknown sampler {name!r}; {hint + ' ' if hint else ''}the samplers are {', '.join(SAMPLERS)}"
        )


def _key(name: str) -> str:
    """The name in lower case, without separators, and with "pp" for "++"."""
    return re.sub(r"[\s_\-.]+", "", name.casefold().replace("++", "pp"))


_BY_KEY: dict[str, str] = {
    **{_key(name): name for name in SAMPLERS},
    **{_key(f"k_{name}"): name for name in ("lms", "euler", "euler_a", "heun", "dpm2", "dpm2_a", "dpmpp_2m")},
    "eulerancestral": "euler_a",
    "dpm2ancestral": "dpm2_a",
    "dpmpp2sancestral": "dpmpp_2s_a",
    "pndm": "plms",
    "dpmsolver": "solver",
    "dpmsolverpp": "solver",
}


def canonical(name: str) -> tuple[str, str | None]:
    """The sampler that `name` means, and the sigmas that the name includes ("DPM++ 2M Karras"), else None.

    Raises UnknownSamplerError.
    """
    key = _key(name)
    if key in _BY_KEY:
        return _BY_KEY[key], None
    for sigmas in _NOISE_SCHEDULES:
        sampler = _BY_KEY.get(key.removesuffix(sigmas))
        if sampler is not None and sigmas in sigmas_of(sampler):
            return sampler, sigmas
    raise UnknownSamplerError(name)


def sigmas_of(sampler: str) -> tuple[str, ...]:
    """The noise schedules that a sampler supports besides its own."""
    return _SIGMAS[sampler]


def spacings_of(sampler: str) -> tuple[Spacing, ...]:
    """The timestep spacings that a sampler supports; none if it has its own timesteps."""
    return () if sampler in _WITHOUT_SPACING else get_args(Spacing)


def max_steps_of(sampler: str) -> int:
    """The most steps that a sampler can take."""
    if sampler in _DISTILLED:
        return _MAX_STEPS_DISTILLED
    return _MAX_STEPS - 1 if sampler in _MULTISTEP else _MAX_STEPS


def denoiser_calls(sampler: str, steps: int) -> int:
    """About how often a sampler runs the denoiser in `steps` steps."""
    return 2 * steps - 1 if sampler in _SECOND_ORDER else steps
