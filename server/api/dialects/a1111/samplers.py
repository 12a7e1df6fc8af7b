"""A1111's names of samplers and of noise schedules ("schedulers"), and what they are here."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from pipelines.sampler_names import SAMPLERS, UnknownSamplerError, canonical, sigmas_of, spacings_of
from server.images.a1111_names import AUTOMATIC, AUTOMATIC_SCHEDULES, SCHEDULERS
from server.images.a1111_names import SAMPLERS as LABELS
from server.tasks.submission import InvalidParamsError

DEFAULT = "Euler"
SAME = ("", "use_same_sampler", "use_same_scheduler", "none")


def sampling_params(sampler: str, scheduler: str, field: str = "") -> dict[str, Any]:
    """The params `sampler`, `sigmas` and `timestep_spacing`. Raises InvalidParamsError.

    A schedule that the sampler does not have is left out, as the web UI does for those with a schedule of their own.
    `field`: what the names of the request's fields begin with.
    """
    name = sampler.strip() or DEFAULT
    try:
        ours, implied = canonical(name)
    except UnknownSamplerError as error:
        labels = ", ".join(dict.fromkeys(LABELS[each] for each in SAMPLERS))
        raise InvalidParamsError(
            f"there is no sampler {name!r}; there are: {labels}", f"{field}sampler_name"
        ) from error
    schedule = _schedule(scheduler, f"{field}scheduler")
    if _key(scheduler) in ("", AUTOMATIC) and (sigmas := implied or AUTOMATIC_SCHEDULES.get(ours)):
        schedule = {"sigmas": sigmas}
    fitting = schedule.get("sigmas") in sigmas_of(ours) or schedule.get("timestep_spacing") in spacings_of(ours)
    return {"sampler": ours, **(schedule if fitting else {})}


def second_sampling_params(sampler: str, scheduler: str, first_sampler: str, first_scheduler: str) -> dict[str, Any]:
    """The same for a second pass, which may have the sampler or the schedule of the first one. Raises
    InvalidParamsError."""
    is_same_sampler, is_same_schedule = _key(sampler) in SAME, _key(scheduler) in SAME
    if is_same_sampler and is_same_schedule:
        return {}
    if is_same_schedule:
        scheduler = first_scheduler if _key(first_scheduler) not in ("", AUTOMATIC) else _implied(first_sampler)
    return sampling_params(first_sampler if is_same_sampler else sampler, scheduler, "hr_")


def _implied(sampler: str) -> str:
    """The schedule in the name of a sampler ("DPM++ 2M Karras")."""
    with contextlib.suppress(UnknownSamplerError):
        return canonical(sampler)[1] or ""
    return ""


def _key(name: str) -> str:
    return name.strip().lower().replace(" ", "_")


def _schedule(name: str, field: str) -> Mapping[str, str]:
    if not (key := _key(name)):
        return {}
    if key not in SCHEDULERS:
        labels = ", ".join(label for label, _ in SCHEDULERS.values())
        raise InvalidParamsError(f"there is no scheduler {name!r}; there are: {labels}", field)
    return SCHEDULERS[key][1]
