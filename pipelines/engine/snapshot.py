"""A parked task as one file: its trajectories' tensors, to go on from on another device."""

from __future__ import annotations

import json
from collections import defaultdict

from safetensors import SafetensorError
from safetensors.torch import load, save

from pipelines.engine.recipe_run import Parked
from pipelines.engine.trajectory import State

FORM = "1"
"""Raised when what a trajectory keeps changes its meaning."""


class ParkedFormError(ValueError):
    """These bytes are no parked task of this version; the task is to begin anew."""


def packed(parked: Parked) -> bytes:
    """Safetensors: `YIELD.TRAJECTORY.NAME`, and how many trajectories each yield had."""
    tensors = {
        f"{number}.{place}.{name}": tensor.contiguous()
        for number, states in enumerate(parked.yields)
        for place, state in enumerate(states)
        for name, tensor in state.items()
    }
    return save(tensors, {"form": FORM, "yields": json.dumps([len(states) for states in parked.yields])})


def unpacked(data: bytes) -> Parked:
    """Raises ParkedFormError."""
    try:
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
        if header["form"] != FORM:
            raise ParkedFormError(f"a task parked in form {header['form']} cannot be continued in form {FORM}")
        states: defaultdict[tuple[int, int], State] = defaultdict(dict)
        for path, tensor in load(data).items():
            number, place, name = path.split(".")
            states[int(number), int(place)][name] = tensor
        lengths: list[int] = json.loads(header["yields"])
        return Parked(tuple(tuple(states[n, place] for place in range(length)) for n, length in enumerate(lengths)))
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise ParkedFormError(f"this is no parked task: {error}") from error
