"""A1111's names of samplers and of noise schedules ("schedulers"), and what they are here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipelines.sampler_names import SAMPLERS, UnknownSamplerError, canonical, sigmas_of, spacings_of
from server.images.a1111_names import AUTOMATIC, AUTOMATIC_SCHEDULES, SCHEDULERS
from server.images.a1111_names import SAMPLERS as LABELS
from server.tasks.submission import InvalidParamsError

SAME = ("", "use same sampler", "use same scheduler", "none")


def sampling_params(sampler: str | None, scheduler: str | None, default: str = "Euler") -> dict[str, Any]:
    """The params `sampler`, `sigmas` and `timestep_spacing`. Raises InvalidParamsError.

    A schedule that the sampler does not have is left out, as the web UI does for those with a schedule of their own.
    """
    name = (sampler or "").strip() or default
    try:
        ours, implied = canonical(name)
    except UnknownSamplerError as error:
        labels = ", ".join(LABELS[each] for each in SAMPLERS)
        raise InvalidParamsError(f"there is no sampler {name!r}; there are: {labels}", "sampler_name") from error
    is_automatic = (scheduler or "").strip().lower() in ("", AUTOMATIC)
    schedule = _schedule(scheduler)
    if is_automatic and (sigmas := implied or AUTOMATIC_SCHEDULES.get(ours)):
        schedule = {"sigmas": sigmas}
    fitting = schedule.get("sigmas") in sigmas_of(ours) or schedule.get("timestep_spacing") in spacings_of(ours)
    return {"sampler": ours, **(schedule if fitting else {})}


def second_sampling_params(sampler: str | None, scheduler: str | None) -> dict[str, Any]:
    """The same for a second pass, which may have the sampler or the schedule of the first one."""
    sampler, scheduler = (None if _is_same(name) else name for name in (sampler, scheduler))
    if sampler is None and scheduler is None:
        return {}
    if sampler is None:
        return {name: value for name, value in _schedule(scheduler).items() if name == "sigmas"}
    params = sampling_params(sampler, scheduler)
    params.pop("timestep_spacing", None)
    return params


def _is_same(name: str | None) -> bool:
    return (name or "").strip().lower() in SAME


def _schedule(name: str | None) -> Mapping[str, str]:
    key = (name or "").strip().lower().replace(" ", "_")
    if not key:
        return {}
    if key not in SCHEDULERS:
        labels = ", ".join(label for label, _ in SCHEDULERS.values())
        raise InvalidParamsError(f"there is no scheduler {name!r}; there are: {labels}", "scheduler")
    return SCHEDULERS[key][1]
