"""The samplers: the diffusers scheduler of each, and its table."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import diffusers
import torch

from pipelines.engine.sampling.sampler_table import Table, empty, extract
from pipelines.sampler_names import Spacing, max_steps_of, sigmas_of, spacings_of

_MULTISTEP = ("DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver++", "solver_order": 2})
_SDE = {"algorithm_type": "sde-dpmsolver++"}

_SCHEDULERS: dict[str, tuple[str, dict[str, Any]]] = {
    "ddim": ("DDIMScheduler", {}),
    "plms": ("PNDMScheduler", {"skip_prk_steps": True}),
    "lms": ("LMSDiscreteScheduler", {}),
    "solver": _MULTISTEP,
    "euler": ("EulerDiscreteScheduler", {}),
    "euler_a": ("EulerAncestralDiscreteScheduler", {}),
    "heun": ("HeunDiscreteScheduler", {}),
    "dpm2": ("KDPM2DiscreteScheduler", {}),
    "dpm2_a": ("KDPM2AncestralDiscreteScheduler", {}),
    "dpmpp_2m": _MULTISTEP,
    "dpmpp_2m_sde": ("DPMSolverMultistepScheduler", {**_SDE, "solver_order": 2}),
    "dpmpp_sde": ("DPMSolverSDEScheduler", {}),
    "dpmpp_3m_sde": ("DPMSolverMultistepScheduler", {**_SDE, "solver_order": 3}),
    "dpmpp_2s_a": ("DPMSolverSinglestepScheduler", {**_SDE, "solver_order": 2, "lower_order_final": True}),
    "unipc": ("UniPCMultistepScheduler", {"solver_order": 2}),
    "deis": ("DEISMultistepScheduler", {"algorithm_type": "deis", "solver_type": "logrho", "solver_order": 2}),
    "lcm": ("LCMScheduler", {}),
    "tcd": ("TCDScheduler", {}),  # as random as its authors advise, γ = 0.3 (Zheng et al. 2024)
}

_SIGMA_FLAGS = {
    "karras": "use_karras_sigmas",
    "exponential": "use_exponential_sigmas",
    "beta": "use_beta_sigmas",
    "lu": "use_lu_lambdas",
}
_LINEAR = {"clip_sample": False, "thresholding": False}


class EulerAncestral(diffusers.EulerAncestralDiscreteScheduler):  # type: ignore[misc]
    """Takes its noise levels from `spaced`, if that is set: diffusers' own class offers only those of training, but its
    step works with any."""

    spaced: diffusers.EulerDiscreteScheduler | None = None

    def set_timesteps(self, num_inference_steps: int, device: str | torch.device | None = None) -> None:
        super().set_timesteps(num_inference_steps, device)
        if self.spaced is not None:
            self.spaced.set_timesteps(num_inference_steps, device)
            self.sigmas, self.timesteps = self.spaced.sigmas, self.spaced.timesteps


class SamplerError(ValueError):
    """A sampler cannot take these sigmas, this spacing or this number of steps."""

    code = "bad_input"


def table(
    config: Mapping[str, Any],
    sampler: str,
    sigmas: str | None,
    steps: int,
    strength: float | None = None,
    spacing: Spacing | None = None,
) -> Table:
    """The table of a sampler. Raises SamplerError.

    `config` is the checkpoint's diffusers scheduler config.
    `sigmas` is the noise schedule by name; None: the sampler's own.
    `strength` (0 to 1) starts image to image at that noise level, on exactly the timesteps of diffusers' image to image
    pipelines; one that is too low for a step makes a table of no rows. None: text to image.
    `spacing` is how the timesteps are spread; None: as `config` says. A single step always begins at the most noise, as
    k-diffusion has it; diffusers' "leading" and "linspace" would take it from the least.
    """
    _check(sampler, sigmas, steps, spacing)
    if steps == 1 and spacings_of(sampler):
        spacing = "trailing"
    begin = None if strength is None else steps - min(int(steps * strength), steps)
    if begin == steps:
        return empty()
    return _table(json.dumps(dict(config), sort_keys=True, default=str), sampler, sigmas, steps, begin, spacing)


def scheduler_for(config: Mapping[str, Any], sampler: str, sigmas: str | None, spacing: Spacing | None = None) -> Any:
    """A new diffusers scheduler: the sampler's class with the checkpoint's betas and prediction type; also with its
    spacing, unless `spacing` is another."""
    name, overrides = _SCHEDULERS[sampler]
    kind = EulerAncestral if sampler == "euler_a" else getattr(diffusers, name)
    accepted = inspect.signature(kind.__init__).parameters
    flags = {} if sigmas is None else {flag: key == sigmas for key, flag in _SIGMA_FLAGS.items()}
    unset = config.get("_use_default_values", ())
    trained = {key: value for key, value in config.items() if key not in unset}
    spread = {} if spacing is None else {"timestep_spacing": spacing}
    options = {**trained, **_LINEAR, **overrides, **flags, **spread}
    scheduler = kind(**{key: value for key, value in options.items() if key in accepted})
    if isinstance(scheduler, EulerAncestral) and sigmas is not None:
        scheduler.spaced = scheduler_for(config, "euler", sigmas, spacing)
    return scheduler


def _check(sampler: str, sigmas: str | None, steps: int, spacing: Spacing | None) -> None:
    allowed = sigmas_of(sampler)
    if sigmas is not None and sigmas not in allowed:
        has = f"it has {', '.join(allowed)}" if allowed else "it has only its own; leave sigmas out"
        raise SamplerError(f"sampler {sampler!r} has no sigmas {sigmas!r}; {has}")
    if spacing is not None and spacing not in spacings_of(sampler):
        raise SamplerError(f"sampler {sampler!r} has no timestep_spacing {spacing!r}; leave it out")
    if not 1 <= steps <= max_steps_of(sampler):
        raise SamplerError(f"sampler {sampler!r} cannot take {steps} steps; ask for 1 to {max_steps_of(sampler)}")


@lru_cache(maxsize=4096)
def _table(
    config: str, sampler: str, sigmas: str | None, steps: int, begin: int | None, spacing: Spacing | None
) -> Table:
    scheduler = scheduler_for(json.loads(config), sampler, sigmas, spacing)
    return extract(scheduler, steps, None if begin is None else begin * scheduler.order)
