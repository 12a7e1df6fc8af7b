"""The state of a parked task, in memory and as a file: what another process needs to continue it bit for bit."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass

from safetensors import SafetensorError
from safetensors.torch import load, save

from pipelines.engine.trajectory import State

FORMAT = "1"
"""Raise it when the tensors of a trajectory's state change their meaning."""


class SnapshotFormatError(ValueError):
    """These bytes are not a snapshot of this version; the task has to start again."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Where a recipe has stopped."""

    yields: tuple[tuple[State, ...], ...] = ()
    """The trajectories of every yield so far, in order; those of the last yield are not done yet."""

    def to_bytes(self) -> bytes:
        """Safetensors named `YIELD.TRAJECTORY.NAME`, with the number of trajectories of each yield in the metadata."""
        tensors = {
            f"{number}.{index}.{name}": tensor.contiguous()
            for number, states in enumerate(self.yields)
            for index, state in enumerate(states)
            for name, tensor in state.items()
        }
        return save(tensors, {"form": FORMAT, "yields": json.dumps([len(states) for states in self.yields])})

    @classmethod
    def from_bytes(cls, data: bytes) -> Snapshot:
        """Raises SnapshotFormatError."""
        try:
            header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
            if header["form"] != FORMAT:
                raise SnapshotFormatError(f"format {header['form']} cannot be continued; this version reads {FORMAT}")
            states: defaultdict[tuple[int, int], State] = defaultdict(dict)
            for path, tensor in load(data).items():
                number, index, name = path.split(".")
                states[int(number), int(index)][name] = tensor
            lengths: list[int] = json.loads(header["yields"])
            return cls(tuple(tuple(states[n, index] for index in range(length)) for n, length in enumerate(lengths)))
        except (SafetensorError, ValueError, KeyError, TypeError) as error:
            raise SnapshotFormatError(f"not a parked task: {error}") from error
