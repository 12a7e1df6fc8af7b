"""The names of the samplers: ours, those of older clients, and the labels of A1111. Torch-free, for the API asks it."""

from __future__ import annotations

import difflib
import re
from typing import Literal, get_args

_SPACED = ("karras", "exponential", "beta")

_SIGMAS: dict[str, tuple[str, ...]] = {
    "ddim": (),
    "plms": (),
    "lms": _SPACED,
    "solver": (),
    "euler": _SPACED,
    "euler_a": _SPACED,
    "heun": _SPACED,
    "dpm2": _SPACED,
    "dpm2_a": _SPACED,
    "dpmpp_2m": (*_SPACED, "lu"),
    "dpmpp_2m_sde": (*_SPACED, "lu"),
    "dpmpp_sde": _SPACED,
    "dpmpp_3m_sde": (*_SPACED, "lu"),
    "dpmpp_2s_a": _SPACED,
    "unipc": _SPACED,
    "deis": _SPACED,
    "lcm": (),
    "tcd": (),
}

SAMPLERS: tuple[str, ...] = tuple(_SIGMAS)

Spacing = Literal["leading", "linspace", "trailing"]
"""How steps are spread over the timesteps of training: `trailing` begins at the very last one, pure noise, `leading`
ends at the very first one, and `linspace` has both (Lin et al. 2024, table 2)."""

_DISTILLED = frozenset({"lcm", "tcd"})
"""Their weights were distilled on a ladder of timesteps, from which they choose."""
_DISTILLED_STEPS = 50
_MOST_STEPS = 1000
_SECOND_ORDER = frozenset({"heun", "dpm2", "dpm2_a", "dpmpp_sde"})
"""They ask the denoiser twice at each step but the last."""
_UNSPACED = _DISTILLED | {"dpmpp_2s_a"}


class UnknownSamplerError(ValueError):
    """No sampler has this name."""

    def __init__(self, name: str) -> None:
        close = difflib.get_close_matches(_key(name), _BY_KEY, n=1, cutoff=0.5)
        hint = f"did you mean {_BY_KEY[close[0]]!r}? " if close else ""
        super().__init__(f"unknown sampler {name!r}; {hint}there are {', '.join(SAMPLERS)}")


def _key(name: str) -> str:
    """What is left of a name when case, spacing and the spelling of "++" are taken away."""
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
    """The sampler that `name` means, and the sigmas if the name says them ("DPM++ 2M Karras"), else None.

    Raises UnknownSamplerError.
    """
    key = _key(name)
    if key in _BY_KEY:
        return _BY_KEY[key], None
    for sigmas in _SPACED:
        sampler = _BY_KEY.get(key.removesuffix(sigmas))
        if sampler is not None and sigmas in sigmas_of(sampler):
            return sampler, sigmas
    raise UnknownSamplerError(name)


def sigmas_of(sampler: str) -> tuple[str, ...]:
    """The spacings of noise levels that a sampler may be asked for, besides its own."""
    return _SIGMAS[sampler]


def spacings_of(sampler: str) -> tuple[Spacing, ...]:
    """The spacings of timesteps that a sampler may be asked for."""
    return () if sampler in _UNSPACED else get_args(Spacing)


def most_steps_of(sampler: str) -> int:
    """How many steps a sampler can take."""
    return _DISTILLED_STEPS if sampler in _DISTILLED else _MOST_STEPS


def passes_of(sampler: str, steps: int) -> int:
    """How often about the denoiser is asked in so many steps."""
    return 2 * steps - 1 if sampler in _SECOND_ORDER else steps
